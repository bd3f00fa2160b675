"""`run`: every answer of a list, with a display and a journal when asked."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from penstock.answer import Answer, request_hash
from penstock.batch.display import Display, open_display
from penstock.batch.items import Item
from penstock.batch.journal import Journal
from penstock.batch.outcome import Snapshot, TargetHealth
from penstock.batch.record import Stored, outcome_of
from penstock.batch.schema import ANSWERED, FAILED
from penstock.batch.sink import JournalSink
from penstock.call import Attempt, Call, Completion
from penstock.client.forms import settled_of
from penstock.client.mapping import Mapping
from penstock.client.request import Row
from penstock.errors import InputError, PenstockError, Unanswered, narrow
from penstock.handler import Handler
from penstock.wiring import Engine

__all__ = ["run_all"]

_SHOW_EVERY_S = 0.25
_MADE_BY = "client.run"

Ask = Callable[[Row], tuple[Handler, Call]]


async def run_all(
    engine: Engine,
    rows: Sequence[Row],
    ask: Ask,
    *,
    concurrency: int,
    progress: bool,
    journal: Path | None,
    retry_failed: bool,
) -> list[Answer]:
    """An answer for each row, in their order. Raises what `AsyncClient.run` says."""
    answers = _Answers(len(rows))
    if journal is None:
        async with _shown(engine, answers, progress=progress):
            await _ask_all(rows, range(len(rows)), ask, answers, concurrency=concurrency)
        return answers.all()
    # The journal is SQLite, on a local disk: what it does before and after the run is quick enough for the loop.
    with Journal(journal) as opened:
        run = _Journalled(opened, engine, rows, retry_failed=retry_failed)
        run.read(answers)
        async with _shown(engine, answers, progress=progress):
            await run.ask(answers.missing(), ask, answers, concurrency=concurrency)
    return answers.all()


class _Answers:
    """The answers so far, each at its place, and their counts for a display."""

    def __init__(self, total: int) -> None:
        self._places: list[Answer | None] = [None] * total
        self.done = 0
        self.failed = 0
        self.resumed = 0

    def __len__(self) -> int:
        return len(self._places)

    def put(self, place: int, answer: Answer) -> None:
        self._places[place] = answer
        self.done += 1
        self.failed += answer.error is not None

    def missing(self) -> list[int]:
        return [place for place, answer in enumerate(self._places) if answer is None]

    def all(self) -> list[Answer]:
        return [answer for answer in self._places if answer is not None]


async def _ask_all(
    rows: Sequence[Row],
    places: Sequence[int],
    ask: Ask,
    answers: _Answers,
    *,
    concurrency: int,
    record: Callable[[int, Completion | Unanswered], Awaitable[None]] | None = None,
) -> None:
    async def one(place: int) -> None:
        row = rows[place]
        model = row.models if isinstance(row.models, str) else None
        try:
            handler, call = ask(row)
            reply = await handler(call)
        except PenstockError as error:
            if record is not None and isinstance(error, Unanswered):
                await record(place, error)
            answers.put(place, Answer(None, body=row.body, model=model, error=error, prompt=row.prompt))
            return
        assert isinstance(reply, Completion)
        if record is not None:
            await record(place, reply)
        answers.put(place, settled_of(reply, row, model=model))

    mapping = Mapping(places, one, concurrency=concurrency, ordered=False)
    try:
        async for _ in mapping:
            pass
    finally:
        await mapping.aclose()


class _Journalled:
    """A list of rows and the journal that knows some of their answers.

    A row is known by what it asks (kind, models, body) and, where it comes again, by its number among its equals:
    it may move in the list, and a changed row is a new one.
    """

    def __init__(self, journal: Journal, engine: Engine, rows: Sequence[Row], *, retry_failed: bool) -> None:
        self._journal = journal
        self._engine = engine
        self._rows = rows
        self._retry_failed = retry_failed
        self._failure: Exception | None = None
        self._in_flight = 0
        info = journal.info()
        if info and info.get("made_by") != _MADE_BY:
            raise InputError(f"{journal.path}: this is the journal of a `penstock run`; name another file")
        seen: Counter[str] = Counter()
        self._items = [self._item(place, row, seen) for place, row in enumerate(rows)]
        journal.reconcile(
            ((item.idx, item.custom_id, item.digest) for item in self._items), failed_may_change=retry_failed
        )
        journal.remember(
            made_by=_MADE_BY,
            id=info.get("id") or secrets.token_hex(6),
            created_s=info.get("created_s") or time.time(),
            input="a list in Python",
            total=len(rows),
            samples=1,
        )
        journal.begin_session()

    def _item(self, place: int, row: Row, seen: Counter[str]) -> Item:
        digest = request_hash({"kind": row.kind, "models": row.models, "body": row.body})
        seen[digest] += 1
        custom_id = f"{digest[:32]}-{seen[digest]}"
        return Item(place, custom_id, bytes.fromhex(digest)[:16], row.kind, None, row.body, None)

    def read(self, answers: _Answers) -> None:
        """Fill in what the journal knows."""
        for stored in self._journal.items():
            if stored.state == ANSWERED or (stored.state == FAILED and not self._retry_failed):
                answers.put(stored.idx, self._answer(stored))
        answers.resumed = answers.done

    def _answer(self, stored: Stored) -> Answer:
        row = self._rows[stored.idx]
        model = row.models if isinstance(row.models, str) else None
        outcome = outcome_of(stored)
        if stored.state == FAILED:
            error = narrow(outcome.error_code or "")(outcome.error_message or "failed in an earlier run")
            return Answer(None, body=row.body, model=model, error=error, prompt=row.prompt)
        completion = self._engine.decode(outcome.kind, outcome.target, outcome.body)
        completion.target = outcome.target
        completion.latency_s = outcome.latency_s
        completion.request_id = outcome.request_id
        completion.requests_sent = outcome.attempts
        completion.cost_usd = outcome.cost_usd
        # The journal counts attempts and keeps the last one's outcome; their times went with the process.
        completion.attempts = (
            Attempt(id=f"{stored.custom_id}-{outcome.attempts}", target=outcome.target, outcome="answered"),
        )
        return settled_of(completion, row, model=model)

    async def ask(self, left: Sequence[int], ask: Ask, answers: _Answers, *, concurrency: int) -> None:
        """Ask what is left and commit each outcome. Raises `OSError` when the journal can't be written."""
        sink = JournalSink(
            self._journal,
            self._engine.encode,
            in_flight=lambda: self._in_flight,
            on_error=self._cannot_write,
            bound=max(4096, 2 * concurrency),
            writes_openai=self._engine.writes_openai,
        )
        stopped: str | None = "interrupted"

        def counted(row: Row) -> tuple[Handler, Call]:
            handler, call = ask(row)
            if self._failure is not None:
                raise self._failure
            self._in_flight += 1
            return handler, call

        async def record(place: int, outcome: Completion | Unanswered) -> None:
            self._in_flight -= 1
            if sink.is_full:
                await sink.room()
            if isinstance(outcome, Completion):
                sink.answered(self._items[place], outcome)
            else:
                sink.failed(self._items[place], outcome)

        try:
            await _ask_all(self._rows, left, counted, answers, concurrency=concurrency, record=record)
            stopped = None
        finally:
            await sink.close()
            if self._failure is None:
                self._journal.end_session(stopped=stopped, exit_code=0 if stopped is None else 3)
        if self._failure is not None:
            raise self._failure

    def _cannot_write(self, error: Exception) -> None:
        self._failure = self._failure or OSError(f"{self._journal.path}: {error}")


@contextlib.asynccontextmanager
async def _shown(engine: Engine, answers: _Answers, *, progress: bool) -> AsyncIterator[None]:
    """A display on stderr while the body runs."""
    if not progress:
        yield
        return
    clock = engine.clock
    began_s = clock.now()
    before = engine.stats().usage
    display: Display = open_display(quiet=False)

    def show() -> None:
        stats = engine.stats()
        display.update(
            Snapshot(
                elapsed_s=clock.now() - began_s,
                total=len(answers),
                done=answers.done,
                failed=answers.failed,
                resumed=answers.resumed,
                in_flight=sum(target.saturation.in_flight for target in stats.targets.values()),
                input_tokens=stats.usage.input_tokens - before.input_tokens,
                output_tokens=stats.usage.output_tokens - before.output_tokens,
                cost_usd=stats.cost_usd or None,
                retries=stats.retries,
                hedges=stats.hedges + stats.reserves,
                targets={
                    name: TargetHealth(
                        answered=target.answered,
                        errors=target.errors,
                        last_error=target.last_error,
                        frozen_s=target.saturation.frozen_s,
                        breaker=target.breaker,
                    )
                    for name, target in stats.targets.items()
                },
            )
        )

    async def keep_showing() -> None:
        while True:
            show()
            await clock.sleep(_SHOW_EVERY_S)

    ticker = asyncio.get_running_loop().create_task(keep_showing())
    try:
        yield
    finally:
        ticker.cancel()
        await asyncio.gather(ticker, return_exceptions=True)
        show()
        display.close()
