"""The live display of a run on a terminal."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from penstock.batch.display_pace import Figures, Pace
from penstock.batch.display_words import amount, count, legible, money, number, share, span
from penstock.batch.outcome import Snapshot, TargetHealth

__all__ = ["LiveDisplay", "panel"]

_DRAW_EVERY_S = 0.25
_MOST_TARGETS = 6
_WORTH_TELLING_S = 1.0
_BREAKERS = {
    "open": "down, not asked",
    "half_open": "down, being tried",
    "ramping": "back, its traffic returns",
}
_GAP = "   "


class LiveDisplay:
    """Draws at most four times a second, in the caller's thread: nothing runs beside the engine for it."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pace = Pace()
        self._drawn_s = clock() - _DRAW_EVERY_S
        self._console = Console(file=stream, highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True, redirect_stdout=False)
        self._last: Snapshot | None = None
        self._is_open = False

    def update(self, snapshot: Snapshot) -> None:
        figures = self._pace.figures(snapshot)
        now_s = self._clock()
        if now_s - self._drawn_s < _DRAW_EVERY_S and self._last is not None:
            return
        self._drawn_s, self._last = now_s, snapshot
        with contextlib.suppress(OSError, ValueError):  # the terminal went away; the run goes on
            if not self._is_open:
                self._is_open = True
                self._live.start()
            self._live.update(panel(snapshot, figures, self._console.width), refresh=True)

    def say(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._console.print(Text(text))

    def close(self) -> None:
        if self._is_open:
            self._is_open = False
            with contextlib.suppress(OSError, ValueError):
                self._live.stop()


def panel(snapshot: Snapshot, figures: Figures, width: int) -> RenderableType:
    """The whole display at one instant, for a terminal of `width` columns."""
    lines: list[RenderableType] = [_progress(snapshot, figures, width)]
    lines += _packed(_counts(snapshot, figures), width)
    for name, health in list(snapshot.targets.items())[:_MOST_TARGETS]:
        lines += _target(name, health, width)
    if len(snapshot.targets) > _MOST_TARGETS:
        lines.append(Text(f"... and {len(snapshot.targets) - _MOST_TARGETS} more targets", style="dim"))
    if snapshot.stopping is not None:
        waiting = f"finishing {count(snapshot.in_flight)} in flight; once more stops now"
        lines.append(_one_line(Text(f"stopping: {legible(snapshot.stopping)}; {waiting}", style="bold yellow")))
    return Group(*lines)


def _progress(snapshot: Snapshot, figures: Figures, width: int) -> RenderableType:
    total = snapshot.total
    of = f"/{count(total)}" if total is not None else ""
    done = Text.assemble((count(snapshot.done), "bold"), of)
    if total is None:
        return _one_line(Text.assemble(done, f" done{_GAP}", span(snapshot.elapsed_s)))
    left = "" if figures.eta_s is None or snapshot.stopping else f"{_GAP}ETA {span(figures.eta_s)}"
    right = Text(f"{share(snapshot.done, total):>6}{_GAP}{span(snapshot.elapsed_s)}{left}")
    room = width - done.cell_len - right.cell_len - 4
    if room < 8:
        return _one_line(Text.assemble(done, " ", right))
    grid = Table.grid(padding=(0, 2), expand=False)
    grid.add_row(done, _bar(snapshot.done, total, width=min(room, 60)), right)
    return grid


def _bar(done: int, total: int, *, width: int) -> ProgressBar:
    return ProgressBar(total=max(1, total), completed=done, width=width, complete_style="cyan", finished_style="green")


def _counts(snapshot: Snapshot, figures: Figures) -> Iterator[Text]:
    """The figures, each a unit that isn't broken over lines."""
    if figures.now is not None and figures.mean is not None:
        yield Text.assemble((number(figures.now), "bold"), f" req/s (mean {number(figures.mean)})")
    if figures.input_tokens is not None and figures.output_tokens is not None:
        yield Text(f"tokens/s {amount(figures.input_tokens)} in {amount(figures.output_tokens)} out")
    if snapshot.cost_usd is not None:
        yield Text(money(snapshot.cost_usd))
    yield Text(f"in flight {count(snapshot.in_flight)}")
    if snapshot.failed:
        yield Text(f"failed {count(snapshot.failed)}", style="red")
    named = {
        "retries": snapshot.retries,
        "hedges": snapshot.hedges,
        "joined": snapshot.joined,
        "cache hits": snapshot.cached,
        "from before": snapshot.resumed,
    }
    for name, value in named.items():
        if value:
            yield Text(f"{name} {count(value)}")


def _target(name: str, health: TargetHealth, width: int) -> Iterator[Text]:
    failed = sum(health.errors.values())
    mark, style = ("●", "green") if not failed else ("●", "yellow") if health.answered else ("●", "red")
    if _WORTH_TELLING_S <= health.frozen_s < math.inf:
        mark, style = "◌", "yellow"
    if health.breaker in ("open", "half_open"):
        mark, style = "○", "red"
    line = Text.assemble((mark, style), " ", (legible(name, 80), "bold"), f"{_GAP}{count(health.answered)} answered")
    for kind, times in sorted(health.errors.items(), key=lambda item: -item[1]):
        line.append(f"{_GAP}{kind} {count(times)}", style="yellow")
    if _WORTH_TELLING_S <= health.frozen_s < math.inf:
        line.append(f"{_GAP}at its limit, {span(health.frozen_s)} to wait", style="yellow")
    if health.breaker != "closed":
        line.append(f"{_GAP}{_BREAKERS[health.breaker]}", style=style)
    yield _one_line(line)
    if health.last_error is not None and width >= 40:
        yield _one_line(Text(f"  last error: {legible(health.last_error, 300)}", style="dim"))


def _packed(parts: Iterator[Text], width: int) -> Iterator[Text]:
    """As many parts on a line as fit."""
    line = Text()
    for part in parts:
        if line.cell_len and line.cell_len + len(_GAP) + part.cell_len > width:
            yield _one_line(line)
            line = Text()
        line = Text.assemble(line, _GAP, part) if line.cell_len else part
    if line.cell_len:
        yield _one_line(line)


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text
