"""A streamed answer as its reader sees it: chunks as they come, callbacks, and the whole answer at the end."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from types import TracebackType
from typing import Final, Self

import msgspec

from penstock.answer import Answer, Chunk
from penstock.call import Call, Completion, Reply, cost_of
from penstock.client.forms import answer_of
from penstock.client.request import Row
from penstock.errors import PenstockError
from penstock.fold import Fold
from penstock.handler import OpenStream
from penstock.portal import Portal

__all__ = ["NOT_YET", "AsyncStream", "ReadStream", "Stream", "StreamCallbacks"]


class StreamCallbacks:
    """What a caller wants to be told while a stream runs. What they raise ends the stream."""

    __slots__ = ("on_chunk", "on_complete", "on_error")

    def __init__(
        self,
        on_chunk: Callable[[Chunk, str], object] | None = None,
        on_complete: Callable[[Answer], object] | None = None,
        on_error: Callable[[PenstockError], object] | None = None,
    ) -> None:
        self.on_chunk = on_chunk
        self.on_complete = on_complete
        self.on_error = on_error


NOT_YET: Final = "the stream's answer is there only once its last chunk has been read"
"""What an answer that is asked for too early says."""


class ReadStream(ABC):
    """What every stream does alike for its reader."""

    @property
    @abstractmethod
    def answer(self) -> Answer:
        """The whole answer, once the last chunk has come. Raises `PenstockError` before that, and after a break."""

    @property
    @abstractmethod
    def text(self) -> str:
        """What has arrived so far."""

    @abstractmethod
    async def aclose(self) -> None:
        """Give the connection back; the provider stops where it notices. Harmless when it is over."""

    @abstractmethod
    async def __anext__(self) -> Chunk: ...

    @abstractmethod
    async def _begin(self) -> None:
        """Send the request, unless that is done."""

    async def finish(self) -> Answer:
        """Read the stream to its end, telling the callbacks; the whole answer."""
        async for _ in self:
            pass
        return self.answer

    async def __aenter__(self) -> Self:
        await self._begin()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[Chunk]:
        return self


class AsyncStream(ReadStream):
    """Chunks as they come. Use it in `async with`, or iterate it to its end; `answer` is the whole afterwards.

    Nothing is sent before the first chunk is wanted or the `with` is entered. Raises `Unanswered` when no answer
    came or when the stream broke; `error.last.partial` then holds the text that had arrived. Iterating to the end,
    an error, or leaving the `with` closes it; one that is dropped half read warns.
    """

    def __init__(
        self,
        open_: Callable[[], tuple[Awaitable[Reply], Call]],
        row: Row,
        *,
        model: str | None = None,
        callbacks: StreamCallbacks | None = None,
    ) -> None:
        self._open = open_
        self._row = row
        self._growing = None if row.form is None else row.form.growing()
        self._model = model
        self._callbacks = callbacks or StreamCallbacks()
        self._reply: OpenStream | None = None
        self._fold = Fold()
        self._so_far = ""
        self._answer: Answer | None = None
        self._state = "new"

    @property
    def answer(self) -> Answer:
        """The whole answer, once the last chunk has come. Raises `PenstockError` before that, and after a break."""
        if self._answer is None:
            raise PenstockError(NOT_YET)
        return self._answer

    @property
    def text(self) -> str:
        """What has arrived so far."""
        return self._fold.text if self._answer is None else self._answer.text

    async def aclose(self) -> None:
        """Give the connection back; the provider stops where it notices. Harmless when it is over."""
        if self._state != "over":
            self._state = "closed"
        if self._reply is not None:
            await self._reply.aclose()

    async def __anext__(self) -> Chunk:
        await self._begin()
        if self._reply is None or self._state != "open":
            raise StopAsyncIteration
        try:
            chunk = await self._next(self._reply)
        except BaseException as error:
            await self.aclose()
            self._tell_error(error)
            raise
        return chunk

    async def _begin(self) -> None:
        if self._state != "new":
            return
        self._state = "open"
        try:
            waiting, call = self._open()
            self._fold = Fold(call.kind)
            reply = await waiting
        except BaseException as error:
            self._state = "closed"
            self._tell_error(error)
            raise
        assert not isinstance(reply, Completion), "a call that streams is answered by a stream"
        assert isinstance(reply, OpenStream)
        self._reply = reply

    async def _next(self, reply: OpenStream) -> Chunk:
        async for event in reply:
            self._fold.add(event)
            chunk = Chunk.of(event)
            if chunk is not None:
                chunk = self._with_partial(chunk)
                self._tell_chunk(chunk)
                return chunk
        answer = self._answer = answer_of(self._whole(reply), self._row, model=self._model)
        self._state = "over"
        chunk = self._with_partial(Chunk(is_last=True, finish_reason=answer.finish_reason, usage=reply.usage))
        self._tell_chunk(chunk)
        if self._callbacks.on_complete is not None:
            self._callbacks.on_complete(answer)
        return chunk

    def _with_partial(self, chunk: Chunk) -> Chunk:
        """The chunk with what is known of the value that was asked for."""
        if self._growing is None or chunk.choice:
            return chunk
        return msgspec.structs.replace(chunk, partial=self._growing.feed(chunk.text))

    def _whole(self, reply: OpenStream) -> Completion:
        completion = self._fold.completion(malformed_events=reply.malformed_events)
        reply.account(completion)
        completion.semantic = reply.semantic
        completion.cost_usd = cost_of(reply.attempts) if reply.semantic is None else reply.semantic.cost_usd
        return completion

    def _tell_chunk(self, chunk: Chunk) -> None:
        if self._callbacks.on_chunk is not None:
            if chunk.choice == 0 and chunk.text:
                self._so_far += chunk.text
            self._callbacks.on_chunk(chunk, self._so_far)

    def _tell_error(self, error: BaseException) -> None:
        if self._callbacks.on_error is not None and isinstance(error, PenstockError):
            self._callbacks.on_error(error)

    def __del__(self) -> None:
        if self._state == "open" and self._reply is not None and not self._reply.closed:
            warnings.warn(
                "a stream was dropped half read: iterate it to its end, or use it in a with block",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )


class Stream:
    """`AsyncStream` for blocking code: `with client.stream(...) as stream`, or `for chunk in client.stream(...)`."""

    def __init__(self, stream: ReadStream, portal: Portal, *, owner: object) -> None:
        self._stream = stream
        self._portal = portal
        # A client that nobody holds any more closes itself: not while its stream is read.
        self._owner = owner

    @property
    def answer(self) -> Answer:
        """The whole answer, once the last chunk has come. Raises `PenstockError` before that, and after a break."""
        return self._stream.answer

    @property
    def text(self) -> str:
        """What has arrived so far."""
        return self._stream.text

    def finish(self) -> Answer:
        """Read the stream to its end, telling the callbacks; the whole answer."""
        return self._portal.run(self._stream.finish())

    def close(self) -> None:
        """Give the connection back; the provider stops where it notices. Harmless when it is over."""
        self._portal.run(self._stream.aclose())

    def __enter__(self) -> Stream:
        self._portal.run(self._stream.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Chunk]:
        return self

    def __next__(self) -> Chunk:
        try:
            return self._portal.run(self._stream.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None
