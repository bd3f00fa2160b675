"""A stream of which a guard changes what its reader gets, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from penstock.call import Event, Finding, Stream
from penstock.handler import OpenStream, hold

__all__ = ["opened", "piped"]

Change = Callable[[list[Event]], Awaitable[list[Event]]]
Finish = Callable[[], Awaitable[list[Event]]]


def opened(reply: Stream) -> OpenStream:
    """The stream as layers have it."""
    stream = hold(reply, lambda: None)
    assert isinstance(stream, OpenStream)
    return stream


def piped(inner: OpenStream, change: Change, finish: Finish, found: Callable[[], tuple[Finding, ...]]) -> OpenStream:
    """The events of `inner` as `change` makes them of each group that comes, then those of `finish`.

    `found` tells in the end what was found. Closing it closes `inner`.
    """
    source = _Source(inner, change, finish, found)
    stream = source.outer = OpenStream(source)
    source.tell()
    return stream


class _Source:
    __slots__ = ("_change", "_finish", "_found", "_inner", "_is_over", "outer")

    def __init__(
        self, inner: OpenStream, change: Change, finish: Finish, found: Callable[[], tuple[Finding, ...]]
    ) -> None:
        self._inner = inner
        self._change = change
        self._finish = finish
        self._found = found
        self._is_over = False
        self.outer: OpenStream | None = None

    async def batch(self) -> list[Event]:
        """See `penstock.handler.Batches`."""
        try:
            while not self._is_over:
                events = await self._inner.batch()
                self._is_over = not events
                changed = await (self._change(events) if events else self._finish())
                if changed:
                    return changed
            return []
        finally:
            self.tell()

    def tell(self) -> None:
        """Bring what is known of the inner stream to the outer one."""
        inner, outer = self._inner, self.outer
        if outer is None:
            return
        outer.account_as(inner)
        outer.malformed_events = inner.malformed_events
        outer.guards = (*inner.guards, *self._found())

    async def aclose(self) -> None:
        """Close the inner stream; what it cost is known then."""
        try:
            await self._inner.aclose()
        finally:
            self.tell()
