"""Many prompts, a fixed number of workers, bounded memory: what `map` is made of."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Generic, TypeVar

__all__ = ["Mapping", "window_for"]

P = TypeVar("P")
A = TypeVar("A")

_LEAST_WINDOW = 64


def window_for(concurrency: int) -> int:
    """How many prompts may be taken and not yet handed over: enough that one slow answer doesn't idle the workers."""
    return max(_LEAST_WINDOW, 4 * concurrency)


class Mapping(Generic[P, A]):
    """An async iterator of `ask(prompt)` over prompts that are taken lazily, in their order or as they come.

    At most `concurrency` are asked at once, and at most `window_for(concurrency)` are taken and not yet handed over,
    whatever the length of the input. `ask` must not raise for a bad item; what it, or the prompts' iterator, raises
    ends the iteration, as does `aclose`, which cancels what is in flight. Unordered ones come as (index, answer).
    """

    def __init__(
        self,
        prompts: Iterable[P] | AsyncIterable[P],
        ask: Callable[[P], Awaitable[A]],
        *,
        concurrency: int,
        ordered: bool,
    ) -> None:
        self._source = prompts.__aiter__() if isinstance(prompts, AsyncIterable) else iter(prompts)
        self._turn = asyncio.Lock()
        self._ask = ask
        self._concurrency = concurrency
        self._window = window_for(concurrency)
        self._ordered = ordered
        self._taken = 0
        self._given = 0
        self._done: dict[int, A] = {}
        self._as_come: deque[int] = deque()
        self._workers: set[asyncio.Task[None]] = set()
        self._rooms: deque[asyncio.Future[None]] = deque()
        self._ready: asyncio.Future[None] | None = None
        self._over = False
        self._failure: BaseException | None = None
        self._begun = False

    def __aiter__(self) -> AsyncIterator[tuple[int, A]]:
        return self

    async def __anext__(self) -> tuple[int, A]:
        if not self._begun:
            self._begun = True
            self._hire()
        while True:
            if (hit := self._pop()) is not None:
                self._make_room()
                return hit
            if self._over and not self._workers:
                # What was in flight when the input broke has been handed over; it was paid for.
                failure, self._failure = self._failure, None
                raise failure or StopAsyncIteration
            self._ready = asyncio.get_running_loop().create_future()
            try:
                await self._ready
            except BaseException:
                await self.aclose()
                raise
            finally:
                self._ready = None

    async def aclose(self) -> None:
        """Cancel what is in flight and take no more prompts. Harmless when it is over."""
        self._over = True
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        if workers:
            await asyncio.gather(*workers, return_exceptions=True)
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()

    def _pop(self) -> tuple[int, A] | None:
        if self._ordered:
            if self._given not in self._done:
                return None
            index = self._given
        elif self._as_come:
            index = self._as_come.popleft()
        else:
            return None
        self._given += 1
        return index, self._done.pop(index)

    def _make_room(self) -> None:
        while self._rooms:
            room = self._rooms.popleft()
            if not room.done():
                room.set_result(None)
                return

    def _hire(self) -> None:
        if not self._over and len(self._workers) < self._concurrency:
            worker = asyncio.get_running_loop().create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._leave)

    def _leave(self, worker: asyncio.Task[None]) -> None:
        self._workers.discard(worker)
        if worker.cancelled() or worker.exception() is not None:
            self._failure = self._failure or (None if worker.cancelled() else worker.exception())
            self._end_input()
        if not self._workers:
            self._notify()

    def _notify(self) -> None:
        if self._ready is not None and not self._ready.done():
            self._ready.set_result(None)

    async def _work(self) -> None:
        """Take, ask, hand over, until there is nothing left. Each that finds work hires the next."""
        while not self._over:
            if self._taken - self._given >= self._window:
                room: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._rooms.append(room)
                await room
                continue
            try:
                index, prompt = await self._take()
            except StopAsyncIteration:
                self._end_input()
                return
            self._hire()
            answer = await self._ask(prompt)
            self._done[index] = answer
            if not self._ordered:
                self._as_come.append(index)
            if self._ready is not None and (not self._ordered or index == self._given):
                self._notify()

    async def _take(self) -> tuple[int, P]:
        """The next prompt and its place. Raises `StopAsyncIteration` at the end."""
        if isinstance(self._source, AsyncIterator):
            async with self._turn:
                prompt = await self._source.__anext__()
                index = self._taken
                self._taken += 1
                return index, prompt
        try:
            prompt = next(self._source)
        except StopIteration:
            raise StopAsyncIteration from None
        index = self._taken
        self._taken += 1
        return index, prompt

    def _end_input(self) -> None:
        self._over = True
        for room in self._rooms:
            if not room.done():
                room.set_result(None)
        self._rooms.clear()
