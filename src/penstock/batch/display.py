"""What people see of a run on stderr: a live display on a terminal, a plain line every ten seconds elsewhere."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from penstock.batch.display_pace import Figures, Pace
from penstock.batch.display_summary import render_summary
from penstock.batch.display_words import amount, count, legible, money, number, share, span
from penstock.batch.outcome import Snapshot

__all__ = ["Display", "PlainDisplay", "open_display", "plain_line", "render_summary"]

_LINE_EVERY_S = 10.0
_WORTH_TELLING_S = 1.0


class Display(Protocol):
    """Shows a run. `update` as often as one likes: it draws as often as makes sense, and never raises for a
    terminal that went away."""

    def update(self, snapshot: Snapshot) -> None: ...

    def say(self, text: str) -> None:
        """A line that stays."""
        ...

    def close(self) -> None:
        """Take down what is live. May be called twice."""
        ...


def open_display(*, quiet: bool, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> Display:
    """The display that fits `stream` (stderr otherwise). `clock` is in seconds from any zero."""
    stream = sys.stderr if stream is None else stream
    if quiet:
        return _NoDisplay()
    if not stream.isatty() or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return PlainDisplay(stream, clock)
    # Imported here: a run in a script or a pipeline needs no terminal and pays no import.
    from penstock.batch.display_live import LiveDisplay

    return LiveDisplay(stream, clock)


class _NoDisplay:
    def update(self, snapshot: Snapshot) -> None:
        pass

    def say(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


class PlainDisplay:
    """A line every ten seconds, and one when the run begins to stop."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock
        self._pace = Pace()
        self._last_s = clock()
        self._stopping: str | None = None

    def update(self, snapshot: Snapshot) -> None:
        figures = self._pace.figures(snapshot)
        now_s = self._clock()
        stops = snapshot.stopping is not None and self._stopping is None
        if not stops and now_s - self._last_s < _LINE_EVERY_S:
            return
        self._last_s, self._stopping = now_s, snapshot.stopping
        self.say(plain_line(snapshot, figures))

    def say(self, text: str) -> None:
        try:
            print(text, file=self._stream, flush=True)
        except (OSError, ValueError):
            return  # the reader of stderr is gone; the run is not for it

    def close(self) -> None:
        pass


def plain_line(snapshot: Snapshot, figures: Figures) -> str:
    """A run at one instant, on one line."""
    of = f"/{count(snapshot.total)} ({share(snapshot.done, snapshot.total)})" if snapshot.total is not None else ""
    parts = [f"{span(snapshot.elapsed_s)}: {count(snapshot.done)}{of} done"]
    if figures.now is not None:
        parts.append(f"{number(figures.now)} a second")
    if figures.output_tokens:
        parts.append(f"tokens/s {amount(figures.input_tokens or 0)} in, {amount(figures.output_tokens)} out")
    if snapshot.cost_usd is not None:
        parts.append(money(snapshot.cost_usd))
    if figures.eta_s is not None and snapshot.stopping is None:
        parts.append(f"{span(figures.eta_s)} left")
    parts.append(f"in flight {count(snapshot.in_flight)}")
    extra = {
        "failed": snapshot.failed,
        "cache hits": snapshot.cached,
        "retries": snapshot.retries,
        "hedges": snapshot.hedges,
    }
    parts += [f"{name} {count(value)}" for name, value in extra.items() if value]
    for name, health in snapshot.targets.items():
        if _WORTH_TELLING_S <= health.frozen_s < math.inf:
            parts.append(f"{legible(name, 60)} waits {span(health.frozen_s)}")
        if health.breaker in ("open", "half_open"):
            parts.append(f"{legible(name, 60)} is down")
        if health.last_error is not None and not figures.now and snapshot.stopping is None:
            parts.append(f"last error: {legible(health.last_error)}")
    if snapshot.stopping is not None:
        parts.append(f"stopping: {legible(snapshot.stopping)}")
    return ", ".join(parts)
