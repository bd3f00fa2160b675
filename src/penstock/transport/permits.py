"""Bounded concurrency that costs nothing until the bound is reached."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from penstock.errors import CallError
from penstock.transport.faults import closed

__all__ = ["Permits"]


class Permits:
    """At most `size` holders; a permit that comes back goes to the longest waiter, never to a newcomer.

    Taking one is `if not permits.take(): await permits.wait(...)`, both O(1); so is giving back. A waiter that is
    cancelled at its turn hands its permit on.
    """

    __slots__ = ("_closed", "_free", "_waiters", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = size
        self._waiters: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._closed = False

    @property
    def free(self) -> int:
        return self._free

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    def take(self) -> bool:
        """A permit at once, or False. While anyone waits none is free."""
        if self._free > 0:
            self._free -= 1
            return True
        return False

    async def wait(self, limit_s: float | None = None) -> None:
        """A permit in its turn. Raises `CallError` timeout (`total`, unsent) after `limit_s` seconds."""
        if self._closed:
            raise closed(sent=False)
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._waiters[waiter] = None
        timer = None if limit_s is None else loop.call_later(limit_s, self._expire, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self.give()
            raise
        finally:
            self._waiters.pop(waiter, None)
            if timer is not None:
                timer.cancel()

    def give(self) -> None:
        """Give a permit back."""
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free += 1

    def close(self) -> None:
        """Refuse everyone who waits, and who comes to wait later."""
        self._closed = True
        while self._waiters:
            waiter, _ = self._waiters.popitem(last=False)
            if not waiter.done():
                waiter.set_exception(closed(sent=False))

    def _expire(self, waiter: asyncio.Future[None]) -> None:
        if not waiter.done():
            waiter.set_exception(
                CallError("timeout", "no connection became free before the total timeout", code="total", sent=False)
            )
