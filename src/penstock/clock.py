"""Time as an argument: everything that waits, retries or limits reads one of these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

__all__ = ["Clock", "LoopClock", "Timer"]


class Timer(Protocol):
    """A call that was scheduled and can be taken back."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Now, later, and a pause.

    `now` is in seconds from an arbitrary zero and never goes back; it is comparable only with itself.
    """

    def now(self) -> float: ...

    def call_later(self, delay_s: float, call: Callable[[], object]) -> Timer: ...

    async def sleep(self, delay_s: float) -> None: ...


class LoopClock:
    """The running event loop's own time: real on a real loop, virtual on `penstock.testing.VirtualLoop`."""

    __slots__ = ("_loop", "now")

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        # Bound once: the hot path reads the time several times a request.
        self.now: Callable[[], float] = self._loop.time

    def call_later(self, delay_s: float, call: Callable[[], object]) -> Timer:
        return self._loop.call_later(max(0.0, delay_s), call)

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(max(0.0, delay_s))
