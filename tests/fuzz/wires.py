"""Connections that remember: the simulator in memory, and what crossed the line to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from tests.fuzz.callers import caller_of
from tests.fuzz.hosts import Host

from penstock.clock import Clock
from penstock.errors import CallError
from penstock.http import Headers, Timeouts, WireReply, WireRequest
from penstock.simulator.memory import SimStream, SimTransport

__all__ = ["Sent", "WatchedTransport", "in_dialect"]

Note = Callable[[str, str], None]


@dataclass
class Sent:
    """One request as it crossed the line."""

    caller: int
    number: int
    """Of all requests of its schedule."""
    at_s: float
    target: str
    key: str
    body: bytes
    stream: bool
    status: int | None = None
    end: str = "open"
    """`whole`, `closed` by us, `cancelled`, or what broke it."""
    ended_s: float | None = None
    retry_after_s: float | None = None
    """What a refusal said."""


class WatchedTransport:
    """A `penstock.http.Transport` to one host of a schedule."""

    def __init__(self, host: Host, clock: Clock, *, seed: int, sent: list[Sent], note: Note) -> None:
        self._host = host
        self._clock = clock
        self._sent = sent
        self._note = note
        self._sim = SimTransport(host.phases[0][1], clock, seed=seed)
        self.ledger = self._sim.ledger
        self.refused = 0
        """Connections that nobody took."""
        self.closed = False
        self._timers = [
            clock.call_later(at_s - clock.now(), partial(self._sim.simulator.play, scenario))
            for at_s, scenario in host.phases[1:]
        ]

    async def send(self, request: WireRequest, timeouts: Timeouts) -> WireReply:
        sent = self._begin(request, stream=False)
        try:
            self._connect()
            reply = await self._sim.send(self._spoken(request), timeouts)
        except BaseException as error:
            self._ended(sent, _named(error))
            raise
        _learn(sent, reply.status, reply.headers)
        self._ended(sent, "whole")
        return reply

    async def stream(self, request: WireRequest, timeouts: Timeouts) -> WatchedStream:
        sent = self._begin(request, stream=True)
        try:
            self._connect()
            wire = await self._sim.stream(self._spoken(request), timeouts)
        except BaseException as error:
            self._ended(sent, _named(error))
            raise
        _learn(sent, wire.status, wire.headers)
        return WatchedStream(wire, partial(self._ended, sent), lazy=self._host.lazy_close)

    async def aclose(self) -> None:
        self.closed = True
        for timer in self._timers:
            timer.cancel()
        await self._sim.aclose()

    def _begin(self, request: WireRequest, *, stream: bool) -> Sent:
        body = msgspec.json.decode(request.body)
        assert bool(body.get("stream")) == stream, "asked for a stream in one way only"
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        target = f"{self._host.name}/{body['model']}"
        sent = Sent(caller_of(body), len(self._sent), self._clock.now(), target, key, request.body, stream)
        self._sent.append(sent)
        self._note(f"c{sent.caller}", f"asks {target}{' for a stream' if stream else ''}, request {sent.number}")
        return sent

    def _connect(self) -> None:
        """Raises `CallError` while nobody listens."""
        now_s = self._clock.now()
        if any(start_s <= now_s < end_s for start_s, end_s in self._host.deaf):
            self.refused += 1
            raise CallError("transport", "the connection was refused", code="refused", sent=False)

    def _spoken(self, request: WireRequest) -> WireRequest:
        if not self._host.dialect:
            return request
        body = in_dialect(msgspec.json.decode(request.body), self._host)
        return WireRequest(request.method, request.url, request.headers, msgspec.json.encode(body))

    def _ended(self, sent: Sent, end: str) -> None:
        assert sent.ended_s is None, f"request {sent.number} ended twice"
        sent.end = end
        sent.ended_s = self._clock.now()
        self._note(f"c{sent.caller}", f"request {sent.number} {end}{f' {sent.status}' if sent.status else ''}")


class WatchedStream:
    """A `penstock.http.WireStream` that knows whether it was closed."""

    def __init__(self, wire: SimStream, ended: Callable[[str], None], *, lazy: bool) -> None:
        self._wire = wire
        self._ended = ended
        self._lazy = lazy
        self._end = "closed"
        self._is_closed = False

    @property
    def status(self) -> int:
        return self._wire.status

    @property
    def headers(self) -> Headers:
        return self._wire.headers

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        assert not self._is_closed, "a closed stream is read"
        try:
            return await self._wire.__anext__()
        except StopAsyncIteration:
            self._end = "whole"
            raise
        except BaseException as error:
            self._end = _named(error)
            raise

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self])

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await self._wire.aclose()
        self._ended(self._end)
        if self._lazy:
            await asyncio.sleep(0)


def in_dialect(body: dict[str, Any], host: Host) -> dict[str, Any]:
    """The body as the host's simulator reads it: what it adds makes its answers its own."""
    return {**body, "user": host.dialect} if host.dialect else body


def _learn(sent: Sent, status: int, headers: Headers) -> None:
    sent.status = status
    if status >= 400 and "retry-after-ms" in headers:
        sent.retry_after_s = int(headers["retry-after-ms"]) / 1000


def _named(error: BaseException) -> str:
    if isinstance(error, CallError):
        return f"{error.kind} {error.code or ''}".strip()
    return "cancelled" if isinstance(error, asyncio.CancelledError) else type(error).__name__
