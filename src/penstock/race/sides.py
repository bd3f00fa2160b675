"""Attempts that run in tasks of their own beside the one that the worker awaits, and the streams that came too late."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from penstock.call import Reply
from penstock.handler import OpenStream
from penstock.race.target import Permit
from penstock.race.triggers import Try

__all__ = ["Sides"]

_log = logging.getLogger("penstock.race")

Over = Callable[[Try, Permit, "asyncio.Task[Reply]"], None]


class Sides:
    """One contest's tasks: each ends, whatever happens to the contest."""

    __slots__ = ("_losers", "_over", "_tasks")

    def __init__(self, over: Over) -> None:
        self._over = over
        self._tasks: dict[Try, asyncio.Task[Reply]] = {}
        self._losers: list[OpenStream] = []

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def launch(self, run: Try, permit: Permit, send: Coroutine[Any, Any, Reply]) -> None:
        """Run `send`; its end is told to `over`, also when it was cancelled before it began."""
        task = asyncio.get_running_loop().create_task(send)
        self._tasks[run] = task
        task.add_done_callback(partial(self._ended, run, permit))

    def _ended(self, run: Try, permit: Permit, task: asyncio.Task[Reply]) -> None:
        del self._tasks[run]
        self._over(run, permit, task)

    def close(self) -> None:
        """Everything has ended: let go of whom it told."""
        self._over = _nobody

    def cancel(self, run: Try) -> None:
        self._tasks[run].cancel()

    def lose(self, reply: Reply) -> None:
        """Nobody wants this reply: a stream is closed with the rest."""
        if isinstance(reply, OpenStream):
            self._losers.append(reply)

    async def end(self) -> None:
        """Cancel all, and wait for their end. A cancellation meanwhile is raised when all of it has ended."""
        for task in self._tasks.values():
            task.cancel()
        cancelled = False
        while self._tasks:
            try:
                await asyncio.wait(list(self._tasks.values()))
            except asyncio.CancelledError:
                cancelled = True
        while self._losers:
            try:
                await self._losers.pop().aclose()
            except asyncio.CancelledError:
                cancelled = True
            except Exception:  # noqa: BLE001 - logged, and no concern of the caller
                # Nobody wants it: that it fails to close costs nobody an answer.
                _log.warning("a stream that lost its race failed to close", exc_info=True)
        if cancelled:
            raise asyncio.CancelledError


def _nobody(run: Try, permit: Permit, task: asyncio.Task[Reply]) -> None:
    """Whom ended sides tell of nothing."""
