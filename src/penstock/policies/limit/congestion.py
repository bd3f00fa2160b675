"""Whether a server of one's own queues inside: the time to its first tokens against what it was at its best. Pure."""

from __future__ import annotations

import math

__all__ = ["Congestion"]

_LEAST_HEARD, _MOST_HEARD = 20, 64
"""First tokens of a window: as many as were in flight, within these."""
_TIMES, _LEAST_S = 4.0, 0.25
"""So many times the best window's median, and so much later, it queues: continuous batching alone makes it a few times
slower, and is what a busy server is for."""
_IN_A_ROW = 2
_CUT = 0.8
_HELPS = 0.95
"""A cut that doesn't bring the median below this part of what it was hasn't helped."""
_VAIN_CUTS = 3
_BEST_DOUBLES_S = 3600.0
"""What was the best when the server was new, or the prompts were short, is forgotten in time."""


class Congestion:
    """The most requests that are worth having in flight, while the median time to the first token says less than now.

    Only the time to the first token: the whole time follows the length of the answers. Two windows in a row late, and
    a fifth fewer are let in; when three cuts in a row change nothing, it isn't a queue that is slow (the prompts became
    longer, say): everything is let in again, and that is the best from there on.
    """

    __slots__ = ("_before", "_best_s", "_cut_s", "_cuts", "_judged_s", "_last_s", "_late", "_peak", "_times")

    def __init__(self) -> None:
        self._times: list[float] = []
        self._peak = 0
        self._best_s = math.inf
        self._late = 0
        self._cuts = 0
        self._cut_s = -math.inf
        self._judged_s = -math.inf
        self._last_s = math.inf
        self._before = math.inf

    def heard(self, first_s: float, now_s: float, *, in_flight: int, most: float) -> float:
        """A first token came after `first_s` while `in_flight` were out and `most` were let in: what to let in now."""
        if now_s - first_s < self._cut_s:
            # It stood in the queue from before the last cut.
            return most
        self._times.append(first_s)
        self._peak = max(self._peak, in_flight)
        if len(self._times) < min(max(_LEAST_HEARD, self._peak), _MOST_HEARD):
            return most
        median_s = sorted(self._times)[len(self._times) // 2]
        peak, self._peak = self._peak, 0
        self._times.clear()
        return self._judge(median_s, now_s, peak, most)

    def _judge(self, median_s: float, now_s: float, peak: int, most: float) -> float:
        risen_s = (
            self._best_s * 2.0 ** ((now_s - self._judged_s) / _BEST_DOUBLES_S) if self._best_s < math.inf else math.inf
        )
        self._best_s, self._judged_s = min(median_s, risen_s), now_s
        if median_s <= max(_TIMES * self._best_s, self._best_s + _LEAST_S):
            self._late = self._cuts = 0
            return most
        self._late += 1
        if self._late < _IN_A_ROW:
            return most
        if self._cuts and median_s > _HELPS * self._last_s:
            self._cuts += 1
        else:
            self._cuts = 1
            self._before = most
        self._last_s = median_s
        self._cut_s = now_s
        if self._cuts > _VAIN_CUTS:
            self._late = self._cuts = 0
            self._best_s = median_s
            return self._before
        return max(1.0, _CUT * min(most, peak))
