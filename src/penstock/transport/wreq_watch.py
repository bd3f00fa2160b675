"""Timeouts by phase for wreq: what its own options can't say, by one timer per wait and no task."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

__all__ = ["Expired", "Upload", "Watch", "within"]

_T = TypeVar("_T")
_PIECE = 65536


class Expired(Exception):
    """The watched wait took too long."""


class Upload:
    """A request body that tells when wreq took it: `started_s` once the connection stood, `handed_s` at its end.

    wreq pulls the first piece when a connection (TCP, TLS and tunnel) is ready, in one of its own threads; a request
    whose upload never started was never sent. Times are `time.monotonic`.
    """

    __slots__ = ("_body", "handed_s", "started_s")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.started_s: float | None = None
        self.handed_s: float | None = None

    def pieces(self) -> Generator[bytes, None, None]:
        self.started_s = time.monotonic()
        body = self._body
        last = max(0, (len(body) - 1) // _PIECE * _PIECE)
        for start in range(0, last, _PIECE):
            yield body[start : start + _PIECE]
        self.handed_s = time.monotonic()
        yield body[last:]


class Watch:
    """Interrupts a wait when its limit passes. It cancels the future waited for, never the task.

    `due` returns the instant (`time.monotonic`) of the limit as far as it is known now, None for none; it is asked
    again when that instant has come, so a limit may move away while the wait goes on.
    """

    __slots__ = ("_cancelling", "_due", "_expired", "_future", "_loop", "_task", "_timer")

    def __init__(self, due: Callable[[], float | None]) -> None:
        self._due = due
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[Any] | None = None
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._expired = False
        self._cancelling = 0

    async def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """The result of `work`; raises `Expired` when the limit passed first, after `work` has been cancelled."""
        self._task = asyncio.current_task()
        self._tick()
        try:
            return await self._drive(work)
        except asyncio.CancelledError:
            if self._expired and self._task is not None and self._task.cancelling() <= self._cancelling:
                raise Expired from None
            raise
        finally:
            self._future = self._task = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    @coroutine
    def _drive(self, work: Coroutine[Any, Any, _T]) -> Generator[Any, Any, _T]:
        """`yield from work`, keeping the future that it waits for at hand."""
        try:
            future = work.send(None)
            while True:
                self._future = future
                try:
                    value = yield future
                except BaseException as error:  # noqa: BLE001 - handed on into `work`
                    future = work.throw(error)
                else:
                    future = work.send(value)
        except StopIteration as end:
            result: _T = end.value
            return result
        finally:
            work.close()

    def _tick(self) -> None:
        due = self._due()
        if due is None:
            self._timer = None
            return
        left = due - time.monotonic()
        if left > 0 or self._future is None:
            self._timer = self._loop.call_later(max(left, 0.001), self._tick)
        elif not self._future.done():
            self._expired = True
            self._cancelling = self._task.cancelling() if self._task is not None else 0
            self._future.cancel()


async def within(work: Coroutine[Any, Any, _T], limit_s: float | None) -> _T:
    """The result of `work`; raises `Expired` after `limit_s` seconds."""
    if limit_s is None:
        return await work
    at = time.monotonic() + limit_s
    return await Watch(lambda: at).run(work)
