"""What a route's callers do while all of its targets are down: one of them asks each second, the others wait."""

from __future__ import annotations

import math
import random

__all__ = ["ProbeTurns"]

_FIRST = 0.25
"""The share of an interval for which a free turn is kept for callers that were never tried, when one was waiting."""

_CROWD = 20.0
"""So many waiting callers spread over half of an interval: a few needn't, thousands must."""

_LEAST_S = 1e-3


class ProbeTurns:
    """One turn each `interval_s` for all callers of a route, those that were never tried first. Never waits."""

    __slots__ = ("_interval_s", "_next_s", "_rng", "_tried", "_untried", "_untried_until_s")

    def __init__(self, rng: random.Random, *, interval_s: float = 1.0) -> None:
        self._rng = rng
        self._interval_s = interval_s
        self._next_s = -math.inf
        self._tried = self._untried = 0.0
        """About how many of either kind ask in an interval and have to wait."""
        self._untried_until_s = -math.inf
        """The last instant at which a caller that was never tried was told to ask again."""

    def ask_s(self, now_s: float, *, tried: bool) -> float:
        """Seconds until this caller should ask again: 0 when it may start one attempt now, and the turn is taken.

        The waits of many callers spread over a whole interval, so that they neither wake together nor, when the
        targets are back, come back together.
        """
        free_s = self._next_s
        if tried and now_s <= self._untried_until_s:
            free_s += _FIRST * self._interval_s
        if now_s >= free_s:
            self._next_s = now_s + self._interval_s
            self._tried *= 0.5
            self._untried *= 0.5
            return 0.0
        if tried:
            self._tried += 1.0
            spread = self._tried / (self._tried + _CROWD)
        else:
            self._untried += 1.0
            spread = self._untried / (self._untried + _CROWD)
        wait_s = free_s - now_s + self._interval_s * spread * self._rng.random()
        if not tried:
            self._untried_until_s = max(self._untried_until_s, now_s + wait_s)
        return max(wait_s, _LEAST_S)
