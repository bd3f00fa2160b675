"""The simulator as a transport in the process itself, on any clock: what `sim/...` models and virtual-time tests use.

The same scripts as the server plays, without a socket: a reset, a cut body or a silence appears as the `CallError`
that a real transport raises, a broken body as a body.
"""

from __future__ import annotations

import asyncio
import math
import random
import secrets
from collections.abc import Iterator
from typing import Final, Literal
from urllib.parse import urlsplit

from penstock.clock import Clock
from penstock.errors import CallError
from penstock.http import Headers, Pool, Timeouts, WireReply, WireRequest
from penstock.simulator.answering import Simulator
from penstock.simulator.http1 import Head, Request
from penstock.simulator.ledger import Ledger
from penstock.simulator.scenario import Scenario
from penstock.simulator.script import End, Piece, Script

__all__ = ["BASE_URL", "SimStream", "SimTransport"]

BASE_URL: Final = "http://simulator.invalid/sim/v1"
"""The base URL of the `sim` provider; only its path counts, and no name is ever looked up."""

_MAX_URLS: Final = 1024
_JSON: Final[Headers] = {"content-type": "application/json"}
Phase = Literal["first_byte", "between_bytes", "total"]
_SLOW: Final[dict[Phase, str]] = {
    "first_byte": "the first byte of the answer didn't come in time",
    "between_bytes": "the answer stalled between two pieces",
    "total": "no whole answer in time",
}
# By how it ended, and whether anything had come: code and text.
_BROKEN: Final[dict[tuple[End, bool], tuple[str, str]]] = {
    ("close", False): ("cut", "the connection closed before a reply"),
    ("close", True): ("cut", "the body was cut"),
    ("reset", False): ("reset", "the connection was reset"),
    ("reset", True): ("reset", "the connection was reset in the body"),
}


class SimTransport:
    """A `penstock.http.Transport` that plays a scenario on `clock`. Nothing is bounded but the body's size.

    `rng` gives the seed where `seed` doesn't; the same seed gives the same schedule and the same ids, without one the
    ids are unlike those of any other process. `simulator` shares a simulator
    (its ledger, limits and time) with another transport or a server.
    """

    def __init__(
        self,
        scenario: Scenario | None,
        clock: Clock,
        *,
        rng: random.Random | None = None,
        seed: int | None = None,
        simulator: Simulator | None = None,
        max_body_bytes: int = Pool().max_body_bytes,
    ) -> None:
        self._clock = clock
        self._max_body_bytes = max_body_bytes
        self._closed = False
        self._paths: dict[str, tuple[str, str]] = {}
        if rng is not None:
            seed = rng.getrandbits(64)
        run = secrets.token_hex(4) if seed is None else f"{seed:x}"
        self.simulator = simulator or Simulator(scenario or Scenario(), clock.now, seed=seed or 0, ledger=Ledger(run))
        self.ledger = self.simulator.ledger

    async def send(self, request: WireRequest, timeouts: Timeouts) -> WireReply:
        """The whole reply. Raises `CallError` transport or timeout as a real transport does."""
        asked = self._asked(request)
        quick = self.simulator.quick(asked)
        if quick is None:
            async with self._open(asked, timeouts) as stream:
                await stream.begin()
                return WireReply(stream.status, stream.headers, await stream.read())
        limit_s = min(_or_inf(timeouts.first_byte), _or_inf(timeouts.total))
        if quick.wait_s > limit_s:
            await self._clock.sleep(limit_s)
            first = _or_inf(timeouts.first_byte) <= _or_inf(timeouts.total)
            raise _too_slow("first_byte" if first else "total")
        # Also when there is nothing to wait for: an answer that never yields would starve the loop.
        await self._clock.sleep(quick.wait_s)
        if quick.on_end is not None:
            quick.on_end(True)
        return WireReply(200, {**_JSON, "x-request-id": f"req-{quick.id.decode()}"}, quick.body)

    async def stream(self, request: WireRequest, timeouts: Timeouts) -> SimStream:
        """The reply once its header has come."""
        stream = self._open(self._asked(request), timeouts)
        try:
            await stream.begin()
        except BaseException:
            await stream.aclose()
            raise
        return stream

    async def aclose(self) -> None:
        """Refuse what comes later; what runs is its caller's to cancel."""
        self._closed = True

    def _asked(self, request: WireRequest) -> Request:
        if self._closed:
            raise CallError("transport", "the transport is closed", code="closed", sent=False)
        found = self._paths.get(request.url)
        if found is None:
            parts = urlsplit(request.url)
            if len(self._paths) >= _MAX_URLS:
                self._paths.clear()
            found = self._paths[request.url] = (parts.path, parts.query)
        headers = {name.lower(): value for name, value in request.headers.items()}
        head = Head(request.method, *found, headers, len(request.body), keep_alive=True, expects_continue=False)
        return Request(head, request.body)

    def _open(self, asked: Request, timeouts: Timeouts) -> SimStream:
        return SimStream(self.simulator.script(asked), self._clock, timeouts, max_body_bytes=self._max_body_bytes)


class SimStream:
    """A script as it is played on a clock: a `penstock.http.WireStream`."""

    __slots__ = (
        "_clock",
        "_last_s",
        "_left",
        "_max_body_bytes",
        "_over",
        "_script",
        "_seen",
        "_started_s",
        "_timeouts",
    )

    def __init__(self, script: Script, clock: Clock, timeouts: Timeouts, *, max_body_bytes: int) -> None:
        self._script = script
        self._clock = clock
        self._timeouts = timeouts
        self._max_body_bytes = max_body_bytes
        self._left: Iterator[Piece] = iter(script.pieces)
        self._seen = 0
        self._started_s = self._last_s = clock.now()
        self._over = False

    @property
    def status(self) -> int:
        return self._script.status

    @property
    def headers(self) -> Headers:
        return self._script.headers

    async def __aenter__(self) -> SimStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def begin(self) -> None:
        """Wait for the header."""
        await self._pause(self._script.wait_s)
        if not self._script.status:
            await self._break()

    def __aiter__(self) -> SimStream:
        return self

    async def __anext__(self) -> bytes:
        if self._over:
            raise StopAsyncIteration
        wait_s, data = next(self._left, (0.0, b""))
        if not data:
            if self._script.end != "complete":
                await self._break()
            self._finish(delivered=True)
            raise StopAsyncIteration
        if wait_s > 0.0:
            await self._pause(wait_s)
        self._seen += len(data)
        if self._seen > self._max_body_bytes:
            raise CallError("transport", f"the body is larger than {self._max_body_bytes} bytes", code="body_too_large")
        self._last_s = self._clock.now()
        return data

    async def read(self) -> bytes:
        """What is left of the body."""
        return b"".join([piece async for piece in self])

    async def aclose(self) -> None:
        self._finish(delivered=False)

    def _finish(self, *, delivered: bool) -> None:
        if self._over:
            return
        self._over = True
        if self._script.on_end is not None:
            self._script.on_end(delivered)

    async def _break(self) -> None:
        """End as the script says. Raises always."""
        if self._script.end == "hang":
            await self._pause(math.inf)
        code, text = _BROKEN[self._script.end, self._seen > 0]
        raise CallError("transport", text, code=code)

    async def _pause(self, wait_s: float) -> None:
        """Let `wait_s` pass. Raises `CallError` timeout when a phase's bound is reached first."""
        now_s = self._clock.now()
        timeouts = self._timeouts
        phase: Phase = "between_bytes" if self._seen else "first_byte"
        own_s = timeouts.between_bytes if self._seen else timeouts.first_byte
        left_s = (self._last_s if self._seen else self._started_s) + _or_inf(own_s) - now_s
        total_left_s = self._started_s + _or_inf(timeouts.total) - now_s
        if total_left_s < left_s:
            phase, left_s = "total", total_left_s
        if wait_s <= left_s and wait_s != math.inf:
            await self._clock.sleep(wait_s)
            return
        if left_s == math.inf:
            await asyncio.get_running_loop().create_future()
        await self._clock.sleep(max(0.0, left_s))
        raise _too_slow(phase)


def _or_inf(bound_s: float | None) -> float:
    return math.inf if bound_s is None else bound_s


def _too_slow(phase: Phase) -> CallError:
    return CallError("timeout", _SLOW[phase], code=phase)
