"""Where a run's outcomes go while it runs: to the journal, or as lines to a pipe."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import IO, Protocol

import msgspec

from penstock.batch.items import BadItem, Item
from penstock.batch.journal import Journal
from penstock.batch.record import Meta, Record, Stored, answer_line, encode, error_line
from penstock.batch.schema import ANSWERED, BAD, FAILED
from penstock.batch.writer import Written
from penstock.call import Completion, Finding, Kind, PromptVersion, Status, Usage, cost_of, status_of
from penstock.errors import GuardRefused, InvalidAnswer, Unanswered
from penstock.wiring import Kept

__all__ = ["Encode", "JournalSink", "LineSink", "Sink", "WritesOpenAI"]

Encode = Callable[[Completion], bytes]
"""The OpenAI object of a completion that has no raw one. Called on the loop or in the journal's thread."""

WritesOpenAI = Callable[[str], bool]
"""Whether a target's raw bodies are OpenAI's objects, so that they are kept as they are."""

Shared = tuple[int, str | None, bytes]
"""An answer that equal rows share: its body's number, request id, meta."""


class Sink(Protocol):
    """Takes what became of items. Nothing here waits but `room` and `close`."""

    @property
    def is_full(self) -> bool: ...

    async def room(self) -> None: ...

    def answered(self, item: Item, completion: Completion) -> None: ...

    def recalled(self, hits: Sequence[tuple[Item, Kept]]) -> None:
        """Answers that the cache had, in OpenAI's form."""
        ...

    def failed(self, item: Item, error: Unanswered) -> None: ...

    def bad(self, item: BadItem) -> None: ...

    def joined(self, item: Item) -> bool:
        """Answer an item from its equal's answer; False when there is none."""
        ...

    async def close(self) -> None: ...


_Told = tuple[
    *tuple[int, str, bytes, Kind, int, bytes | Completion, str | None],
    *tuple[str, int, float, bool, Status, Usage | None, float | None, PromptVersion | None, tuple[Finding, ...]],
]
"""An answer's index, id, digest, kind, body number, body (or what one is made of), request id, target, requests sent,
latency, whether it was cached, status, usage, cost, prompt and what guards found."""


class _Recorder:
    """Makes records: what is common to every sink."""

    def __init__(self, encode_completion: Encode, writes_openai: WritesOpenAI | None) -> None:
        self._encode = encode_completion
        self._writes_openai = writes_openai or (lambda _: True)

    def told(self, item: Item, completion: Completion, body: int) -> _Told:
        """What a record needs of an answer. The rest, and there is more of it, is let go while it is still at hand.

        An answer that came as a stream has no body, and one of another wire than OpenAI's has not the output's: it is
        made where the record is.
        """
        raw = completion.raw
        return (
            item.idx,
            item.custom_id,
            item.digest,
            item.kind,
            body,
            raw if raw and self._writes_openai(completion.target) else completion,
            completion.request_id,
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

    def answer(self, told: _Told) -> tuple[Record, bytes]:
        idx, custom_id, digest, kind, body, made_of, request_id = told[:7]
        target, sent, latency_s, cached, status, usage, cost_usd, prompt, guards = told[7:]
        raw = made_of if isinstance(made_of, bytes) else self._encode(made_of)
        if raw[:1] != b"{":
            raw = raw.strip()
        meta = Meta(
            target=target,
            attempts=sent,
            latency_s=round(latency_s, 4),
            cost_usd=_rounded(cost_usd),
            cached=cached,
            status=status,
            usage=usage,
            kind=kind,
            at_s=round(time.time(), 3),
            prompt=prompt,
            guards=guards,
        )
        return Record(idx, custom_id, digest, ANSWERED, body, request_id, encode(meta)), raw

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

    def written(self, told: _Told) -> Written:
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


def _joined_meta(meta: bytes, item: Item) -> bytes:
    """The same answer's meta for a row that nothing was sent for."""
    shared = msgspec.json.decode(meta, type=Meta)
    shared.attempts, shared.latency_s, shared.cost_usd, shared.joined = 0, 0.0, None, True
    shared.at_s, shared.prompt = round(time.time(), 3), item.prompt
    return encode(shared)


class JournalSink:
    """Hands everything to the journal's writer; equal rows point at one body."""

    def __init__(
        self,
        journal: Journal,
        encode_completion: Encode,
        *,
        in_flight: Callable[[], int],
        on_error: Callable[[Exception], None],
        spent: Callable[[], object] | None = None,
        lines: Callable[[Sequence[Written]], None] | None = None,
        bound: int = 4096,
        writes_openai: WritesOpenAI | None = None,
    ) -> None:
        """`lines`, called in the writer's thread after each commit, is the growing output of an unordered run.

        Without `writes_openai` every raw body is OpenAI's.
        """
        self._journal = journal
        self._recorder = _Recorder(encode_completion, writes_openai)
        self._next_body = journal.next_body()
        self._recent: dict[bytes, Shared] = {}
        self._lines = lines
        self._writer = journal.writer(
            in_flight=in_flight, spent=spent, on_commit=self._committed, on_error=on_error, bound=bound
        )

    @property
    def is_full(self) -> bool:
        return self._writer.is_full

    async def room(self) -> None:
        await self._writer.room()

    def answered(self, item: Item, completion: Completion) -> None:
        body = self._next_body
        self._next_body = body + 1
        if item.key is None:
            self._writer.put_later(self._recorder.written, self._recorder.told(item, completion, body))
            return
        record, raw = self._recorder.answer(self._recorder.told(item, completion, body))
        self._recent[item.key] = (body, record.request_id, record.meta)
        self._writer.put(record, raw, item.key)

    def recalled(self, hits: Sequence[tuple[Item, Kept]]) -> None:
        body = self._next_body
        self._next_body = body + len(hits)
        self._writer.put_many(self._recorder.recalled(hits, body))

    def failed(self, item: Item, error: Unanswered) -> None:
        body = self._next_body
        self._next_body = body + 1
        record, raw = self._recorder.failure(item, error, body)
        self._writer.put(record, raw)

    def bad(self, item: BadItem) -> None:
        self._writer.put(self._recorder.bad(item))

    def joined(self, item: Item) -> bool:
        if item.key is None:
            return False
        found = self._recent.get(item.key) or self._journal.shared(item.key)
        if found is None:
            return False
        body, request_id, meta = found
        record = Record(item.idx, item.custom_id, item.digest, ANSWERED, body, request_id, _joined_meta(meta, item))
        self._writer.put(record)
        return True

    def note(self) -> None:
        """Keep what is spent by now, although no outcome came."""
        self._writer.note()

    async def close(self) -> None:
        await self._writer.close()

    def _committed(self, group: Sequence[Written]) -> None:
        for _, _, key in group:
            if key is not None:
                self._recent.pop(key, None)
        if self._lines is not None:
            self._lines(group)


class LineSink:
    """Answers as lines on a stream as they come, failures on another. Nothing is kept: what is gone is gone."""

    def __init__(
        self,
        encode_completion: Encode,
        answers: IO[bytes],
        errors: IO[bytes],
        run_id: str,
        *,
        writes_openai: WritesOpenAI | None = None,
    ) -> None:
        self._recorder = _Recorder(encode_completion, writes_openai)
        self._answers = answers
        self._errors = errors
        self._run_id = run_id
        self._shared: dict[bytes, tuple[Record, bytes]] = {}

    @property
    def is_full(self) -> bool:
        return False

    async def room(self) -> None:
        return

    def answered(self, item: Item, completion: Completion) -> None:
        record, raw = self._recorder.answer(self._recorder.told(item, completion, 0))
        if item.key is not None:
            self._shared[item.key] = (record, raw)
        self._write(record, raw)

    def recalled(self, hits: Sequence[tuple[Item, Kept]]) -> None:
        for record, raw, _ in self._recorder.recalled(hits, 0):
            self._write(record, raw or b"null")

    def failed(self, item: Item, error: Unanswered) -> None:
        record, raw = self._recorder.failure(item, error, 0)
        self._write(record, raw)

    def bad(self, item: BadItem) -> None:
        self._write(self._recorder.bad(item), None)

    def joined(self, item: Item) -> bool:
        found = self._shared.get(item.key) if item.key is not None else None
        if found is None:
            return False
        record, raw = found
        self._write(record._replace(idx=item.idx, custom_id=item.custom_id, meta=_joined_meta(record.meta, item)), raw)
        return True

    def _write(self, record: Record, raw: bytes | None) -> None:
        item = Stored(record.idx, record.custom_id, record.state, record.request_id, record.meta, raw)
        if record.state == ANSWERED:
            self._answers.write(answer_line(item, self._run_id))
            self._answers.flush()
        else:
            self._errors.write(error_line(item))
            self._errors.flush()

    async def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._answers.flush()
