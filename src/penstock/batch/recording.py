"""Records of what became of items, made in groups where they are written."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from penstock.batch.items import BadItem, Item
from penstock.batch.record import Meta, Record, encode
from penstock.batch.schema import ANSWERED, BAD, FAILED
from penstock.batch.writer import Written
from penstock.call import Completion, Finding, Kind, PromptVersion, Status, Usage, cost_of, status_of
from penstock.errors import GuardRefused, InvalidAnswer, Unanswered
from penstock.wiring import Kept, pack, to_keep

__all__ = ["Encode", "Keeping", "Recorder", "Told", "WritesOpenAI", "joined_meta"]

Encode = Callable[[Completion], bytes]
"""The OpenAI object of a completion that has no raw one. Called on the loop or in the journal's thread."""

WritesOpenAI = Callable[[str], bool]
"""Whether a target's raw bodies are OpenAI's objects, so that they are kept as they are."""


_MOST_TARGETS = 1000
_record = tuple.__new__


class Keeping(Protocol):
    """A cache that is given the answers to what it hadn't."""

    def key(self, item: Item, completion: Completion) -> bytes:
        """Under what it is to be kept; b"" for what isn't."""
        ...

    def keep(self, values: Mapping[bytes, bytes]) -> None:
        """On the loop."""
        ...


Told = tuple[
    *tuple[int, str, bytes, Kind, int, bytes | Completion, str | None, bytes],
    *tuple[str, int, float, bool, Status, Usage | None, float | None, PromptVersion | None, tuple[Finding, ...]],
]
"""An answer's index, id, digest, kind, body number, body (or what one is made of), request id, key in the cache,
target, requests sent, latency, whether it was cached, status, usage, cost, prompt and what guards found."""


class Recorder:
    """Makes records: what is common to every sink."""

    def __init__(
        self, encode_completion: Encode, writes_openai: WritesOpenAI | None, keeping: Keeping | None = None
    ) -> None:
        self._encode = encode_completion
        self._asks_writes_openai = writes_openai or (lambda _: True)
        self._answers_openai: dict[str, bool] = {}
        self._keeping = keeping
        self._kept: dict[bytes, bytes] = {}

    def told(self, item: Item, completion: Completion, body: int) -> Told:
        """What a record needs of an answer. The rest, and there is more of it, is let go while it is still at hand.

        An answer that came as a stream has no body, and one of another wire than OpenAI's has not the output's: it is
        made where the record is.
        """
        raw = completion.raw
        is_openai = self._answers_openai.get(completion.target)
        if is_openai is None:
            is_openai = self._writes_openai(completion.target)
        return (
            item.idx,
            item.custom_id,
            item.digest,
            item.kind,
            body,
            raw if raw and is_openai else completion,
            completion.request_id,
            self._keeping.key(item, completion) if item.is_new and self._keeping is not None else b"",
            completion.target,
            completion.requests_sent,
            completion.latency_s,
            completion.cached,
            status_of(completion),
            completion.usage,
            completion.cost_usd,
            item.prompt,
            completion.guards,
        )

    def _writes_openai(self, target: str) -> bool:
        if len(self._answers_openai) >= _MOST_TARGETS:
            self._answers_openai.clear()
        answer = self._answers_openai[target] = self._asks_writes_openai(target)
        return answer

    def answer(self, told: Told) -> tuple[Record, bytes]:
        idx, custom_id, digest, kind, body, made_of, request_id, key = told[:8]
        target, sent, latency_s, cached, status, usage, cost_usd, prompt, guards = told[8:]
        if key:
            self._keep(key, told)
        raw = made_of if isinstance(made_of, bytes) else self._encode(made_of)
        if raw[:1] != b"{":
            raw = raw.strip()
        meta = Meta(
            target=target,
            attempts=sent,
            latency_s=int(latency_s * 1e4 + 0.5) / 1e4,  # rounded, in half the time
            cost_usd=None if cost_usd is None else round(cost_usd, 12),
            cached=cached,
            status=status,
            usage=usage,
            kind=kind,
            at_s=int(time.time() * 1e3) / 1e3,
            prompt=prompt,
            guards=guards,
        )
        # A named tuple's own constructor is a function in Python.
        return _record(Record, (idx, custom_id, digest, ANSWERED, body, request_id, encode(meta))), raw

    def _keep(self, key: bytes, told: Told) -> None:
        made_of = told[5]
        if isinstance(made_of, bytes):
            kept = Kept.of(told[8], told[3], request_id=told[6], status=told[12], usage=told[13], raw=made_of)
        else:
            kept = to_keep(made_of, raw_says_all=False)
        with contextlib.suppress(TypeError, ValueError, OverflowError):  # what has no form isn't kept
            self._kept[key] = pack(kept)

    def kept(self) -> dict[bytes, bytes]:
        """What is for the cache since this was asked last."""
        kept, self._kept = self._kept, {}
        return kept

    def recalled(self, hits: Sequence[tuple[Item, Kept]], body: int) -> list[Written]:
        """Records of answers that the cache had, bodies numbered from `body` on."""
        at_s = round(time.time(), 3)
        made: list[Written] = []
        for item, kept in hits:
            raw = kept.raw
            if raw[:1] != b"{":
                raw = raw.strip()
            meta = Meta(
                target=kept.target,
                attempts=0,
                latency_s=0.0,
                cost_usd=0.0,
                cached=True,
                status=kept.status,
                usage=kept.usage,
                kind=item.kind,
                at_s=at_s,
                prompt=item.prompt,
            )
            record = Record(item.idx, item.custom_id, item.digest, ANSWERED, body, kept.request_id, encode(meta))
            made.append((record, raw, None))
            body += 1
        return made

    def written(self, told: Told) -> Written:
        record, raw = self.answer(told)
        return record, raw, None

    def failure(self, item: Item, error: Unanswered, body: int) -> tuple[Record, bytes | None]:
        last = error.last
        raw = last.body if last is not None and last.body else None
        if isinstance(error, InvalidAnswer) and error.completion is not None:
            # It came, and was paid for.
            raw = self._body(error.completion)
        first_s = error.attempts[0].started_s if error.attempts else 0.0
        ended_s = (error.attempts[-1].ended_s or first_s) if error.attempts else 0.0
        meta = Meta(
            target=last.target if last is not None else "",
            attempts=error.requests_sent,
            latency_s=round(ended_s - first_s, 4),
            cost_usd=_rounded(cost_of(error.attempts)),
            cached=False,
            status="failed",
            usage=None,
            kind=item.kind,
            at_s=round(time.time(), 3),
            prompt=item.prompt,
            guards=error.guards if isinstance(error, GuardRefused) else (),
            http_status=(last.status or 0) if last is not None else 0,
            error_code=error.kind,
            error_message=error.message,
        )
        request_id = last.request_id if last is not None else None
        record = Record(item.idx, item.custom_id, item.digest, FAILED, body if raw else None, request_id, encode(meta))
        return record, raw

    def _body(self, completion: Completion) -> bytes:
        raw = completion.raw
        return raw if raw and self._writes_openai(completion.target) else self._encode(completion)

    def bad(self, item: BadItem) -> Record:
        meta = Meta(
            target="",
            attempts=0,
            latency_s=0.0,
            cost_usd=None,
            cached=False,
            status="failed",
            usage=None,
            kind="chat",
            at_s=round(time.time(), 3),
            http_status=0,
            error_code="invalid_input",
            error_message=item.message,
        )
        return Record(item.idx, item.custom_id, b"", BAD, None, None, encode(meta))


def _rounded(cost_usd: float | None) -> float | None:
    return None if cost_usd is None else round(cost_usd, 12)


def joined_meta(meta: bytes, item: Item) -> bytes:
    """The same answer's meta for a row that nothing was sent for."""
    shared = msgspec.json.decode(meta, type=Meta)
    shared.attempts, shared.latency_s, shared.cost_usd, shared.joined = 0, 0.0, None, True
    shared.at_s, shared.prompt = round(time.time(), 3), item.prompt
    return encode(shared)
