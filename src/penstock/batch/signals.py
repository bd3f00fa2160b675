"""What signals mean to a run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator

from penstock.batch.runner import Runner

__all__ = ["SIGTERM_DRAIN_S", "heeded"]

SIGTERM_DRAIN_S = 20.0
"""What is in flight may take so long after a SIGTERM: who sends one kills soon after."""


@contextlib.contextmanager
def heeded(runner: Runner, *, reread_keys: Callable[[], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop the run, the second one at once; SIGHUP reads the keys again, where there is one.

    A terminal that is closed sends SIGHUP as well: it stops the run as SIGTERM does, but not under nohup.
    """
    loop = asyncio.get_running_loop()
    stops = 0

    def stop(why: str, drain_s: float | None) -> None:
        nonlocal stops
        stops += 1
        runner.stop(why, now=stops > 1, drain_s=drain_s)

    handlers: dict[int, Callable[[], None]] = {
        signal.SIGINT: lambda: stop("Ctrl-C", None),
        signal.SIGTERM: lambda: stop("SIGTERM", SIGTERM_DRAIN_S),
    }
    before = None
    if hasattr(signal, "SIGHUP"):
        before = signal.getsignal(signal.SIGHUP)
        is_tied = before is not signal.SIG_IGN and _has_terminal()

        def hang_up() -> None:
            if is_tied and not _has_terminal():
                stop("the terminal was closed", SIGTERM_DRAIN_S)
            else:
                reread_keys()

        handlers[signal.SIGHUP] = hang_up
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
        if before is signal.SIG_IGN:
            signal.signal(signal.SIGHUP, before)


def _has_terminal() -> bool:
    """Whether this process has a terminal that could be closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
