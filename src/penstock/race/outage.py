"""What a route's callers do while all of its targets are down: one of them asks each second, the others wait."""

from __future__ import annotations

import math
import random

__all__ = ["ProbeTurns"]

_FIRST = 0.25
"""The share of an interval for which a free turn is kept for callers that were never tried, when one was waiting."""

_CROWD = 20.0
"""So many waiting callers spread over half of the room there is: a few needn't, thousands must."""


class ProbeTurns:
    """One turn each `interval_s` for all callers of a route, those that were never tried first. Never waits."""

    __slots__ = ("_interval_s", "_next_s", "_refused", "_rng", "_untried_until_s")

    def __init__(self, rng: random.Random, *, interval_s: float = 1.0) -> None:
        self._rng = rng
        self._interval_s = interval_s
        self._next_s = -math.inf
        self._refused = 0.0
        """About how many ask in an interval and have to wait."""
        self._untried_until_s = -math.inf
        """The last instant at which a caller that was never tried was told to ask again."""

    def ask_s(self, now_s: float, *, tried: bool) -> float:
        """Seconds until this caller should ask again: 0 when it may start one attempt now, and the turn is taken.

        The waits of many callers spread over an interval, the never tried within the first quarter of the next turn.
        """
        kept_s = self._next_s
        if tried and now_s <= self._untried_until_s:
            kept_s += _FIRST * self._interval_s
        if now_s >= kept_s:
            self._next_s = now_s + self._interval_s
            self._refused *= 0.5
            return 0.0
        self._refused += 1.0
        spread = self._refused / (self._refused + _CROWD)
        room_s = self._interval_s * (_FIRST if not tried else 1.0)
        asks_s = max(kept_s, now_s) + room_s * spread * self._rng.random()
        if not tried:
            self._untried_until_s = max(self._untried_until_s, asks_s)
        return max(asks_s - now_s, 1e-3)
