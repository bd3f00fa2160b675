"""One request over aiohttp from its start to its body's end: its phases, its limits, and what it gives back."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Self

import aiohttp

from penstock.errors import CallError
from penstock.http import Headers, Timeouts
from penstock.transport.aiohttp_errors import call_error
from penstock.transport.decoding import Decoded, NotWhole, TooLarge
from penstock.transport.faults import closed, origin_of, too_large, too_slow
from penstock.transport.patrol import Patrol, Wait

__all__ = ["AiohttpStream", "Exchange"]

_PIECE = 65536


class Exchange(Wait):
    """The limits of one request: `total` always, and that of the phase it is in.

    `stood_s` is when the connection stood and `handed_s` when the body's last piece was handed over, both None when
    nobody watches. aiohttp bounds connecting itself.
    """

    __slots__ = ("_ends_s", "_first_s", "handed_s", "has_head", "has_piece", "is_watched", "stood_s", "timeouts")

    def __init__(self, timeouts: Timeouts, *, waited_s: float) -> None:
        super().__init__(None)
        self.timeouts = timeouts
        total, connect = timeouts.total, timeouts.connect
        self._ends_s = None if total is None else time.monotonic() + max(0.001, total - waited_s)
        self._first_s = timeouts.first_byte
        self.is_watched = timeouts.first_byte is not None or (
            total is not None and connect is not None and connect >= total
        )
        self.stood_s: float | None = None
        self.handed_s: float | None = None
        self.has_head = False
        self.has_piece = False

    @property
    def shortest_s(self) -> float | None:
        limits = (self.timeouts.first_byte, self.timeouts.between_bytes, self.timeouts.total)
        return min((limit for limit in limits if limit is not None), default=None)

    @property
    def is_unsent(self) -> bool:
        return self.is_watched and self.stood_s is None

    def stood(self, *, is_whole: bool) -> None:
        """The connection stands; with `is_whole` the body goes out at once."""
        self.stood_s = time.monotonic()
        if is_whole:
            self.handed_s = self.stood_s

    async def pieces(self, body: bytes) -> AsyncIterator[bytes]:
        last = (len(body) - 1) // _PIECE * _PIECE
        for start in range(0, last, _PIECE):
            yield body[start : start + _PIECE]
        self.handed_s = time.monotonic()
        yield body[last:]

    def head_came(self) -> None:
        self.has_head = True
        if self._first_s is not None and self.handed_s is not None:
            self._first_s = max(0.001, self.handed_s + self._first_s - time.monotonic())

    def due_s(self) -> float | None:
        phase_s: float | None = None
        if self.has_piece:
            between_s = self.timeouts.between_bytes
            phase_s = None if between_s is None else self.since_s + between_s
        elif self._first_s is not None:
            begun_s = self.since_s if self.has_head else self.handed_s
            phase_s = None if begun_s is None else begun_s + self._first_s
        if phase_s is None or self._ends_s is None:
            return phase_s or self._ends_s
        return min(phase_s, self._ends_s)

    def told(self, url: str) -> CallError:
        """The timeout that has just interrupted it."""
        code = "between_bytes" if self.has_piece else "first_byte"
        if self._ends_s is not None and time.monotonic() >= self._ends_s:
            code = "total"
        return too_slow(url, code, sent=not self.is_unsent)


class AiohttpStream:
    """The body's pieces as they come. It owns its connection and its permit until it ends, fails or is closed.

    A stream dropped unclosed closes itself and warns.
    """

    __slots__ = (
        "__weakref__",
        "_decoded",
        "_exchange",
        "_max_bytes",
        "_out",
        "_patrol",
        "_permit",
        "_response",
        "_url",
        "headers",
        "status",
    )

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        url: str,
        exchange: Exchange,
        *,
        max_bytes: int,
        patrol: Patrol,
        permit: Callable[[], None],
    ) -> None:
        self._permit: Callable[[], None] | None = permit
        self._response = response
        self._url = url
        self._exchange = exchange
        self._patrol = patrol
        self._max_bytes = max_bytes
        self.status: int = response.status
        self.headers: Headers = _joined(response)
        self._decoded: Decoded | None = None
        self._out: Iterator[bytes] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            while True:
                for piece in self._out:
                    return piece
                if self._permit is None:
                    raise StopAsyncIteration
                raw = await self._raw()
                if not raw:
                    break
                if self._decoded is None:
                    self._decoded = Decoded(self.headers.get("content-encoding", ""), self._max_bytes)
                self._out = self._decoded.feed(raw)
            if self._decoded is not None:
                self._decoded.end()
        except (NotWhole, TooLarge) as error:
            self.close()
            if isinstance(error, TooLarge):
                raise too_large(self._url, self._max_bytes) from None
            text = f"{origin_of(self._url)}: the compressed body is broken"
            raise CallError("transport", text, code="decode") from None
        self._release()
        raise StopAsyncIteration

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self])

    async def aclose(self) -> None:
        """Close the connection unless the body was read to its end. Closing twice is harmless."""
        self.close()

    def close(self) -> None:
        """`aclose` without a wait: nothing can come between."""
        if self._permit is not None:
            self._response.close()
            self._out = iter(())
            self._release()

    def _release(self) -> None:
        permit, self._permit = self._permit, None
        if permit is not None:
            permit()
            self._patrol.drop(self._exchange)

    async def _raw(self) -> bytes:
        """The next bytes from the wire, b"" at the end."""
        exchange = self._exchange
        exchange.start()
        try:
            raw = await self._response.content.readany()
        except (asyncio.CancelledError, Exception) as error:
            was_interrupted = exchange.stop()
            was_closed = self._permit is None
            self.close()
            if isinstance(error, asyncio.CancelledError) and not was_interrupted:
                raise
            if was_closed:
                raise closed(sent=True) from None
            if was_interrupted:
                raise exchange.told(self._url) from None
            raise call_error(error, self._url) from None  # type: ignore[arg-type]
        exchange.stop()
        if self._permit is None:
            raise closed(sent=True)
        exchange.has_piece = True
        return raw

    def __del__(self) -> None:
        if getattr(self, "_permit", None) is not None:
            warnings.warn("a reply's stream was dropped unclosed", ResourceWarning, stacklevel=2, source=self)
            self.close()


def _joined(response: aiohttp.ClientResponse) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in response.headers.items():
        key = name.lower()
        fields[key] = f"{fields[key]}, {value}" if key in fields else value
    return fields
