"""When a second attempt pays, from what was measured, and what may be spent on it. Pure: time is an argument.

The delay isn't a fixed percentile. Of all delays it is the one at which the budget buys the most, by the measured
times of both targets. A single reissue, as in Kaler, He and Elnikety, "Optimal Reissue Policies for Reducing Tail
Latency", SPAA 2017; what is done otherwise, and why, stands in docs/decisions/0007.
"""

from __future__ import annotations

import math
from typing import Final

from penstock.race.latency import EDGES_S, LEAST_SAMPLES, Distribution, Survival, doubled, mixed

__all__ = ["HedgeBudget", "HedgePlanner", "best_delay_s"]

_LONGEST_PLAN_S: Final = 5.0
_SHORTEST_PLAN_S: Final = 0.05
_PLAN_OF_AGE: Final = 0.1
"""A plan holds for this share of the time since the first one was asked for."""

_PLANNED: Final = 1.13
_FILLED: Final = 1.15
"""Of the share: what the delay is chosen for, and what the bucket gets. Filled at the planned rate it runs dry."""

_TRUSTED: Final = 30.0
"""Effective samples from which on the second target speaks for itself; before, it is thought to be like the first."""

_BEYOND: Final = 6
"""Buckets (a factor of 1.8) that what was never seen to end is thought to last beyond what was seen."""
_MOST_LATE: Final = 0.9
"""The earliest delay that is tried lets a tenth of the answers come first."""
_LEAST_GAIN: Final = math.log(1.4)
_AS_GOOD: Final = 0.98
"""Among delays that gain nearly as much as the best, the one with the fewest hedges, and of these the latest."""


class HedgePlanner:
    """How late the first attempt of one kind of request must be for a second one to pay.

    `first` and `second` are the times of the targets of both attempts, `share` the hedges wanted for each first
    attempt (0.05). A plan is made anew after a tenth of the planner's age, 5 s at most, and when the samples doubled.
    """

    __slots__ = ("_began_s", "_budget", "_count", "_delay_s", "_first", "_second", "_until_s")

    def __init__(self, first: Distribution, second: Distribution, *, share: float) -> None:
        self._first = first
        self._second = second
        self._budget = _PLANNED * share
        self._delay_s = math.inf
        self._began_s: float | None = None
        self._until_s = -math.inf
        self._count = 0

    @property
    def holds_until_s(self) -> float:
        """Until then `delay_s` says the same, unless many samples come."""
        return self._until_s

    def delay_s(self, now_s: float) -> float:
        """Seconds after its start at which an attempt is to be hedged; inf when it isn't worth it, or not yet known.

        Cheap enough to be asked for each attempt, and again while it runs: an attempt that is older than a delay
        learnt meanwhile is late already.
        """
        if now_s >= self._until_s or self._first.count >= self._count:
            self._plan(now_s)
        return self._delay_s

    def _plan(self, now_s: float) -> None:
        if self._began_s is None:
            self._began_s = now_s
        holds_s = _PLAN_OF_AGE * (now_s - self._began_s)
        self._until_s = now_s + min(max(holds_s, _SHORTEST_PLAN_S), _LONGEST_PLAN_S)
        self._count = doubled(self._first.count)
        first = self._first.survival(now_s)
        if first.samples < LEAST_SAMPLES:
            self._delay_s = math.inf
        else:
            second = mixed(self._second.survival(now_s), first, enough=_TRUSTED)
            self._delay_s = best_delay_s(first, second, budget=self._budget)


def best_delay_s(first: Survival, second: Survival, *, budget: float) -> float:
    """The delay at which hedging a share `budget` of all requests shortens them the most; inf when none is worth it.

    Shortening is counted in ratios, 10 s to 5 s as much as 2 s to 1 s: so the few that take longest of all don't decide
    alone. It is worth it when a hedge makes its request 1.4 times as fast on average: a target without a tail isn't
    hedged, and one whose tail is more common than the budget is hedged as far as that goes.
    """
    later = first.later
    came = [1.0 - share for share in second.later]
    stop = min(len(later) - 1, first.frontier + (_BEYOND if later[first.frontier] > 0.0 else 0))
    options: list[tuple[float, float, int]] = []
    before = _MOST_LATE
    for place in range(min(first.frontier + 1, stop)):
        share = later[place]
        if share <= 0.0:
            break
        if share < before:
            before = share
            gain = _gain(later[place:stop], came, place)
            if gain >= _LEAST_GAIN * share:
                hedges = min(share, budget)
                options.append((hedges * gain / share, hedges, place))
    if not options:
        return math.inf
    enough = _AS_GOOD * max(options)[0]
    _, later_place = min((hedges, -place) for gain, hedges, place in options if gain >= enough)
    return _spent_s(later, -later_place, budget)


def _gain(later: list[float], came: list[float], place: int) -> float:
    """The logarithm by which hedges at the upper edge of `place` shorten all requests, if all that are late get one.

    `later` are the shares from that edge on: a bucket of waiting is saved when the hedge came before it.
    """
    gain = 0.0
    for share, shift in zip(later, _SHIFTS, strict=False):
        at = place + shift
        if at >= 0:
            gain += share * came[at]
    return gain * _STEP


def _spent_s(later: list[float], place: int, budget: float) -> float:
    """The instant in or after the bucket at which just the budget is spent, else the upper edge of `place`.

    Not where the curve falls steeply: within a bucket, a constant time and half of it can't be told apart.
    """
    above = place if later[place] > budget else place - 1
    if above < 0 or above + 1 >= len(later):
        return EDGES_S[place]
    high, low = later[above], later[above + 1]
    if not (low < budget < high < 2.0 * budget and low > 0.0):
        return EDGES_S[place]
    part = math.log(high / budget) / math.log(high / low)
    return EDGES_S[above] * math.exp(part * _STEP)


_STEP: Final = math.log(EDGES_S[1] / EDGES_S[0])
_SHIFTS: Final = tuple(
    math.floor(math.log(math.expm1(places * _STEP)) / _STEP) for places in range(1, len(EDGES_S) + 1)
)
"""A hedge started at edge d has run at edge d + n, n from 1, for as long as edge d + _SHIFTS[n - 1] says, or longer."""


class HedgeBudget:
    """What all callers of a route may spend on hedges: a cap at once, and in the long run a bit over `share`.

    A bucket, filled by first attempts, so that when everything is slow at once the extra load stays a share of the
    load. It starts a quarter full: while a target's times are being learnt many attempts are found late at once, and
    with 0.05 the first 10,000 requests still see at most 600 hedges.
    """

    __slots__ = ("_cap", "_fill", "level")

    def __init__(self, share: float) -> None:
        self._fill = _FILLED * share
        self._cap = min(max(2000.0 * share, 20.0), 100.0) if share > 0.0 else 0.0
        self.level = self._cap / 4.0

    def deposit(self) -> None:
        """A first attempt starts."""
        level = self.level + self._fill
        self.level = level if level < self._cap else self._cap

    def withdraw(self) -> bool:
        """True when one hedge may start, and it is paid for. False means no hedge for this call, not a later one."""
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True

    def give_back(self) -> None:
        """The last one didn't start after all."""
        self.level = min(self.level + 1.0, self._cap)
