"""An event loop whose time is virtual: an hour of traffic passes in the time its callbacks take.

When nothing is ready the loop jumps to its next timer; nothing ever waits for real. The same program takes the same
steps every time. There are no sockets here: transports are faked (`penstock.testing.FakeTransport`).
"""

from __future__ import annotations

import asyncio
import inspect
import random
import selectors
import threading
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar, cast

__all__ = ["Deadlock", "VirtualLoop", "run"]

T = TypeVar("T")

_THREAD_PATIENCE_S = 10.0


class Deadlock(RuntimeError):
    """Every task waits for something that nobody will do: nothing is ready and no timer is set."""


class _Selector(selectors.BaseSelector):
    """Watches only the loop's own wake-up pipe; a wait for time moves the time instead."""

    def __init__(self) -> None:
        self._real = selectors.DefaultSelector()
        self._known = set(threading.enumerate())
        self.loop: VirtualLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return []
        ready = self._real.select(0)
        if ready:
            return ready
        assert self.loop is not None
        if timeout is not None:
            self.loop.advance(timeout)
            return []
        return self._await_threads()

    def _await_threads(self) -> list[tuple[selectors.SelectorKey, int]]:
        """A thread that was started under this loop may still have something to say."""
        assert self.loop is not None
        waited_s = 0.0
        while waited_s < _THREAD_PATIENCE_S and any(
            thread.is_alive() for thread in threading.enumerate() if thread not in self._known
        ):
            ready = self._real.select(0.01)
            if ready:
                return ready
            waited_s += 0.01
        raise Deadlock(_describe(self.loop))

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        if self.loop is not None:
            raise RuntimeError("a VirtualLoop has no real sockets or pipes: use penstock.testing.FakeTransport")
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return cast(Mapping[Any, selectors.SelectorKey], self._real.get_map())

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.get_key(fileobj)

    def close(self) -> None:
        self._real.close()


def _describe(loop: asyncio.AbstractEventLoop) -> str:
    lines = [f"deadlock at {loop.time():g} s: nothing is ready and no timer is set; waiting:"]
    for task in sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name()):
        lines.append(f"  {task.get_name()}: {' > '.join(_awaiting(task.get_coro()))}")
    return "\n".join(lines)


def _awaiting(coro: Any) -> list[str]:
    """The coroutines of a task from the outermost in, each with the line that it stands at."""
    names = []
    while (frame := getattr(coro, "cr_frame", None)) is not None:
        names.append(f"{frame.f_code.co_qualname} line {frame.f_lineno}")
        coro = coro.cr_await
    return names


class VirtualLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual time, from 0 s. `rng` is the source of chance that fakes and tests share.

    `run_in_executor` runs the function at once, in the loop's own thread: deterministic, and time stands still
    meanwhile. `call_soon_threadsafe` works from other threads, but time doesn't wait for them.
    """

    def __init__(self, *, seed: int = 0) -> None:
        selector = _Selector()
        self._now_s = 0.0
        self.seed = seed
        self.rng = random.Random(seed)
        super().__init__(selector)
        selector.loop = self

    def time(self) -> float:
        return self._now_s

    def advance(self, delay_s: float) -> None:
        """Move the time on; timers that fall due run in the next turn."""
        self._now_s += delay_s

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        del executor
        future: asyncio.Future[T] = self.create_future()
        try:
            future.set_result(func(*args))
        except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits the future
            future.set_exception(error)
        return future


def run(
    main: Coroutine[Any, Any, T] | Callable[[], Awaitable[T] | T],
    *,
    seed: int = 0,
) -> T:
    """The result of `main` (a coroutine, or a function called inside the loop) on a fresh `VirtualLoop`.

    Raises `Deadlock` when it can't go on. Tasks that are left over are cancelled, as `asyncio.run` does; an
    exception that nobody retrieved is raised at the end.
    """
    loop = VirtualLoop(seed=seed)
    lost: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: lost.append(context))
    asyncio.set_event_loop(loop)
    try:
        result = loop.run_until_complete(_main(main))
    finally:
        try:
            _cancel_rest(loop)
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            asyncio.set_event_loop(None)
            loop.close()
    for context in lost:
        raise context.get("exception") or RuntimeError(context["message"])
    return result


async def _main(main: Coroutine[Any, Any, T] | Callable[[], Awaitable[T] | T]) -> T:
    result = main if inspect.iscoroutine(main) else cast(Callable[[], Any], main)()
    return cast(T, await result if inspect.isawaitable(result) else result)


def _cancel_rest(loop: VirtualLoop) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
