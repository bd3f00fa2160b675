"""A reply that is still coming, over wreq: pieces within bounds, timeouts between them, and a close that closes."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable
from typing import Self

import wreq

from penstock.errors import CallError
from penstock.http import Headers
from penstock.transport.faults import closed, too_large, too_slow
from penstock.transport.headers import LazyHeaders
from penstock.transport.patrol import Patrol, Wait
from penstock.transport.wreq_errors import call_error, cancelled_by_close

__all__ = ["WreqStream"]


class WreqStream:
    """The body's pieces as they come. It owns its connection and its permit until it ends, fails or is closed.

    `first_s` bounds the wait for the first piece and `between_s` each later one. Only time spent waiting counts, so
    a reader that takes its time loses nothing. A stream dropped unclosed closes itself and warns.
    """

    __slots__ = (
        "__weakref__",
        "_between_s",
        "_is_first",
        "_left",
        "_max_bytes",
        "_patrol",
        "_permit",
        "_response",
        "_streamer",
        "_url",
        "_wait",
        "headers",
        "status",
    )

    def __init__(
        self,
        response: wreq.Response,
        url: str,
        *,
        max_bytes: int,
        first_s: float | None,
        between_s: float | None,
        patrol: Patrol,
        permit: Callable[[], None],
    ) -> None:
        self._permit: Callable[[], None] | None = permit
        self.status: int = response.status.as_int()
        self.headers: Headers = LazyHeaders(response.headers)
        self._response: wreq.Response | None = response
        self._streamer: wreq.Streamer | None = None
        self._url = url
        self._max_bytes = self._left = max_bytes
        self._between_s = between_s
        self._patrol = patrol
        self._is_first = True
        self._wait = Wait(first_s)
        limits = [limit for limit in (first_s, between_s) if limit is not None]
        if limits:
            patrol.add(self._wait, min(limits))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._permit is None:
            raise StopAsyncIteration
        streamer = self._opened()
        wait = self._wait
        while True:
            wait.start()
            try:
                piece = await streamer.__anext__()
            except BaseException as error:  # noqa: BLE001 - it goes on, as what it means
                raise self._ended(error) from None
            wait.stop()
            # What isn't a piece of the body is a trailer, which nobody reads.
            if isinstance(piece, memoryview) and piece:
                break
        try:
            self._count(len(piece))
        except CallError:
            self.close()
            raise
        return bytes(piece)

    async def read(self) -> bytes:
        if self._permit is None:
            return b""
        wait = self._wait
        pieces: list[bytes] = []
        wait.start()
        try:
            async for piece in self._opened():
                if isinstance(piece, memoryview) and piece:
                    self._count(len(piece))
                    pieces.append(bytes(piece))
                wait.since_s = time.monotonic()
        except BaseException as error:  # noqa: BLE001 - it goes on, as what it means
            raise self._ended(error) from None
        ended = self._ended(StopAsyncIteration())
        if isinstance(ended, CallError):
            raise ended
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def aclose(self) -> None:
        """Close the connection unless the body was read to its end. Closing twice is harmless."""
        self.close()

    def close(self) -> None:
        """`aclose` without a wait: nothing can come between."""
        if self._permit is not None:
            # By its own exit alone wreq closes an unread connection at once; tracebacks may keep the object alive.
            self._opened().__exit__(None, None, None)
            self._release()

    def _opened(self) -> wreq.Streamer:
        if self._streamer is None:
            assert self._response is not None
            self._streamer = self._response.stream()
        return self._streamer

    def _count(self, size: int) -> None:
        """A piece of `size` bytes has come."""
        if self._is_first:
            self._is_first = False
            self._wait.limit_s = self._between_s
        self._left -= size
        if self._left < 0:
            raise too_large(self._url, self._max_bytes)

    def _release(self) -> None:
        self._streamer = self._response = None
        permit, self._permit = self._permit, None
        if permit is not None:
            permit()
            self._patrol.drop(self._wait)

    def _ended(self, error: BaseException) -> BaseException:
        """Give everything back; what to raise."""
        was_interrupted = self._wait.stop()
        was_closed = self._permit is None
        if isinstance(error, StopAsyncIteration):
            self._release()
            # Closed by someone else while this read waited: that is no end.
            return closed(sent=True) if was_closed else error
        self.close()
        if isinstance(error, asyncio.CancelledError):
            if was_interrupted and was_closed:
                return closed(sent=True)
            if was_interrupted:
                return too_slow(self._url, "first_byte" if self._is_first else "between_bytes")
            return closed(sent=True) if cancelled_by_close(error) else error
        if isinstance(error, CallError) or not isinstance(error, Exception):
            return error
        return call_error(error, self._url)

    def __del__(self) -> None:
        if getattr(self, "_permit", None) is not None:
            warnings.warn("a reply's stream was dropped unclosed", ResourceWarning, stacklevel=2, source=self)
            self.close()
