"""A streamed answer that becomes part of its conversation at its end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from penstock.answer import Answer, Chunk
from penstock.client import AsyncStream
from penstock.client.stream import NOT_YET, ReadStream
from penstock.errors import PenstockError

__all__ = ["AnswerStream"]


class AnswerStream(ReadStream):
    """As `penstock.client.AsyncStream`: chunks as they come, `answer` at the end.

    The question and the answer are in the conversation once the last chunk is there; a stream that breaks or is closed
    before leaves it as it was. Until then other questions of the conversation wait.
    """

    def __init__(
        self,
        start: Callable[[], Awaitable[AsyncStream]],
        settle: Callable[[Answer], Awaitable[None]],
        release: Callable[[], None],
        *,
        on_complete: Callable[[Answer], object] | None = None,
        on_error: Callable[[PenstockError], object] | None = None,
    ) -> None:
        """`start` takes the turn, which `release` gives back."""
        self._start = start
        self._settle = settle
        self._give = release
        self._on_complete = on_complete
        self._on_error = on_error
        self._stream: AsyncStream | None = None
        self._state = "new"

    @property
    def answer(self) -> Answer:
        """The whole answer, once the last chunk has come. Raises `PenstockError` before that, and after a break."""
        if self._stream is None:
            raise PenstockError(NOT_YET)
        return self._stream.answer

    @property
    def text(self) -> str:
        """What has arrived so far."""
        return "" if self._stream is None else self._stream.text

    async def aclose(self) -> None:
        """Give the connection back, and the turn. Harmless when it is over."""
        is_mine, self._state = self._state == "open", "closed" if self._state != "over" else "over"
        try:
            if self._stream is not None:
                await self._stream.aclose()
        finally:
            if is_mine:
                self._give()

    async def __anext__(self) -> Chunk:
        await self._begin()
        if self._stream is None or self._state != "open":
            raise StopAsyncIteration
        try:
            chunk = await self._stream.__anext__()
            if chunk.is_last:
                await self._settle(self._stream.answer)
        except BaseException:
            await self.aclose()
            raise
        if chunk.is_last:
            self._state = "over"
            self._give()
            if self._on_complete is not None:
                self._on_complete(self._stream.answer)
        return chunk

    async def _begin(self) -> None:
        if self._state != "new":
            return
        self._state = "starting"
        try:
            stream = await self._start()
        except BaseException as error:
            self._state = "closed"
            if self._on_error is not None and isinstance(error, PenstockError):
                self._on_error(error)
            raise
        self._stream, self._state = stream, "open"
        try:
            await stream.__aenter__()
        except BaseException:
            await self.aclose()
            raise

    def __del__(self) -> None:
        # The stream within warns.
        if self._state == "open":
            self._state = "closed"
            self._give()
