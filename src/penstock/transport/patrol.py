"""Timeouts by phase for many waits at once: one timer for all of them, and no task."""

from __future__ import annotations

import asyncio
import time
from typing import Any

__all__ = ["Patrol", "Wait"]

_SLOWEST_S = 1.0
_FASTEST_S = 0.005
_LOOKS = 8


class Wait:
    """One place where a task may wait for too long. Times are `time.monotonic`.

    Around each wait: `start()`, and in `finally` `stop()`, which tells whether the patrol interrupted it.
    """

    __slots__ = ("_cancelling", "_is_interrupted", "_task", "limit_s", "since_s")

    def __init__(self, limit_s: float | None) -> None:
        self.limit_s = limit_s
        self.since_s = 0.0
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._is_interrupted = False

    def start(self) -> None:
        task = self._task = asyncio.current_task()
        if task is not None:
            self._cancelling = task.cancelling()
        self.since_s = time.monotonic()

    def stop(self) -> bool:
        """The wait is over; True when it was interrupted, and nobody else cancelled the task meanwhile."""
        task, self._task = self._task, None
        if not self._is_interrupted or task is None:
            return False
        self._is_interrupted = False
        return task.uncancel() <= self._cancelling

    def due_s(self) -> float | None:
        """The instant at which this wait is too long, as far as it is known now; None for no bound."""
        return None if self.limit_s is None else self.since_s + self.limit_s

    def interrupt(self) -> None:
        """Cancel the task out of its wait, unless someone else is doing so."""
        task = self._task
        if task is not None and not self._is_interrupted and task.cancelling() == self._cancelling:
            self._is_interrupted = True
            task.cancel()


class Patrol:
    """Interrupts what waits beyond its limit, late by an eighth of the smallest limit and at most by a second.

    It looks at everything that waits once per interval, so one wait costs two dict operations and no timer.
    """

    __slots__ = ("_interval_s", "_timer", "_waits")

    def __init__(self) -> None:
        self._waits: dict[Wait, None] = {}
        self._interval_s = _SLOWEST_S
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waits)

    def add(self, wait: Wait, limit_s: float | None) -> None:
        """Look after `wait` until it is dropped; `limit_s` is the smallest limit it will have."""
        self._waits[wait] = None
        if limit_s is None:
            return
        if self._timer is None:
            self._interval_s = min(_SLOWEST_S, max(_FASTEST_S, limit_s / _LOOKS))
            self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._look)
        elif limit_s < self._interval_s * _LOOKS and self._interval_s > _FASTEST_S:
            self._timer.cancel()
            self._interval_s = max(_FASTEST_S, limit_s / _LOOKS)
            self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._look)

    def drop(self, wait: Wait) -> None:
        self._waits.pop(wait, None)

    def close(self) -> None:
        """Interrupt everything that waits."""
        for wait in list(self._waits):
            wait.interrupt()
        self._waits.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if not self._waits:
            self._timer = None
            return
        now_s = time.monotonic()
        late = [wait for wait in self._waits if (due_s := wait.due_s()) is not None and due_s <= now_s]
        for wait in late:
            wait.interrupt()
        self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._look)
