"""The seam: everything between a caller and a provider is a `Handler`, and what wraps one is a `Layer`.

A layer is a frozen dataclass (its configuration) whose `__call__(inner)` returns a coroutine function (the running
thing). State that several stacks share is handed in, never global. Streams own what was taken for them until they
are closed; `hold` and `primed` are the only two helpers that know how.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import Protocol

from penstock.call import Call, Completion, Event, Reply, Started, Stream

__all__ = ["Handler", "Layer", "OpenStream", "hold", "primed"]

Handler = Callable[[Call], Awaitable[Reply]]
"""From a call to a reply; raises `CallError`."""


class Layer(Protocol):
    """One handler in, one handler out."""

    def __call__(self, inner: Handler, /) -> Handler: ...


class OpenStream:
    """Events and what to give back when they are over: the `Stream` that every layer and endpoint returns.

    Iterating to the end, an error, or leaving the context closes it; closing twice is harmless.
    """

    __slots__ = ("_events", "_releases", "closed")

    def __init__(
        self,
        events: AsyncIterator[Event],
        *releases: Callable[[], Awaitable[None] | None],
    ) -> None:
        self._events = events
        self._releases = list(releases)
        self.closed = False

    def on_close(self, release: Callable[[], Awaitable[None] | None]) -> None:
        """Call `release` once, at close, before whatever was added earlier."""
        self._releases.append(release)

    async def __aenter__(self) -> OpenStream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if self.closed:
            raise StopAsyncIteration
        try:
            return await self._events.__anext__()
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Give everything back, newest first, whatever fails on the way; the first failure is raised at the end."""
        if self.closed:
            return
        self.closed = True
        first: BaseException | None = None
        close = getattr(self._events, "aclose", None)
        if close is not None:
            try:
                await close()
            except BaseException as error:  # noqa: BLE001 - raised again below
                first = error
        while self._releases:
            try:
                waiting = self._releases.pop()()
                if waiting is not None:
                    await waiting
            except BaseException as error:  # noqa: BLE001 - raised again below
                first = first or error
        if first is not None:
            raise first


def hold(reply: Reply, release: Callable[[], None]) -> Reply:
    """Give back what a layer took when the reply is really over: now for a completion, at close for a stream.

    `release` runs once. A layer that raised instead of replying gives back in its own `except`.
    """
    if isinstance(reply, Completion):
        release()
        return reply
    if isinstance(reply, OpenStream):
        reply.on_close(release)
        return reply
    return OpenStream(reply.__aiter__(), release, lambda: reply.__aexit__(None, None, None))


async def primed(stream: Stream) -> Stream:
    """Wait for the first event that says something, so that a stream that dies at birth is a failed attempt.

    Returns a stream that yields everything from the start. When the wait fails or is cancelled, `stream` is closed
    before the error goes on. `Started` alone proves nothing: providers send it and then fail.
    """
    events = stream.__aiter__()
    seen: list[Event] = []
    try:
        async for event in events:
            seen.append(event)
            if not isinstance(event, Started):
                break
    except BaseException:
        await stream.__aexit__(None, None, None)
        raise
    return OpenStream(_replay(seen, events), lambda: stream.__aexit__(None, None, None))


async def _replay(seen: list[Event], rest: AsyncIterator[Event]) -> AsyncIterator[Event]:
    for event in seen:
        yield event
    async for event in rest:
        yield event
