"""The seam: everything between a caller and a provider is a `Handler`, and what wraps one is a `Layer`.

A layer is a frozen dataclass (its configuration) whose `__call__(inner)` returns a coroutine function (the running
thing). State that several stacks share is handed in, never global. Streams own what was taken for them until they
are closed; `hold` and `primed` are the only two helpers that know how.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Protocol

from penstock.call import Attempt, Call, Completion, Event, Finding, Reply, Started, Stream, Usage, UsageUpdate
from penstock.errors import CallError
from penstock.questions import SemanticMatch

__all__ = ["Batches", "Handler", "Layer", "OpenStream", "hold", "primed"]

Handler = Callable[[Call], Awaitable[Reply]]
"""From a call to a reply; raises `CallError`."""


class Layer(Protocol):
    """One handler in, one handler out."""

    def __call__(self, inner: Handler, /) -> Handler: ...


class Batches(Protocol):
    """Events in the groups that they come in: one read of a socket brings several."""

    async def batch(self) -> list[Event]:
        """The next events that are there together; an empty list when there are no more. Raises `CallError`."""
        ...

    async def aclose(self) -> None: ...


class OpenStream:
    """Events and what to give back when they are over: the `Stream` that every layer and endpoint returns.

    Iterating to the end, an error, or leaving the context closes it; closing twice is harmless. `usage` is the last
    one that went past; `complete` says that the events came to their end. The race fills `target`, `attempts` (whose
    last one it ends when the stream is over) and `explain`, which turns an error that breaks the stream into the one
    that is raised.
    """

    __slots__ = (
        "_batches",
        "_events",
        "_ready",
        "_releases",
        "_show",
        "attempts",
        "cached",
        "closed",
        "complete",
        "explain",
        "guards",
        "malformed_events",
        "request_id",
        "requests_sent",
        "semantic",
        "target",
        "usage",
    )

    def __init__(
        self,
        events: AsyncIterator[Event] | Batches,
        *releases: Callable[[], Awaitable[None] | None],
    ) -> None:
        self._events: AsyncIterator[Event] | Batches | None = events
        self._batches: Callable[[], Awaitable[list[Event]]] | None = getattr(events, "batch", None)
        self._releases = list(releases)
        self._show: Callable[[Event], None] | None = None
        # The newest first.
        self._ready: list[Event] = []
        self.closed = False
        self.complete = False
        self.target = ""
        self.attempts: tuple[Attempt, ...] = ()
        self.requests_sent = 0
        """All of them; of very many attempts some are left out of `attempts`."""
        self.usage: Usage | None = None
        self.cached = False
        """No request was sent for it."""
        self.semantic: SemanticMatch | None = None
        self.malformed_events = 0
        """Events that nobody could read and that were skipped; final when `complete`."""
        self.request_id: str | None = None
        """The provider's name for the exchange; of an answer over several streams, the last one's."""
        self.guards: tuple[Finding, ...] = ()
        """What guards found and did; final when `complete`."""
        self.explain: Callable[[CallError], BaseException] | None = None

    def account(self, completion: Completion) -> None:
        """Write what is known of the answer beside its events onto the completion that they came to."""
        completion.target = self.target
        completion.request_id = self.request_id
        completion.cached = self.cached
        completion.attempts = self.attempts
        completion.requests_sent = self.requests_sent
        completion.latency_s = max((attempt.ended_s or 0.0 for attempt in self.attempts), default=0.0)
        completion.guards = self.guards

    def account_as(self, other: OpenStream | Completion) -> None:
        """It tells of the same requests as another reply."""
        self.target = other.target
        self.request_id = other.request_id
        self.cached = other.cached
        self.attempts = other.attempts
        self.requests_sent = other.requests_sent

    def push_back(self, events: Iterable[Event]) -> None:
        """Yield `events` again before what comes next, even when nothing comes any more."""
        self._ready += reversed([*events])

    def watch(self, show: Callable[[Event], None]) -> None:
        """Show every event from now on, before its reader gets it; those that wait to be read at once."""
        self._show = show
        for event in reversed(self._ready):
            show(event)

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
        if not self._ready:
            self._ready = (await self.batch())[::-1]
            if not self._ready:
                raise StopAsyncIteration
        return self._ready.pop()

    async def batch(self) -> list[Event]:
        """The next events that are there together; an empty list when there are no more.

        For who wants all of them: a call for each costs more than most decoding. Raises as iterating does.
        """
        if self._ready:
            events = self._ready[::-1]
            self._ready = []
            return events
        if self.closed:
            return []
        explain = self.explain
        try:
            events = await (self._one() if self._batches is None else self._batches())
        except BaseException as error:
            # Explained while it is open: what is given back at close may depend on how it ended.
            raised = explain(error) if explain is not None and isinstance(error, CallError) else None
            await self.aclose()
            if raised is not None and raised is not error:
                raise raised from error
            raise
        if not events:
            self.complete = True
            await self.aclose()
            return events
        for event in events:
            if type(event) is UsageUpdate:
                self.usage = event.usage
        if self._show is not None:
            for event in events:
                self._show(event)
        return events

    async def _one(self) -> list[Event]:
        assert isinstance(self._events, AsyncIterator)
        try:
            return [await self._events.__anext__()]
        except StopAsyncIteration:
            return []

    async def aclose(self) -> None:
        """Give everything back, newest first, whatever fails on the way; the first failure is raised at the end."""
        self._ready = []
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
        # Who made it often holds it too: a circle in each stream would be the collector's work.
        self._events = self._batches = self.explain = None
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
    return OpenStream(reply.__aiter__(), release, partial(reply.__aexit__, None, None, None))


async def primed(stream: Stream) -> OpenStream:
    """Wait for the first event that says something, so that a stream that dies at birth is a failed attempt.

    Returns a stream that yields everything from the start. When the wait fails or is cancelled, `stream` is closed
    before the error goes on. `Started` or a usage alone proves nothing: providers send it and then fail.
    """
    if not isinstance(stream, OpenStream):
        stream = OpenStream(stream.__aiter__(), partial(stream.__aexit__, None, None, None))
    seen: list[Event] = []
    try:
        async for event in stream:
            seen.append(event)
            if not isinstance(event, Started | UsageUpdate):
                break
    except BaseException:
        await stream.aclose()
        raise
    stream.push_back(seen)
    return stream
