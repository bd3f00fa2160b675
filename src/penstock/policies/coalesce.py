"""Single flight: equal calls that run at the same time are one attempt, whose answer or stream they share.

The flight is nobody's own: who started it may leave. It ends when nobody waits for it any more. A failure that may
pass isn't shared: the next of its members starts another flight.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from penstock.call import CacheMode, Call, Completion, Event, Reply
from penstock.clock import Clock, Timer
from penstock.errors import DeadlineExceeded, PenstockError, Unanswered
from penstock.fold import Fold, apart, unfold
from penstock.handler import Handler, OpenStream
from penstock.questions import Until

__all__ = ["Coalesce", "FlightStats", "Flights"]


_EARLY_S: Final = 1e-6
"""A timer may ring that much before its time, and rings once."""


class FlightStats(msgspec.Struct):
    """Counts since the start."""

    flights: int = 0
    joined: int = 0
    """Calls that were answered by a flight that another one had started."""


class Flights:
    """What is in the air, by what is asked and of whom. Shared by the handlers of one event loop."""

    __slots__ = ("now", "stats")

    def __init__(self, stats: FlightStats | None = None) -> None:
        self.now: dict[tuple[bytes, tuple[str, ...]], _Flight] = {}
        self.stats = stats or FlightStats()


class _Again(Exception):
    """The flight failed in a way that may pass, or nobody was left in it."""


class _Flight:
    """One attempt and those who wait for it."""

    __slots__ = (
        "_bell",
        "_deadline_s",
        "_waiting",
        "error",
        "events",
        "is_nobodys",
        "is_over",
        "members",
        "reply",
        "stream",
        "task",
        "until",
    )

    def __init__(self, deadline_s: float | None) -> None:
        """`deadline_s` is that of the call that starts it."""
        self._deadline_s = deadline_s
        self._bell: Timer | None = None
        self.until = Until()
        """Until when those want the answer who have joined."""
        self.task: asyncio.Task[None] | None = None
        self.members = 0
        self.is_over = False
        self.is_nobodys = False
        """Who started it left: its answer goes to the next member as that one's own."""
        self.reply: Completion | None = None
        self.stream: OpenStream | None = None
        self.events: list[Event] = []
        self.error: BaseException | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    async def fly(self, asking: Awaitable[Reply], kind: Any, land: Callable[[], None]) -> None:
        """Ask, and tell everybody. `land` is called when nobody may join any more."""
        try:
            reply = await asking
            if isinstance(reply, Completion):
                self.reply = reply
            else:
                assert isinstance(reply, OpenStream)
                await self._pass_on(reply, Fold(kind))
        except asyncio.CancelledError:
            self.error = PenstockError("the client was closed while the request was running")
            raise
        except BaseException as error:  # noqa: BLE001 - raised for every member
            self.error = error
        finally:
            self.is_over = True
            land()
            self._wake()
            if self._bell is not None:
                self._bell.cancel()

    async def _pass_on(self, stream: OpenStream, fold: Fold) -> None:
        async with stream:
            self.stream = stream
            while events := await stream.batch():
                for event in events:
                    fold.add(event)
                self.events += events
                self._wake()
        completion = fold.completion(malformed_events=stream.malformed_events)
        stream.account(completion)
        self.reply = completion

    def _wake(self) -> None:
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._waiting.clear()

    async def change(self) -> None:
        """Wait until something new is known."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            await waiter
        finally:
            self._waiting.discard(waiter)

    def taken_over(self) -> bool:
        """Whether the answer is this member's own from now on; once."""
        takes, self.is_nobodys = self.is_nobodys and self.error is None, False
        return takes

    def want(self, deadline_s: float, clock: Clock) -> None:
        """Somebody wants the answer until then."""
        self.until.at_s = max(self.until.at_s, deadline_s)
        if self._deadline_s is not None and self._bell is None and deadline_s > self._deadline_s:
            # It outlasts who started it: for that one time is up all the same.
            self._bell = clock.call_later(self._deadline_s - clock.now(), self._wake)

    def is_too_late(self, deadline_s: float | None, now_s: float, *, leads: bool) -> bool:
        """A member's time is up. Of who started it the race itself says so, and why, where nobody wants it longer."""
        return deadline_s is not None and now_s >= deadline_s - _EARLY_S and not (leads and self._bell is None)

    def interrupt(self) -> None:
        """Let everybody look again."""
        self._wake()


@dataclass(frozen=True, slots=True)
class Coalesce:
    """Joins calls of one digest and one list of targets. `mode` holds for calls that say none of their own; those
    whose mode is `off` fly alone.

    Everybody waits for a deadline of their own, `deadline_after_s` after they came where the call has none; the flight
    has the latest of them. Where a deadline counts from the first send, and so isn't known, the flight has its
    starter's, and who has time left starts another one when it ends by that.
    """

    digest: Callable[[Call], bytes | None]
    targets: tuple[str, ...]
    flights: Flights
    clock: Clock
    mode: CacheMode = "on"
    deadline_after_s: float | None = None

    def __call__(self, inner: Handler) -> Handler:
        digest, targets, usual = self.digest, self.targets, self.mode

        # No coroutine of its own for a call that flies alone.
        def handle(call: Call) -> Awaitable[Reply]:
            if (call.cache or usual) == "off" or (question := digest(call)) is None:
                return inner(call)
            return self._ask(call, (question, targets), inner)

        return handle

    async def _ask(self, call: Call, key: tuple[bytes, tuple[str, ...]], inner: Handler) -> Reply:
        known = self.flights.now
        deadline_s = call.deadline_s
        if deadline_s is None and self.deadline_after_s is not None:
            deadline_s = self.clock.now() + self.deadline_after_s
        while True:
            flight = known.get(key)
            leads = flight is None
            if flight is None:
                flight = known[key] = self._start(call, key, inner, deadline_s)
            else:
                self.flights.stats.joined += 1
                if deadline_s is not None:
                    flight.want(deadline_s, self.clock)
            try:
                return await self._join(flight, call, key, deadline_s, leads=leads)
            except _Again:
                self.flights.stats.joined -= 1

    def _start(
        self, call: Call, key: tuple[bytes, tuple[str, ...]], inner: Handler, deadline_s: float | None
    ) -> _Flight:
        flight = _Flight(deadline_s)
        self.flights.stats.flights += 1
        if deadline_s is not None:
            call = msgspec.structs.replace(call, until=flight.until)

        def land() -> None:
            if self.flights.now.get(key) is flight:
                del self.flights.now[key]

        flight.task = asyncio.get_running_loop().create_task(flight.fly(inner(call), call.kind, land))
        return flight

    async def _join(
        self, flight: _Flight, call: Call, key: tuple[bytes, tuple[str, ...]], deadline_s: float | None, *, leads: bool
    ) -> Reply:
        flight.members += 1
        timer: Timer | None = None
        if deadline_s is not None and not leads:
            timer = self.clock.call_later(deadline_s - self.clock.now(), flight.interrupt)
        try:
            while not flight.is_over and not (call.stream and flight.stream is not None):
                if flight.is_too_late(deadline_s, self.clock.now(), leads=leads):
                    raise DeadlineExceeded("the deadline passed while an equal request was being answered")
                await flight.change()
            if call.stream and flight.stream is not None and (flight.events or flight.error is None):
                flight.members += 1
                stream = _member_stream(flight, self.clock, deadline_s, leads=leads)
                stream.on_close(lambda: self._leave(flight, key))
                return stream
            return _shared(flight, call, leads=leads or flight.taken_over())
        finally:
            flight.is_nobodys = flight.is_nobodys or (leads and not flight.is_over and flight.stream is None)
            if timer is not None:
                timer.cancel()
            await self._leave(flight, key)

    async def _leave(self, flight: _Flight, key: tuple[bytes, tuple[str, ...]]) -> None:
        flight.members -= 1
        if flight.members or flight.is_over or flight.task is None:
            return
        if self.flights.now.get(key) is flight:
            del self.flights.now[key]
        flight.task.cancel()
        await asyncio.wait([flight.task])


def _shared(flight: _Flight, call: Call, *, leads: bool) -> Reply:
    """What one member gets of a flight that is over."""
    if flight.error is not None:
        if leads:
            raise flight.error
        if _may_pass(flight.error):
            raise _Again from flight.error
        raise _copied(flight.error)
    assert flight.reply is not None
    reply = flight.reply
    if not leads:
        reply = msgspec.structs.replace(reply, attempts=(), requests_sent=0, latency_s=0.0, cost_usd=0.0, cached=True)
    if flight.members > 1 or not leads:
        reply = apart(reply)
    if not call.stream:
        return reply
    stream = OpenStream(unfold(reply))
    stream.account_as(reply)
    return stream


def _may_pass(error: BaseException) -> bool:
    """Another attempt may end otherwise."""
    if not isinstance(error, Unanswered):
        return False
    last = error.last
    return last is None or isinstance(error, DeadlineExceeded) or last.verdict.same_target != "never"


def _copied(error: BaseException) -> BaseException:
    """The error for one who sent nothing."""
    if isinstance(error, Unanswered):
        return type(error)(error.message, error.attempts, error.last, 0)
    return error


class _Reader:
    """A flight's events from the first one on, for one member."""

    __slots__ = ("_clock", "_deadline_s", "_flight", "_leads", "_next", "_timer", "stream")

    def __init__(self, flight: _Flight, clock: Clock, deadline_s: float | None, *, leads: bool) -> None:
        self._flight = flight
        self._clock = clock
        self._deadline_s = deadline_s
        self._leads = leads
        self._next = 0
        self._timer: Timer | None = None
        if deadline_s is not None and not leads:
            self._timer = clock.call_later(deadline_s - clock.now(), flight.interrupt)
        self.stream: OpenStream | None = None

    async def batch(self) -> list[Event]:
        """See `penstock.handler.Batches`."""
        flight = self._flight
        while self._next >= len(flight.events) and not flight.is_over:
            if flight.is_too_late(self._deadline_s, self._clock.now(), leads=self._leads):
                raise DeadlineExceeded("the deadline passed while the answer was streamed")
            await flight.change()
        events = flight.events[self._next :]
        self._next += len(events)
        if events:
            return events
        self._tell()
        if flight.error is not None:
            raise flight.error if self._leads else _copied(flight.error)
        return []

    def _tell(self) -> None:
        outer, source = self.stream, self._flight.stream
        if outer is None or source is None:
            return
        outer.target = source.target
        outer.request_id = source.request_id
        outer.malformed_events = source.malformed_events
        if self._leads:
            outer.attempts, outer.requests_sent = source.attempts, source.requests_sent

    async def aclose(self) -> None:
        """What it read of closes when nobody reads any more."""
        if self._timer is not None:
            self._timer.cancel()


def _member_stream(flight: _Flight, clock: Clock, deadline_s: float | None, *, leads: bool) -> OpenStream:
    source = flight.stream
    assert source is not None
    reader = _Reader(flight, clock, deadline_s, leads=leads)
    stream = reader.stream = OpenStream(reader)
    stream.account_as(source)
    if not leads:
        stream.attempts, stream.requests_sent = (), 0
    stream.cached = not leads
    return stream
