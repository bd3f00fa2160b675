"""What a point of the exam is, and what points share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from penstock.errors import CallError
from penstock.http import Pool, Timeouts, Transport, WireReply, WireRequest

__all__ = [
    "BOTH",
    "POINTS",
    "QUICK",
    "Factory",
    "Opener",
    "failing",
    "ok",
    "outcome",
    "point",
    "post",
    "read_all",
    "send",
]

Factory = Callable[[Pool], Transport]
"""Makes the transport under test; it may raise `ConfigError`."""

QUICK = Timeouts(connect=2.0, first_byte=None, between_bytes=3.0, total=4.0)
"""For points that time doesn't matter to: everything ends soon, even what is broken."""


class Opener:
    """Opens transports for a point, and closes them."""

    def __init__(self, factory: Factory, *, soak: int) -> None:
        self.factory = factory
        self.soak = soak
        """How many requests a soak makes."""

    @asynccontextmanager
    async def __call__(self, pool: Pool | None = None) -> AsyncIterator[Transport]:
        transport = self.factory(pool or Pool())
        try:
            yield transport
        finally:
            await transport.aclose()


Point = Callable[[Opener], Awaitable[None]]
POINTS: dict[str, Point] = {}


def point(work: Point) -> Point:
    """Make `work` a point of the exam, under its own name."""
    name = getattr(work, "__name__", "")
    assert name not in POINTS, name
    POINTS[name] = work
    return work


def post(url: str, body: bytes = b'{"ask": 1}', *, method: str = "POST", **headers: str) -> WireRequest:
    fields = {"content-type": "application/json", "authorization": "Bearer sk-test-not-a-key"}
    return WireRequest(method, url, fields | {name.replace("_", "-"): value for name, value in headers.items()}, body)


async def failing(work: Awaitable[Any]) -> CallError:
    """The `CallError` that `work` must raise, within 10 s."""
    try:
        async with asyncio.timeout(10):
            result = await work
    except CallError as error:
        return error
    raise AssertionError(f"expected a CallError, got {_brief(result)}")


async def outcome(work: Awaitable[WireReply]) -> WireReply | CallError:
    """The reply or the `CallError`, for points where either is in order."""
    try:
        return await work
    except CallError as error:
        return error


async def read_all(transport: Transport, request: WireRequest, timeouts: Timeouts) -> WireReply:
    """What `send` does, by `stream`."""
    stream = await transport.stream(request, timeouts)
    try:
        body = b"".join([piece async for piece in stream])
        return WireReply(stream.status, dict(stream.headers), body)
    finally:
        await stream.aclose()


async def send(transport: Transport, request: WireRequest, timeouts: Timeouts) -> WireReply:
    return await transport.send(request, timeouts)


BOTH = (send, read_all)
"""The two ways to ask."""


async def ok(transport: Transport, url: str) -> None:
    """One request that must be answered "ok"."""
    reply = await transport.send(post(url), QUICK)
    assert (reply.status, reply.body) == (200, b"ok"), _brief(reply)


def _brief(result: object) -> str:
    if isinstance(result, WireReply):
        return f"a reply {result.status} of {len(result.body)} bytes: {result.body[:60]!r}"
    return repr(result)[:200]
