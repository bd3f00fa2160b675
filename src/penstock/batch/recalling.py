"""What the cache knows of the rows ahead, looked up together: a hit goes to the sink without being a call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from penstock.batch.items import Hits, Item
from penstock.call import Completion
from penstock.wiring import Recall

__all__ = ["Recalling"]


class Recalling:
    """Takes those that the cache knows out of a group of items. Equal rows wait for each other and stay."""

    def __init__(self, recall_for: Callable[[str | None], Recall | None]) -> None:
        """`recall_for` gives the cache of a body's own model, None where it can't be asked so."""
        self._recall_for = recall_for
        self._recalls: dict[str | None, Recall | None] = {}

    async def prepare(self, models: Iterable[str | None]) -> None:
        """To be called before the first group; `models` are those that the items have."""
        for model in models:
            if (recall := self._of(model)) is not None:
                await recall.prepare()

    def _of(self, model: str | None) -> Recall | None:
        if model not in self._recalls:
            self._recalls[model] = self._recall_for(model)
        return self._recalls[model]

    def split(self, ahead: list[Item]) -> tuple[Hits | None, list[Item]]:
        """See `penstock.batch.items.Known`."""
        hits = Hits()
        asked: dict[str | None, list[Item]] = {}
        for item in ahead:
            if item.key is None:
                asked.setdefault(item.model, []).append(item)
        for model, items in asked.items():
            if (recall := self._of(model)) is not None:
                _look_up(recall, items, hits)
        count = len(hits.answers) + len(hits.whole)
        if count == len(ahead):
            return hits, []
        if not count:
            return None, ahead
        known = {item.idx for item, _ in hits.answers}
        known.update(item.idx for item, _ in hits.whole)
        return hits, [item for item in ahead if item.idx not in known]

    def missed(self, item: Item) -> None:
        """See `penstock.batch.items.Known`."""
        # One that wasn't looked up is found by the handler.
        if item.key is None and not item.is_new and (recall := self._of(item.model)) is not None:
            recall.missed(item.body, item.sample, item.asked)

    def key(self, item: Item, completion: Completion) -> bytes:
        """See `penstock.batch.sink.Keeping`."""
        recall = self._recalls.get(item.model) if item.is_new else None
        return recall.key(item.asked, completion) if recall is not None else b""

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """See `penstock.batch.sink.Keeping`."""
        recall = next((one for one in self._recalls.values() if one is not None), None)
        if recall is not None:
            recall.keep(values)


def _look_up(recall: Recall, items: list[Item], hits: Hits) -> None:
    question = recall.question
    for item in items:
        item.asked = question(item.asked, item.kind, item.sample)
    found = recall.find([item.asked for item in items])
    if found is None:
        return
    is_all = recall.is_all
    for item, kept in zip(items, found, strict=True):
        if kept is None:
            item.is_new = is_all
            continue
        if kept.whole is None:
            hits.answers.append((item, kept))
        elif (completion := recall.completion(kept)) is not None:
            hits.whole.append((item, completion))
