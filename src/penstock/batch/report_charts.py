"""Charts as SVG text: no script, no font, no file beside the page. Colours are the page's, by class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from itertools import accumulate

from penstock.batch.display_words import amount, count, number, span
from penstock.batch.report_digest import Latencies, Times

__all__ = ["latency_chart", "share_bar", "time_chart"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 18, 26
_HEIGHT = 200


def time_chart(times: Sequence[Times], width: int) -> str:
    """Answers and failures per second over the time that the run was at work; pauses between sessions are cut."""
    spans = [max(part.last_s, part.width_s) for part in times]
    whole = sum(spans)
    bars = max(20, (width - _LEFT - _RIGHT) // 7)
    step = max(whole / bars, max(part.width_s for part in times))
    columns: dict[int, list[int]] = {}
    for part, before in zip(times, accumulate(spans, initial=0.0), strict=False):
        for kind, events in enumerate((part.answered, part.failed)):
            for at, many in events.items():
                column = int((before + (at + 0.5) * part.width_s) / step)
                columns.setdefault(min(column, bars - 1), [0, 0])[kind] += many
    top = _nice(max((sum(pair) for pair in columns.values()), default=1) / step)
    plot = _Plot(width, whole or 1.0, top)
    body = [plot.grid(amount)]
    for column, (good, bad) in sorted(columns.items()):
        start, end = column * step, min((column + 1) * step, whole)
        told = f"{span(start)} to {span(end)}: {count(good)} answered" + (f", {count(bad)} failed" if bad else "")
        body.append(plot.bar(start, end, good / step, bad / step, told))
    for border in list(accumulate(spans))[:-1]:
        x = plot.x(border)
        body.append(f'<line class="cut" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{plot.floor}"/>')
    marks = [whole * part / 4 for part in range(5)] if width > 500 else [0.0, whole / 2, whole]
    body += [plot.label(mark, span(mark)) for mark in marks]
    return plot.svg(body, f"Answers a second over {span(whole)}, at most {number(top)}")


def latency_chart(latencies: Latencies, width: int) -> str:
    """How many answers took how long, on a logarithmic axis, with the median, the 90th and 99th percentile."""
    ends = sorted(latencies.buckets)
    low, high = ends[0], ends[-1] + 1
    bars = min(max(12, (width - _LEFT - _RIGHT) // 12), high - low)
    group = math.ceil((high - low) / bars)
    bars = math.ceil((high - low) / group)
    heights = [0] * bars
    for at, many in latencies.buckets.items():
        heights[(at - low) // group] += many
    plot = _Plot(width, float(bars), _nice(max(heights)))
    body = [plot.grid(amount)]
    for column, many in enumerate(heights):
        if many:
            start_s, end_s = (
                latencies.upper_s(low + column * group - 1),
                latencies.upper_s(low + (column + 1) * group - 1),
            )
            body.append(plot.bar(column, column + 1, many, 0, f"{span(start_s)} to {span(end_s)}: {count(many)}"))
    body += [
        plot.label(column, span(latencies.upper_s(low + int(column) * group - 1)))
        for column in _spread(bars, 6 if width > 500 else 3)
    ]
    for level, (name, share) in enumerate((("p50", 0.5), ("p90", 0.9), ("p99", 0.99))):
        at_s = latencies.percentile(share)
        assert at_s is not None
        place = (latencies.place(at_s) - low) / group
        body.append(plot.marker(min(max(place, 0.0), float(bars)), f"{name} {span(at_s)}", level))
    return plot.svg(body, f"Latency of {count(latencies.total)} answers")


def share_bar(parts: Sequence[tuple[str, int, str]]) -> str:
    """One line divided by (name, count, class of colour); nothing when all are 0."""
    whole = sum(many for _, many, _ in parts)
    if not whole:
        return ""
    at, body = 0.0, []
    for name, many, colour in parts:
        if many:
            length = 100 * many / whole
            told = escape(f"{name}: {count(many)}")
            body.append(
                f'<rect class="{colour}" x="{at:.3f}" width="{length:.3f}" height="6"><title>{told}</title></rect>'
            )
            at += length
    label = escape(", ".join(f"{name} {many}" for name, many, _ in parts))
    return (
        '<svg class="share" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" '
        f'aria-label="{label}">{"".join(body)}</svg>'
    )


class _Plot:
    """Axes from 0 to `x_max` and 0 to `y_max` in a drawing of `width` units."""

    def __init__(self, width: int, x_max: float, y_max: float) -> None:
        self._width = width
        self._x_max = x_max
        self._y_max = y_max
        self.floor = _HEIGHT - _BOTTOM

    def x(self, value: float) -> float:
        return _LEFT + (self._width - _LEFT - _RIGHT) * value / self._x_max

    def y(self, value: float) -> float:
        return self.floor - (self.floor - _TOP) * value / self._y_max

    def grid(self, told: Callable[[float], str]) -> str:
        lines = []
        for part in range(3):
            value = self._y_max * part / 2
            y = self.y(value)
            lines.append(f'<line class="grid" x1="{_LEFT}" x2="{self._width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(told(value))}</text>')
        return "".join(lines)

    def bar(self, start: float, end: float, good: float, bad: float, told: str) -> str:
        left, right = self.x(start), self.x(end)
        wide = max(0.8, right - left - 1)
        middle = self.y(good)
        top = self.y(good + bad)
        rects = _rect("good", left, middle, wide, self.floor - middle)
        if bad:
            rects += _rect("bad", left, top, wide, max(1.0, middle - top))
        return f"<g>{rects}<title>{escape(told)}</title></g>"

    def label(self, at: float, text: str) -> str:
        x = self.x(at)
        anchor = "end" if x > self._width - 40 else "middle" if at > 0 else "start"
        return f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="{anchor}">{escape(text)}</text>'

    def marker(self, at: float, text: str, level: int) -> str:
        x = self.x(at)
        left = x > self._width - 90
        y = _TOP + 2 + level * 15
        anchor, gap = ("end", -5) if left else ("start", 5)
        return (
            f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 8}" y2="{self.floor}"/>'
            f'<text class="mark" x="{x + gap:.1f}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def svg(self, body: Sequence[str], label: str) -> str:
        kind = "wide" if self._width > 500 else "narrow"
        return (
            f'<svg class="{kind}" viewBox="0 0 {self._width} {_HEIGHT}" role="img" aria-label="{escape(label)}">'
            f"{''.join(body)}</svg>"
        )


def _rect(colour: str, x: float, y: float, wide: float, high: float) -> str:
    return f'<rect class="{colour}" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"/>'


def _nice(value: float) -> float:
    """The next of 1, 1.5, 2, 3, 4, 5, 6, 8, 10 times a power of ten."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** math.floor(math.log10(value))
    return next(step * unit for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if value <= step * unit * 1.0001)


def _spread(bars: int, most: int) -> list[float]:
    step = max(1, math.ceil(bars / most))
    return [float(column) for column in range(0, bars + 1, step)]
