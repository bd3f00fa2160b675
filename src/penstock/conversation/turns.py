"""Who may ask: one at a time, in the order of coming, whichever thread or event loop they come from."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from contextvars import ContextVar

from penstock.errors import PenstockError

__all__ = ["Turns"]

_INSIDE: ContextVar[tuple[tuple[Turns, list[bool]], ...]] = ContextVar("penstock_inside", default=())
"""The turns that wait for the code which runs here, and whether they still do."""


class Turns:
    """A fair lock. Unlike asyncio's it belongs to no loop; unlike threading's, waiting for it blocks none."""

    __slots__ = ("_guard", "_holder", "_line", "_taken")

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._taken = False
        self._holder: object = None
        self._line: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None], object]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._line)

    async def take(self, who: object, *, keeps: bool = False) -> None:
        """Wait for the turn; who is cancelled while waiting leaves the line.

        `keeps`: it stays with `who` across calls, as a stream does with its reader; asked again by the same one, the
        turn would wait for itself. Raises `PenstockError` then.
        """
        if any(turns is self and waits for turns, waits in _INSIDE.get()):
            raise PenstockError("a tool asks the conversation that waits for it: ask a fork of it, or another one")
        with self._guard:
            if not self._taken:
                self._taken, self._holder = True, who if keeps else None
                return
            if self._holder is not None and self._holder == who:
                raise PenstockError(
                    "a stream of this conversation is still being read here: read it to its end, or close it, "
                    "before the next question"
                )
            loop = asyncio.get_running_loop()
            place = (loop, loop.create_future(), who if keeps else None)
            self._line.append(place)
        try:
            await place[1]
        except BaseException:
            with self._guard:
                is_waiting = place in self._line
                if is_waiting:
                    self._line.remove(place)
            if not is_waiting:
                self.give()
            raise

    @contextlib.contextmanager
    def waiting_for(self) -> Iterator[None]:
        """Who has the turn waits for code that runs here, in tasks and threads of it too: it can't take the turn."""
        waits = [True]
        token = _INSIDE.set((*_INSIDE.get(), (self, waits)))
        try:
            yield
        finally:
            waits.clear()
            _INSIDE.reset(token)

    def give(self) -> None:
        """Hand the turn to the next in the line."""
        with self._guard:
            while self._line:
                loop, waiter, self._holder = self._line.popleft()
                try:
                    loop.call_soon_threadsafe(_tell, waiter)
                except RuntimeError:  # its loop is gone, and who waited with it
                    continue
                return
            self._taken, self._holder = False, None


def _tell(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
