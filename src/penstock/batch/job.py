"""`penstock run` from beginning to end: open, ask, write, sum up. The command only turns options into settings."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from penstock.batch.display import Display, open_display
from penstock.batch.display_words import count
from penstock.batch.export import GrowingOutput, OrderedOutput, write_errors, write_outputs
from penstock.batch.feed import PipeFeed
from penstock.batch.forms import in_form
from penstock.batch.items import Item
from penstock.batch.opening import Opened, open_job
from penstock.batch.outcome import Snapshot, Summary
from penstock.batch.progress import snapshot, summarise
from penstock.batch.recalling import Recalling
from penstock.batch.runner import Limits, Runner, Tally
from penstock.batch.settings import JobSettings
from penstock.batch.signals import SIGTERM_DRAIN_S, heeded
from penstock.batch.sink import JournalSink, LineSink, Sink
from penstock.batch.spending import SPENT, Spending, tagged
from penstock.batch.window import Window
from penstock.call import Completion
from penstock.clock import LoopClock
from penstock.config import load_config
from penstock.handler import Handler
from penstock.wiring import Engine, Overrides, build

__all__ = ["run_job"]

Growing = GrowingOutput | OrderedOutput
"""OUT, to which lines are added as they are committed."""

_START_WIDTH = 16
_CEILING = 1000
_MOST_BLAMED = 5


def run_job(settings: JobSettings) -> Summary:
    """Run it. The exit code is in the summary.

    Raises `InputError`, `ConfigError`, `JournalError` before anything was sent, `OSError` when something can't be
    written: what was answered is then in the journal.
    """
    settings = settings.with_prompt()
    _ = settings.form  # nothing is opened for a schema that is none
    config = load_config(settings.config, for_command=True)
    engine = build(
        config,
        patience="batch",
        overrides=Overrides(
            base_url=settings.base_url,
            rpm=settings.rpm,
            tpm=settings.tpm,
            concurrency=settings.concurrency,
            deadline_s=settings.deadline_s,
            max_attempts=settings.max_attempts,
            hedge=settings.hedge,
            budget=None if settings.budget_usd is None else replace(config.budget, usd=settings.budget_usd),
            cache=None if settings.cache else "off",
            # Of a file equal rows are known beforehand; of a pipe they meet on the way.
            coalesce=settings.input == "-" and settings.dedup,
        ),
    )
    # A form judges each answer by itself, a pipe's rows come one by one.
    recalls = engine.caching.is_read and settings.form is None and settings.input != "-"
    with _throughput():
        opened = open_job(settings, lambda model: engine.check(_asked(settings, model)), takes_notes=recalls)
        try:
            gc.freeze()
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                return runner.run(_Job(settings, opened, engine, recalls=recalls).run())
        finally:
            if opened.journal is not None:
                opened.journal.close()


def _asked(settings: JobSettings, model: str | None) -> str | tuple[str, ...] | None:
    return settings.models or model


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


@contextlib.contextmanager
def _throughput() -> Iterator[None]:
    """The process is for many requests rather than for a quick reaction to each, and says so to whom it concerns.

    The collector: what is alive now lives to the end, and with thousands in flight looking through it again and again
    costs 10 %. The scheduler (Linux): a thread that is woken waits until the one that works is done, instead of
    taking its place at every answer; that saves a switch of threads per request, 10 to 40 % of the CPU time.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    restore = _batch_scheduling()
    try:
        yield
    finally:
        restore()
        gc.set_threshold(*before)
        gc.unfreeze()


def _batch_scheduling() -> Callable[[], None]:
    """For this thread and those it starts; returns what ends it for this thread."""
    if sys.platform != "linux" or os.sched_getscheduler(0) != os.SCHED_OTHER:
        return lambda: None
    try:
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    except OSError:  # a sandbox may forbid it
        return lambda: None
    return lambda: os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class _Job:
    """One session: what is opened, wired together and closed again."""

    def __init__(self, settings: JobSettings, opened: Opened, engine: Engine, *, recalls: bool) -> None:
        self._settings = settings
        self._opened = opened
        self._engine = engine
        self._recalls = recalls and opened.scan is not None
        self._tally = Tally()
        self._spending = Spending(engine, opened.journal)
        self._kept: JournalSink | None = None
        self._runner: Runner | None = None
        self._pipe: PipeFeed | None = None
        self._began_s = 0.0

    async def run(self) -> Summary:
        settings, opened = self._settings, self._opened
        clock = LoopClock()
        self._began_s = clock.now()
        display = open_display(quiet=settings.quiet)
        growing = self._growing_output()
        try:
            await self._ask(clock, display, growing)
        finally:
            display.close()
            with contextlib.ExitStack() as stack:
                if growing is not None:
                    stack.callback(growing.close)
                await self._engine.aclose()
                errors = self._write(growing)
        assert self._runner is not None
        stopped = self._runner.stopped
        spent_usd, is_known = self._spending.so_far()
        left_out = None if self._pipe is not None and self._pipe.is_cut else opened.left_out()
        summary = summarise(
            settings,
            opened,
            self._tally,
            self._engine,
            elapsed_s=clock.now() - self._began_s,
            stopped=stopped,
            error_lines=errors,
            spent_usd=spent_usd if is_known else None,
            exceeded=self._runner.exceeded,
            left_out=left_out,
        )
        if opened.journal is not None:
            opened.journal.remember(**{SPENT: self._spending.to_keep()})
            opened.journal.end_session(stopped=stopped or self._cut(left_out), exit_code=summary.exit_code)
        return summary

    def _cut(self, left_out: int | None) -> str | None:
        """Why the whole run isn't at its end although this session is."""
        if left_out == 0:
            return None
        total = self._opened.total
        left = f"{count(left_out)} of {count(total)} are" if left_out and total else "the rest of the pipe is"
        return f"--limit {self._settings.limit}, {left} left"

    async def _ask(self, clock: LoopClock, display: Display, growing: Growing | None) -> None:
        settings, opened = self._settings, self._opened
        width = settings.concurrency or _START_WIDTH
        self._pipe = feed = self._feed() if opened.scan is None else None
        known = await self._known() if self._recalls else None
        self._runner = runner = Runner(
            feed.next if feed is not None else opened.items(settings, self._estimate, known),
            self._handler,
            self._sink(growing, known),
            clock=clock,
            window=Window(width, settings.concurrency or _CEILING),
            limits=Limits(
                max_elapsed_s=settings.max_elapsed_s,
                give_up_after_s=settings.give_up_after_s,
                drain_s=SIGTERM_DRAIN_S,
            ),
            tally=self._tally,
            waiting=self._engine.waiting,
            blame=self._blame,
        )
        with heeded(runner, reread_keys=lambda: self._reread_keys(display)):
            ticker = asyncio.ensure_future(self._show(clock, display))
            try:
                await runner.run()
            finally:
                ticker.cancel()
                await asyncio.gather(ticker, return_exceptions=True)
                display.update(self._snapshot(clock))

    def _handler(self, model: str | None) -> Handler:
        settings, engine = self._settings, self._engine
        handler = in_form(engine.handler(_asked(settings, model)), settings.form, reasks=settings.reasks)
        return tagged(handler, engine)

    async def _known(self) -> Recalling:
        engine, settings = self._engine, self._settings
        known = Recalling(lambda model: engine.caching.recall(engine.check(_asked(settings, model))))
        await known.prepare(self._opened.models or (None,))
        return known

    def _estimate(self, item: Item) -> int:
        return self._engine.estimate(_asked(self._settings, item.model), item)

    def _feed(self) -> PipeFeed:
        settings, journal = self._settings, self._opened.journal
        return PipeFeed(
            self._opened.source,
            settings.shape,
            known=journal.find if journal is not None else lambda _: None,
            first_free=journal.index_ids() if journal is not None else 0,
            skip_bad=settings.skip_bad,
            retry_failed=settings.retry_failed,
            limit=settings.limit,
            check_model=lambda model: self._engine.check(_asked(settings, model)),
            estimate=self._estimate,
        )

    def _sink(self, growing: Growing | None, known: Recalling | None) -> Sink:
        journal = self._opened.journal
        encode: Callable[[Completion], bytes] = self._engine.encode
        writes_openai = self._engine.writes_openai
        if journal is None:
            out, errors = sys.stdout.buffer, sys.stderr.buffer
            return LineSink(encode, out, errors, self._opened.run_id, writes_openai=writes_openai, keeping=known)
        self._kept = JournalSink(
            journal,
            encode,
            in_flight=lambda: self._tally.in_flight,
            on_error=self._cannot_write,
            spent=self._spending.to_keep,
            lines=growing.add if growing is not None else None,
            bound=max(4096, 2 * (self._settings.concurrency or 0)),
            writes_openai=writes_openai,
            keeping=known,
        )
        return self._kept

    def _growing_output(self) -> Growing | None:
        out, journal = self._settings.out, self._opened.journal
        if journal is None or out is None:
            return None
        OrderedOutput.clear(out)
        if self._settings.unordered:
            return GrowingOutput(out, journal.items(), self._opened.run_id, body=journal.body)
        if out.suffix != ".jsonl" or not journal.is_empty() or (out.exists() and not out.is_file()):
            return None
        return OrderedOutput(out, self._opened.run_id, body=journal.body)

    def _cannot_write(self, error: Exception) -> None:
        assert self._runner is not None
        self._runner.fail(error)

    def _write(self, growing: Growing | None) -> int:
        """OUT and the errors file, from what is committed."""
        out, journal = self._settings.out, self._opened.journal
        if out is None or journal is None:
            return 0
        if isinstance(growing, OrderedOutput):
            return growing.finish(journal)
        if growing is not None:
            growing.close()
            return write_errors(out, journal.items())
        return write_outputs(out, journal.items(), run_id=self._opened.run_id, source=self._opened.source)

    # --- people

    async def _show(self, clock: LoopClock, display: Display) -> None:
        while True:
            display.update(self._snapshot(clock))
            if self._kept is not None and self._spending.has_grown():
                self._kept.note()
            await clock.sleep(0.25)

    def _reread_keys(self, display: Display) -> None:
        rotation = self._engine.reread_keys(lambda: load_config(self._settings.config, for_command=True))
        display.say(f"SIGHUP: {rotation}")

    def _blame(self) -> str:
        """Each target's last error, or that it is silent."""
        targets = self._engine.race_stats.targets.items()
        return "".join(f"; {told.last_error or f'{name} is silent'}" for name, told in list(targets)[:_MOST_BLAMED])

    def _snapshot(self, clock: LoopClock) -> Snapshot:
        assert self._runner is not None
        elapsed_s = clock.now() - self._began_s
        if self._pipe is not None:
            self._opened.resumed = self._pipe.resumed
        return snapshot(self._opened, self._tally, self._runner, self._engine, elapsed_s=elapsed_s)
