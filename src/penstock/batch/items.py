"""From the rows of an input to the items of a run: samples counted, options applied, digests made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import msgspec

from penstock.batch.prescan import Equals, Scan, canonical, digest_of, share_key
from penstock.batch.sources import BadRow, Row, Source
from penstock.call import Kind, PromptVersion

__all__ = ["BadItem", "Estimate", "Item", "Shape", "identities", "items"]


_AHEAD = 64


class Item(msgspec.Struct):
    """One thing to ask. `key` is set when another item may be its equal."""

    idx: int
    custom_id: str
    digest: bytes
    kind: Kind
    model: str | None
    body: dict[str, Any]
    key: bytes | None
    estimate: int = 0
    """Tokens that it may cost at a limiter."""
    sample: str = ""
    """What keeps it apart from its equals; "" for the first of them."""
    prompt: PromptVersion | None = None
    variables: dict[str, Any] | None = None


Estimate = Callable[[Item], int]
"""From what is asked to the tokens that it may cost at a limiter."""


class BadItem(msgspec.Struct):
    """A line that is no request, to be recorded as such."""

    idx: int
    custom_id: str
    message: str


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What the command's options make of every row."""

    samples: int = 1
    system: str | None = None
    params: dict[str, Any] = {}
    """Laid over each body, whatever it says itself."""
    response_format: dict[str, Any] | None = None
    """Laid over the bodies of chats alone."""
    apart: bool = False
    """Equal rows are asked each for itself, also of a cache."""
    one_model: bool = False
    """`-m` was given: the bodies' own models don't count."""

    def body(self, row: Row) -> dict[str, Any]:
        """The body that is asked."""
        if not self.params and self.system is None and self.response_format is None:
            return row.body
        body = {**row.body, **self.params}
        if self.response_format is not None and row.kind == "chat":
            body["response_format"] = self.response_format
        if self.system is not None and row.kind == "chat":
            messages = body["messages"]
            has_own = messages[0].get("role") in ("system", "developer")
            body["messages"] = [{"role": "system", "content": self.system}, *messages[has_own:]]
        return body


def items(
    source: Source,
    shape: Shape,
    *,
    scan: Scan | None,
    equals: Equals | None,
    wanted: Callable[[int], bool],
    estimate: Estimate | None = None,
) -> Iterator[Item | BadItem]:
    """What is left to ask, in input order; `wanted` is asked by an item's own index.

    Read some ahead: item by item between two requests, the same work costs three times as much, since each finds the
    processor's caches full of something else. Without a `scan` (a pipe) equal rows are not told apart and repeated
    ids are not found.
    """
    made = _one_by_one(source, shape, scan=scan, equals=equals, wanted=wanted)
    while ahead := list(islice(made, _AHEAD)):
        if estimate is not None:
            for item in ahead:
                if isinstance(item, Item):
                    item.estimate = estimate(item)
        # Handed out from the end of a list that shrinks: nothing is held longer than it is needed.
        ahead.reverse()
        while ahead:
            yield ahead.pop()


def _one_by_one(
    source: Source,
    shape: Shape,
    *,
    scan: Scan | None,
    equals: Equals | None,
    wanted: Callable[[int], bool],
) -> Iterator[Item | BadItem]:
    samples = shape.samples
    repeated = scan.repeated if scan is not None else {}
    if samples == 1:
        row_wanted = wanted
    else:

        def row_wanted(index: int) -> bool:
            return any(wanted(index * samples + number) for number in range(samples))

    for row in source.rows(wanted=row_wanted):
        if isinstance(row, BadRow):
            is_named = row.custom_id is not None and scan is not None and row.index not in scan.unnamed
            yield BadItem(row.index * samples, (is_named and row.custom_id) or f"line-{row.line}", row.message)
            continue
        if row.index in repeated:
            yield BadItem(row.index * samples, f"line-{row.line}", repeated[row.index])
            continue
        encoded = canonical(row.body)
        digest = digest_of(row.kind, encoded)
        is_shared = equals is not None and len(equals) > 0 and hash(encoded) in equals
        model = None if shape.one_model else row.model
        body = shape.body(row)
        for number in range(samples):
            idx = row.index * samples + number
            if samples > 1 and not wanted(idx):
                continue
            key = share_key(digest, model, number) if is_shared else None
            custom_id = _id(row, samples, number)
            sample = custom_id if shape.apart else str(number or "")
            said = (row.prompt, row.variables)
            yield Item(idx, custom_id, digest, row.kind, model, body, key, 0, sample, *said)


def identities(source: Source, samples: int, scan: Scan) -> Iterator[tuple[int, str, bytes]]:
    """(index, custom_id, digest) of every item of the input, for the journal to recognise them."""
    for row in source.rows():
        if isinstance(row, BadRow) or row.index in scan.repeated:
            continue
        digest = digest_of(row.kind, canonical(row.body))
        for number in range(samples):
            yield row.index * samples + number, _id(row, samples, number), digest


def _id(row: Row, samples: int, number: int) -> str:
    return row.custom_id if samples == 1 else f"{row.custom_id}#{number + 1}"
