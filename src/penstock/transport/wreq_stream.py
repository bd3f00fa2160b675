"""A reply that is still coming, over wreq: pieces within bounds, timeouts between them, and a close that closes."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable
from typing import Self

import wreq

from penstock.http import Headers
from penstock.transport.headers import LazyHeaders
from penstock.transport.wreq_errors import call_error, cancelled_by_close, closed, too_large, too_slow
from penstock.transport.wreq_watch import Expired, Watch

__all__ = ["WreqStream"]


class WreqStream:
    """The body's pieces as they come. It owns its connection and its permit until it ends, fails or is closed.

    `first_s` bounds the wait for the first piece and `between_s` each later one; only time spent waiting counts,
    so a reader that takes its time loses nothing. A stream dropped unclosed closes itself and warns.
    """

    __slots__ = (
        "__weakref__",
        "_between_s",
        "_first_s",
        "_left",
        "_max_bytes",
        "_permit",
        "_response",
        "_streamer",
        "_url",
        "_waiting_s",
        "_watch",
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
        permit: Callable[[], None],
    ) -> None:
        self.status: int = response.status.as_int()
        self.headers: Headers = LazyHeaders(response.headers)
        self._response: wreq.Response | None = response
        self._streamer: wreq.Streamer | None = None
        self._url = url
        self._max_bytes = self._left = max_bytes
        self._between_s = between_s
        self._first_s = first_s
        self._waiting_s = 0.0
        self._permit: Callable[[], None] | None = permit
        self._watch = Watch(self._due) if first_s is not None or between_s is not None else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._permit is None:
            raise StopAsyncIteration
        try:
            return await self._piece()
        except StopAsyncIteration:
            if self._permit is None:
                raise closed(sent=True) from None
            self._release()
            raise
        except asyncio.CancelledError as error:
            self._release()
            if cancelled_by_close(error):
                raise closed(sent=True) from error
            raise
        except BaseException:
            self._release()
            raise

    async def read(self) -> bytes:
        pieces = [piece async for piece in self]
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def aclose(self) -> None:
        """Close the connection unless the body was read to its end. Closing twice is harmless."""
        streamer = self._streamer
        try:
            if streamer is not None:
                await streamer.__aexit__(None, None, None)
        finally:
            self._release()

    def _release(self) -> None:
        # Dropping wreq's objects closes an unread connection at once, whatever happens to the task.
        self._streamer = self._response = None
        permit, self._permit = self._permit, None
        if permit is not None:
            permit()

    async def _piece(self) -> bytes:
        streamer = self._streamer
        if streamer is None:
            assert self._response is not None
            streamer = self._streamer = self._response.stream()
        while True:
            try:
                if self._watch is None:
                    piece = await streamer.__anext__()
                else:
                    self._waiting_s = time.monotonic()
                    piece = await self._watch.run(streamer.__anext__())
            except (asyncio.CancelledError, StopAsyncIteration):
                raise
            except Expired:
                code = "between_bytes" if self._first_s is None else "first_byte"
                raise too_slow(self._url, code) from None
            except Exception as error:
                raise call_error(error, self._url) from error
            # What isn't a piece of the body is a trailer, which nobody reads.
            if isinstance(piece, memoryview) and piece:
                self._first_s = None
                self._left -= len(piece)
                if self._left < 0:
                    raise too_large(self._url, self._max_bytes)
                return bytes(piece)

    def _due(self) -> float | None:
        limit_s = self._between_s if self._first_s is None else self._first_s
        return None if limit_s is None else self._waiting_s + limit_s

    def __del__(self) -> None:
        if getattr(self, "_permit", None) is not None:
            warnings.warn("a reply's stream was dropped unclosed", ResourceWarning, stacklevel=2, source=self)
            self._release()
