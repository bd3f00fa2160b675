"""Where a run's outcomes go while it runs: to the journal, or as lines to a pipe."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import IO, Protocol

from penstock.batch.items import BadItem, Item
from penstock.batch.journal import Journal
from penstock.batch.record import Record, Stored, answer_line, error_line
from penstock.batch.recording import Encode, Keeping, Recorder, WritesOpenAI, joined_meta
from penstock.batch.schema import ANSWERED
from penstock.batch.writer import Written
from penstock.call import Completion
from penstock.errors import Unanswered
from penstock.wiring import Kept

__all__ = ["JournalSink", "LineSink", "Sink"]

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
        keeping: Keeping | None = None,
    ) -> None:
        """`lines`, called in the writer's thread after each commit, is the growing output of an unordered run.

        Without `writes_openai` every raw body is OpenAI's. `keeping` gets what is new to it in groups.
        """
        self._journal = journal
        self._keeping = keeping
        self._loop = asyncio.get_running_loop()
        self._recorder = Recorder(encode_completion, writes_openai, keeping)
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
        record = Record(item.idx, item.custom_id, item.digest, ANSWERED, body, request_id, joined_meta(meta, item))
        self._writer.put(record)
        return True

    def note(self) -> None:
        """Keep what is spent by now, although no outcome came."""
        self._writer.note()

    async def close(self) -> None:
        try:
            await self._writer.close()
        finally:
            if self._keeping is not None:
                self._keeping.keep(self._recorder.kept())

    def _committed(self, group: Sequence[Written]) -> None:
        if self._keeping is not None and (kept := self._recorder.kept()):
            self._loop.call_soon_threadsafe(self._keeping.keep, kept)
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
        keeping: Keeping | None = None,
    ) -> None:
        self._recorder = Recorder(encode_completion, writes_openai, keeping)
        self._keeping = keeping
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
        if self._keeping is not None and item.is_new:
            self._keeping.keep(self._recorder.kept())
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
        self._write(record._replace(idx=item.idx, custom_id=item.custom_id, meta=joined_meta(record.meta, item)), raw)
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
