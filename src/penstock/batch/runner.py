"""The run itself: a fixed pool of workers over one shared iterator. Decisions live elsewhere; this is the loop.

A worker takes the next item, asks the handler, hands the outcome to the sink, and takes the next. It never waits for
a commit, only while too much is uncommitted. Memory is what is in flight, whatever the length of the input.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import msgspec

from penstock.batch.items import BadItem, Hits, Item
from penstock.batch.sink import Sink
from penstock.batch.window import Window
from penstock.call import Call, Completion, status_of
from penstock.clock import Clock
from penstock.errors import BudgetExceeded, ConfigError, InputError, Unanswered
from penstock.handler import Handler

__all__ = ["Latencies", "Limits", "Next", "Runner", "Tally"]

Next = Callable[[], Awaitable[Item | BadItem | None]]
"""The next item of a source that can't be read without waiting; None at its end."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """When a run stops by itself, seconds; None for never."""

    max_elapsed_s: float | None = None
    give_up_after_s: float | None = 900.0
    drain_s: float | None = None
    """How long what is in flight may take to finish after a stop."""


class Latencies:
    """Latencies in buckets 3 % wide: a quantile of any number of them in the same memory."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}

    def add(self, latency_s: float) -> None:
        mantissa, exponent = math.frexp(latency_s)
        bucket = exponent * 32 + int(mantissa * 32)
        self._counts[bucket] = self._counts.get(bucket, 0) + 1

    def quantile(self, share: float) -> float | None:
        """Seconds below which this share of them lies, None when there are none."""
        left = share * sum(self._counts.values())
        for bucket in sorted(self._counts):
            left -= self._counts[bucket]
            if left <= 0:
                exponent, part = divmod(bucket, 32)
                return math.ldexp((part + 0.5) / 32, exponent)
        return None


class Tally(msgspec.Struct):
    """What this session did. The display and the summary read it."""

    answered: int = 0
    failed: int = 0
    bad: int = 0
    joined: int = 0
    cached: int = 0
    endings: Counter[str] = msgspec.field(default_factory=Counter)
    """Answers by how they ended, where that isn't success."""
    in_flight: int = 0
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    errors: Counter[str] = msgspec.field(default_factory=Counter)
    latency: Latencies = msgspec.field(default_factory=Latencies)


class _Stopped(Exception):
    """The one that equal rows waited for ended with the run, not with an outcome."""


class Runner:
    """One session of a run. `run` returns when everything has an outcome or the run was stopped."""

    def __init__(
        self,
        items: Iterator[Item | BadItem | Hits] | Next,
        handler_for: Callable[[str | None], Handler],
        sink: Sink,
        *,
        clock: Clock,
        window: Window,
        limits: Limits,
        tally: Tally,
        waiting: Callable[[], int] = lambda: 0,
        blame: Callable[[], str] = lambda: "",
    ) -> None:
        """`handler_for` gives the handler of a body's own model, `waiting` how many calls wait at a limit or between
        two attempts now, `blame` what is said of the targets when none of them answers."""
        self._items = items if not callable(items) else None
        self._next = items if callable(items) else None
        self._handler_for = handler_for
        self._handlers: dict[str | None, Handler] = {}
        self._sink = sink
        self._clock = clock
        self._window = window
        self._limits = limits
        self._waiting = waiting
        self._blame = blame
        self._followers = 0
        self.tally = tally
        self.stopped: str | None = None
        self.exceeded: str | None = None
        """The budget that left too little to go on: "total", "day" or "tag"."""
        self.error: Exception | None = None
        self._short: BudgetExceeded | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._flights: dict[bytes, asyncio.Future[Unanswered | None]] = {}
        self._exhausted = False
        self._ending = False
        self._last_answer_s = 0.0
        self._began_s = 0.0
        self._done = asyncio.Event()

    async def run(self) -> None:
        """Ask everything; the outcomes are in the sink then.

        Raises `InputError`, what the sink failed with, or a bug.
        """
        self._began_s = self._last_answer_s = self._clock.now()
        watch = asyncio.ensure_future(self._watch())
        try:
            self._staff()
            await self._done.wait()
        finally:
            watch.cancel()
            await self._end_workers()
            await asyncio.gather(watch, return_exceptions=True)
            await self._sink.close()
        if self.error is not None:
            raise self.error
        if self.stopped is None and self._short is not None:
            self.stopped, self.exceeded = str(self._short), self._short.which
        if self.stopped is None and not self._exhausted:
            raise RuntimeError("every worker left before the end of the input")

    def stop(self, why: str, *, now: bool = False, drain_s: float | None = None) -> None:
        """No new work. What is in flight finishes, within `drain_s` seconds; with `now` it is cancelled."""
        if self.stopped is None:
            self.stopped = why
        if now:
            self._cancel_workers()
        elif drain_s is not None:
            self._clock.call_later(drain_s, self._cancel_workers)
        self._check_done()

    def fail(self, error: Exception) -> None:
        """Stop at once for an error that is none of the requests'."""
        if self.error is None:
            self.error = error
        self.stop(str(error), now=True)

    # --- the workers

    def _staff(self) -> None:
        while len(self._workers) < self._window.limit and not self._exhausted and self.stopped is None:
            task = asyncio.ensure_future(self._work())
            self._workers.add(task)
            task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._workers.discard(task)
        if task.cancelled():
            if not self._ending:
                self.fail(RuntimeError("a worker was cancelled by something other than the run"))
        elif (error := task.exception()) is not None:
            self._end_for(error)
        self._check_done()

    def _end_for(self, error: BaseException) -> None:
        if isinstance(error, BudgetExceeded):
            # What is in flight is paid for, and finishes; the rest was never asked.
            self.exceeded = error.which
            self.stop(str(error))
        elif isinstance(error, InputError | ConfigError):
            # A pipe's bad line: what was asked before it is paid for, and finishes.
            if self.error is None:
                self.error = error
            self.stop(str(error), drain_s=self._limits.drain_s)
        else:
            self.fail(error if isinstance(error, Exception) else RuntimeError(repr(error)))

    def _check_done(self) -> None:
        if not self._workers:
            self._done.set()

    async def _work(self) -> None:
        items, sink, tally, window = self._items, self._sink, self.tally, self._window
        now = self._clock.now
        while self.stopped is None:
            if len(self._workers) > window.limit:
                # Gone at once and not only when the loop hears of it: the next worker to look would leave as well,
                # and in the end all of them, with work left.
                self._workers.discard(asyncio.current_task())
                return
            if sink.is_full:
                await sink.room()
                continue
            item = next(items, None) if items is not None else await self._pull()
            if item is None:
                self._exhausted = True
                return
            if not isinstance(item, Item):
                await self._take(item)
                continue
            tally.in_flight += 1
            try:
                if item.key is None:
                    await self._ask(item)
                else:
                    await self._ask_once(item)
            except BudgetExceeded as error:
                if error.which != "tag":
                    raise
                # Rows of other tags go on; this one is left for a session with a higher budget.
                self._short = self._short or error
                await asyncio.sleep(0)  # nothing waited: the others get their turn
            finally:
                tally.in_flight -= 1
            if window.done(now()):
                self._staff()

    async def _take(self, item: BadItem | Hits) -> None:
        """Record what needs no asking."""
        if isinstance(item, BadItem):
            self.tally.bad += 1
            self._sink.bad(item)
        else:
            self._recalled(item)
            await asyncio.sleep(0)  # nothing waited: the others get their turn

    async def _pull(self) -> Item | BadItem | None:
        assert self._next is not None
        if self._exhausted:
            return None
        return await self._next()

    def _recalled(self, hits: Hits) -> None:
        """Record what the cache knew."""
        tally = self.tally
        self._last_answer_s = self._clock.now()
        self._sink.recalled(hits.answers)
        tally.answered += len(hits.answers)
        tally.cached += len(hits.answers)
        for _, kept in hits.answers:
            if kept.status != "success":
                tally.endings[kept.status] += 1
        for item, completion in hits.whole:
            self._sink.answered(item, completion)
            self._count(completion)
        # Its worker may wait long before it lets go of it.
        hits.answers.clear()
        hits.whole.clear()

    async def _ask(self, item: Item) -> Unanswered | None:
        """Ask, and record the outcome; the failure when there is one."""
        handler = self._handlers.get(item.model)
        if handler is None:
            handler = self._handlers[item.model] = self._handler_for(item.model)
        call = Call(
            id=item.custom_id,
            model=item.model or "",
            body=item.body,
            kind=item.kind,
            priority=1,
            estimate=item.estimate,
            sample=item.sample,
            variables=item.variables,
            cache="off" if item.is_new else None,
        )
        try:
            reply = await handler(call)
        except Unanswered as error:
            return self._record_failure(item, error, sent=error.requests_sent)
        assert isinstance(reply, Completion)
        self._last_answer_s = self._clock.now()
        self._sink.answered(item, reply)
        self._count(reply)
        return None

    def _record_failure(self, item: Item, error: Unanswered, *, sent: int) -> Unanswered | None:
        if error.last is not None and error.last.verdict.key_is_bad:
            # The key was refused: the fault is not this request's, and every other one would meet it too.
            self.stop(f"{error.message}")
            return error
        tally = self.tally
        tally.failed += 1
        tally.attempts += sent
        tally.errors[error.kind] += 1
        if error.last is not None and error.last.status is not None:
            self._last_answer_s = self._clock.now()  # a refusal is an answer too: the target is there
        self._sink.failed(item, error)
        return error

    def _count(self, reply: Completion) -> None:
        tally = self.tally
        tally.answered += 1
        status = status_of(reply)
        if status != "success":
            tally.endings[status] += 1
        if reply.cached:
            # Nothing was sent for it: its tokens and its time are those of an earlier request.
            tally.cached += 1
            return
        tally.attempts += reply.requests_sent
        tally.latency.add(reply.latency_s)
        usage = reply.usage
        if usage is not None:
            tally.input_tokens += usage.input_tokens
            tally.output_tokens += usage.output_tokens

    async def _ask_once(self, item: Item) -> None:
        """Equal rows: the first one asks, the others wait for it and share what it got."""
        assert item.key is not None
        while (flight := self._flights.get(item.key)) is not None:
            self._followers += 1
            try:
                failure = await asyncio.shield(flight)
            except _Stopped:
                if self.stopped is not None:
                    return
                continue
            finally:
                self._followers -= 1
            if failure is not None:
                self._record_failure(item, failure, sent=0)
                return
        if self._sink.joined(item):
            self.tally.joined += 1
            self.tally.answered += 1
            return
        flight = self._flights[item.key] = asyncio.get_running_loop().create_future()
        try:
            flight.set_result(await self._ask(item))
        finally:
            del self._flights[item.key]
            if not flight.done():
                flight.set_exception(_Stopped())
                flight.exception()  # nobody may be waiting: that is no warning

    # --- ends

    async def _watch(self) -> None:
        limits = self._limits
        while True:
            await self._clock.sleep(0.5)
            now = self._clock.now()
            if self.stopped is not None:
                # A wait for a limit or a retry is no work in flight: when nothing else is left, it ends too.
                if self._waiting() + self._followers >= self.tally.in_flight:
                    self._cancel_workers()
                continue
            if limits.max_elapsed_s is not None and now - self._began_s >= limits.max_elapsed_s:
                self.stop(f"--max-elapsed: {limits.max_elapsed_s:g} s are over", drain_s=limits.drain_s)
            elif limits.give_up_after_s is not None and now - self._last_answer_s >= limits.give_up_after_s:
                self.stop(f"no target has answered anything for {limits.give_up_after_s:g} s{self._blame()}", now=True)

    def _cancel_workers(self) -> None:
        self._ending = True
        for task in list(self._workers):
            task.cancel()

    async def _end_workers(self) -> None:
        """Nothing outlives the run, also when the run itself is cancelled."""
        while self._workers:
            self._cancel_workers()
            await asyncio.wait(list(self._workers))
