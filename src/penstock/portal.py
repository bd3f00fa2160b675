"""One thin way from blocking code onto an event loop in a thread of its own; works inside a running loop too."""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from penstock.errors import PenstockError

__all__ = ["Portal"]

T = TypeVar("T")

_CLOSE_S = 10.0
_DRAIN_S = 5.0
_LISTEN_S = 1.0
_ROUNDS = 100


class Portal:
    """A loop in a daemon thread, started at the first use. uvloop where it is installed.

    `run` may be called from any thread but the loop's own, and in a process that was forked only if the portal wasn't
    used before the fork.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = 0
        self._closed = False
        self._goodbye: list[Callable[[], Coroutine[Any, Any, object]] | None] = []

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop. Raises `PenstockError` when closed, or in a process forked after the first use."""
        loop = self._loop
        if loop is None or self._closed:
            loop = self._start()
        if self._process != os.getpid():
            raise PenstockError(
                "this client was used before the process was forked, and its thread is not in the child: "
                "make the client after the fork, or use the spawn start method"
            )
        return loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work` on the loop. Ctrl-C (or any error in the waiting thread) cancels it there first."""
        try:
            loop = self.loop
            if threading.current_thread() is self._thread:
                raise PenstockError("a blocking call from the client's own loop would wait for itself")
        except BaseException:
            work.close()
            raise
        done: concurrent.futures.Future[T] = concurrent.futures.Future()
        tasks: list[asyncio.Task[T]] = []

        def begin() -> None:
            task = loop.create_task(work)
            tasks.append(task)
            task.add_done_callback(lambda task: _hand_over(task, done))

        loop.call_soon_threadsafe(begin)
        try:
            return _result(done)
        except BaseException:
            if not done.done():
                loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])
                # What the request held is given back before the caller goes on; a second Ctrl-C doesn't wait.
                concurrent.futures.wait((done,), _DRAIN_S)
            raise

    def call_soon(self, function: Callable[..., object], *args: Any) -> None:
        """Call `function` on the loop, from any thread."""
        self.loop.call_soon_threadsafe(function, *args)

    def close(self, goodbye: Callable[[], Coroutine[Any, Any, object]] | None = None) -> None:
        """Cancel what runs, await `goodbye()` on the loop, and end the thread.

        Harmless when it never started or is closed; in a forked child it does nothing.
        """
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None or self._process != os.getpid():
            return
        self._goodbye.append(goodbye)
        loop.call_soon_threadsafe(loop.stop)
        if thread is not threading.current_thread():
            thread.join(_CLOSE_S)

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise PenstockError("the client is closed")
            if self._loop is None:
                self._loop = _new_loop()
                self._process = os.getpid()
                self._thread = threading.Thread(
                    target=_serve, args=(self._loop, self._goodbye), name="penstock", daemon=True
                )
                self._thread.start()
            return self._loop


def _result(done: concurrent.futures.Future[T]) -> T:
    """What comes of it. A signal that arrives on the way into a wait doesn't end it, so each wait is short."""
    while True:
        try:
            return done.result(_LISTEN_S)
        except TimeoutError:  # the wait's, or the work's own
            if done.done():
                return done.result()


def _hand_over(task: asyncio.Task[T], done: concurrent.futures.Future[T]) -> None:
    if task.cancelled():
        done.set_exception(PenstockError("the client was closed while the call was running"))
    elif (error := task.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(task.result())


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _serve(loop: asyncio.AbstractEventLoop, goodbye: list[Callable[[], Coroutine[Any, Any, object]] | None]) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        for _ in range(_ROUNDS):
            # Once more for calls that came in while the last ones were cancelled: nobody waits for ever.
            loop.run_until_complete(asyncio.sleep(0))
            tasks = asyncio.all_tasks(loop)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        for last in goodbye:
            if last is not None:
                loop.run_until_complete(last())
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
