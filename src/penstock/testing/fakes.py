"""Fakes that keep the promises of the real things: a transport, a handler and a target that follow a script."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from penstock.call import Call, Completion, Event, RateLimits, Reply, Usage
from penstock.errors import CallError
from penstock.handler import OpenStream
from penstock.http import Timeouts, WireReply, WireRequest, WireStream
from penstock.race.latency import LatencyBook
from penstock.race.target import Bill, Ending

__all__ = ["Chunks", "Delayed", "FakeBreaker", "FakePermit", "FakeTransport", "ScriptedHandler", "ScriptedTarget"]

S = TypeVar("S")
R = TypeVar("R")


@dataclass(frozen=True)
class Delayed:
    """`step`, `delay_s` seconds later."""

    delay_s: float
    step: Any


@dataclass(frozen=True)
class Chunks:
    """A body or a stream of events in pieces; a number is a pause in seconds, an exception breaks it there."""

    pieces: Sequence[Any]
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def _script(steps: Iterable[S] | Callable[[R], S]) -> Callable[[R], S]:
    if callable(steps):
        return steps
    rest: Iterator[S] = iter(steps)

    def following(asked: R) -> S:
        try:
            return next(rest)
        except StopIteration:
            raise AssertionError(f"the script is over, but came {asked!r}") from None

    return following


async def _reach(step: Any, limit_s: float | None = None) -> Any:
    """Wait as long as the step says; past `limit_s` it is a timeout."""
    while isinstance(step, Delayed):
        if limit_s is not None and step.delay_s > limit_s:
            await asyncio.sleep(limit_s)
            raise CallError("timeout", f"no answer within {limit_s:g} s")
        await asyncio.sleep(step.delay_s)
        step = step.step
    if isinstance(step, BaseException):
        raise step
    return step


class FakeTransport:
    """A `penstock.http.Transport` that answers from a script.

    `script` is an iterable of steps, one a request, or a function from the request to its step. A step is a
    `WireReply`, `Chunks`, an exception to raise, or one of them `Delayed`. `requests` records what was asked;
    `open` counts calls and streams that aren't over, `peak` the most there were at once.
    """

    def __init__(self, script: Iterable[Any] | Callable[[WireRequest], Any]) -> None:
        self._next = _script(script)
        self.requests: list[WireRequest] = []
        self.open = 0
        self.peak = 0
        self.closed = False

    async def send(self, request: WireRequest, timeouts: Timeouts) -> WireReply:
        self._enter(request)
        try:
            step = await _reach(self._next(request), timeouts.total)
            if isinstance(step, Chunks):
                body = [piece async for piece in _pieces(step.pieces, timeouts.between_bytes)]
                return WireReply(step.status, step.headers, b"".join(body))
            assert isinstance(step, WireReply)
            return step
        finally:
            self.open -= 1

    async def stream(self, request: WireRequest, timeouts: Timeouts) -> WireStream:
        self._enter(request)
        try:
            step = await _reach(self._next(request), timeouts.total)
            if isinstance(step, WireReply):
                step = Chunks([step.body] if step.body else [], step.status, dict(step.headers))
            return _FakeStream(self, step, timeouts)
        except BaseException:
            self.open -= 1
            raise

    def _enter(self, request: WireRequest) -> None:
        assert not self.closed, "the transport is closed"
        self.requests.append(request)
        self.open += 1
        self.peak = max(self.peak, self.open)

    async def aclose(self) -> None:
        self.closed = True


class _FakeStream:
    def __init__(self, transport: FakeTransport, step: Chunks, timeouts: Timeouts) -> None:
        self._transport = transport
        self._pieces = _pieces(step.pieces, timeouts.between_bytes)
        self._open = True
        self.status = step.status
        self.headers = step.headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self._pieces])

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            self._transport.open -= 1


async def _pieces(pieces: Iterable[Any], limit_s: float | None = None) -> AsyncIterator[Any]:
    for piece in pieces:
        if isinstance(piece, int | float):
            await _reach(Delayed(piece, None), limit_s)
        elif isinstance(piece, BaseException):
            raise piece
        else:
            yield piece


class ScriptedHandler:
    """A `Handler` that answers from a script: a `Completion`, `Chunks` of events, an exception, or one `Delayed`.

    `calls` records what was asked, `open` counts calls and streams that aren't over.
    """

    def __init__(self, script: Iterable[Any] | Callable[[Call], Any]) -> None:
        self._next = _script(script)
        self.calls: list[Call] = []
        self.open = 0
        self.peak = 0

    async def __call__(self, call: Call) -> Reply:
        self.calls.append(call)
        self.open += 1
        self.peak = max(self.peak, self.open)
        try:
            step = await _reach(self._next(call))
        except BaseException:
            self.open -= 1
            raise
        if isinstance(step, Completion):
            self.open -= 1
            return step
        assert isinstance(step, Chunks)
        events: AsyncIterator[Event] = _pieces(step.pieces)
        return OpenStream(events, self._leave)

    def _leave(self) -> None:
        self.open -= 1


class FakePermit:
    """A permit that remembers how it was settled: `settled`, `refused` or `released`, exactly once."""

    def __init__(self, target: ScriptedTarget) -> None:
        self._target = target
        self.key = None
        self.ending: str | None = None
        self.usage: Usage | None = None

    def learn(self, limits: RateLimits) -> None:
        """What a reply's headers said is nothing to a fake."""

    def heard(self, seconds: float) -> None:
        """Nor is the time to its first token."""

    def settle(self, usage: Usage | None) -> None:
        self.usage = usage
        self._end("settled")

    def refused(self, error: CallError, now_s: float) -> None:
        self._end("refused")
        self._target.refuse(error, now_s)

    def release(self) -> None:
        self._end("released")

    def _end(self, ending: str) -> None:
        assert self.ending is None, f"a permit that was {self.ending} is {ending} again"
        self.ending = ending
        self._target.in_flight -= 1


class FakeBreaker:
    """A breaker that is closed until a test sets `shut_s`; counts `in_flight`, `silences`, `heard_of`, `endings`."""

    def __init__(self) -> None:
        self.shut_s = 0.0
        """Seconds that it would let a new attempt wait."""
        self.in_flight = 0
        self.silences = 0
        self.heard_of = 0
        self.endings: list[Ending] = []

    @property
    def is_closed(self) -> bool:
        return self.shut_s <= 0.0

    @property
    def is_open(self) -> bool:
        return self.shut_s > 0.0

    def wait_s(self, now_s: float) -> float:
        del now_s
        return self.shut_s

    def started(self, now_s: float) -> int:
        del now_s
        self.in_flight += 1
        return 0

    def ended(self, ticket: int, started_s: float, now_s: float, ending: Ending, *, was_silent: bool = False) -> None:
        del ticket, started_s, now_s, was_silent
        self.in_flight -= 1
        assert self.in_flight >= 0, "an attempt ended twice"
        self.endings.append(ending)

    def silent(self, ticket: int, started_s: float, now_s: float) -> None:
        del ticket, started_s, now_s
        self.silences += 1

    def heard(self, ticket: int, started_s: float, now_s: float, *, was_silent: bool = False) -> None:
        del ticket, started_s, now_s, was_silent
        self.heard_of += 1


class ScriptedTarget:
    """A target of a race: a scripted handler behind a limit and a breaker that a test can set.

    It admits at most `room` calls at once and none before `free_at_s` (an instant of the loop's clock), which a
    rate_limited refusal moves on by its wait. `keys` is how many refused keys it can lose before admission itself
    fails. `permits` records every permit given.
    """

    def __init__(
        self,
        name: str,
        script: Iterable[Any] | Callable[[Call], Any],
        *,
        room: int = 1_000_000,
        keys: int = 1,
        free_at_s: float = 0.0,
    ) -> None:
        self.name = name
        self.breaker = FakeBreaker()
        self.latency = LatencyBook()
        self.prefills = False
        self.bill: Bill | None = None
        self.handler = ScriptedHandler(script)
        self.room = room
        self.keys = keys
        self.free_at_s = free_at_s
        self.permits: list[FakePermit] = []
        self.in_flight = 0
        self._last: CallError | None = None

    def wait_s(self, now_s: float, estimate: int) -> float:
        del estimate
        if self.keys <= 0:
            return float("inf")
        return max(0.0, self.free_at_s - now_s) if self.in_flight < self.room else max(1.0, self.free_at_s - now_s)

    def try_admit(self, call: Call, now_s: float) -> FakePermit | None:
        del call
        if self.keys <= 0:
            kind = self._last.kind if self._last else "auth"
            raise CallError(kind, "no usable key is left", target=self.name, sent=False)
        if now_s < self.free_at_s or self.in_flight >= self.room:
            return None
        permit = FakePermit(self)
        self.permits.append(permit)
        self.in_flight += 1
        return permit

    async def admit(self, call: Call) -> FakePermit:
        loop = asyncio.get_running_loop()
        while (permit := self.try_admit(call, loop.time())) is None:  # noqa: ASYNC110 - polling is exact in virtual time
            await asyncio.sleep(max(0.01, self.free_at_s - loop.time()))
        return permit

    async def send(self, call: Call, permit: Any) -> Reply:
        assert permit.ending is None
        return await self.handler(call)

    def refuse(self, error: CallError, now_s: float) -> None:
        self._last = error
        if error.verdict.key_is_bad:
            self.keys -= 1
        if error.kind == "rate_limited":
            self.free_at_s = max(self.free_at_s, now_s + (error.retry_after_s or 1.0))
