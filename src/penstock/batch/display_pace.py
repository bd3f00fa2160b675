"""How fast a run is, from snapshots: over the last seconds, over all of it, and when it will be done."""

from __future__ import annotations

from collections import deque

import msgspec

from penstock.batch.outcome import Snapshot

__all__ = ["Figures", "Pace"]

_WINDOW_S = 30.0
_NOW_S = 5.0
_STEP_S = 0.5


class Figures(msgspec.Struct, frozen=True):
    """Rates per second; None where there is nothing to tell yet."""

    now: float | None
    mean: float | None
    input_tokens: float | None
    output_tokens: float | None
    eta_s: float | None


class _Point(msgspec.Struct, frozen=True):
    at_s: float
    done: int
    input_tokens: int
    output_tokens: int


class Pace:
    """Keeps half a minute of snapshots. Time is the snapshots' own."""

    def __init__(self) -> None:
        self._points: deque[_Point] = deque()

    def figures(self, snapshot: Snapshot) -> Figures:
        """The rates at this snapshot. Snapshots come in the order of their time."""
        now = _Point(snapshot.elapsed_s, snapshot.done, snapshot.input_tokens, snapshot.output_tokens)
        points = self._points
        if not points:
            points.append(_Point(0.0, snapshot.resumed, 0, 0))
        if now.at_s - points[-1].at_s >= _STEP_S:
            points.append(now)
        while len(points) > 1 and points[1].at_s <= now.at_s - _WINDOW_S:
            points.popleft()
        near = next((point for point in points if point.at_s >= now.at_s - _NOW_S), points[-1])
        if now.at_s - near.at_s < _STEP_S:
            near = points[0]
        return Figures(
            now=_rate(now.done - near.done, now.at_s - near.at_s),
            mean=_rate(now.done - snapshot.resumed, now.at_s),
            input_tokens=_rate(now.input_tokens - near.input_tokens, now.at_s - near.at_s),
            output_tokens=_rate(now.output_tokens - near.output_tokens, now.at_s - near.at_s),
            eta_s=self._eta_s(snapshot),
        )

    def _eta_s(self, snapshot: Snapshot) -> float | None:
        if snapshot.total is None:
            return None
        left = snapshot.total - snapshot.done
        if left <= 0:
            return 0.0
        first = self._points[0]
        rate = _rate(snapshot.done - first.done, snapshot.elapsed_s - first.at_s)
        rate = rate or _rate(snapshot.done - snapshot.resumed, snapshot.elapsed_s)
        return left / rate if rate else None


def _rate(change: int, seconds: float) -> float | None:
    return change / seconds if seconds > 0 else None
