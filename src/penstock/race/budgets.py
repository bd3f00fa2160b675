"""What a route may spend beyond first attempts."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from penstock.race.standing import EPSILON_S

__all__ = ["Exemption", "RetryBudget", "SilenceBudget"]


@dataclass(slots=True)
class RetryBudget:
    """One bucket for the retries and fallbacks of all callers of a route, filled by successes alone.

    Filled by first attempts, or with a floor per second, it would let a total outage double the load (115 % extra
    and not 22 %, 200 callers, simulated). It starts full.
    """

    per_success: float = 0.5
    cap: float = 10.0
    level: float = 10.0

    def deposit(self) -> None:
        """A request was answered."""
        level = self.level
        if level < self.cap:
            level += self.per_success
            self.level = level if level < self.cap else self.cap

    def withdraw(self) -> bool:
        """True when one more attempt may start, and it is paid for."""
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True


@dataclass(slots=True)
class SilenceBudget:
    """One bucket for the attempts beside silent ones (or, another one, at the last moment), filled by successes.

    Its cap follows the calls that wait: of 300 at once a third may meet silence and have to be asked again, and of 20
    few. Without one, a hang of every target for a minute (200 callers) costs 72 % more attempts than callers. A success
    pays for one: of 300 at once that hang 30 % of the time, it pays for nearly all that are asked again a second and a
    third time (with 0.75 the last ones waited until it was too late, 0.3 % of them).
    """

    per_success: float = 1.0
    least_cap: float = 20.0
    per_waiting: float = 0.25
    level: float = 20.0

    def deposit(self, waiting: int) -> None:
        """A request was answered while `waiting` calls wait for theirs."""
        cap = self.per_waiting * waiting
        if cap < self.least_cap:
            cap = self.least_cap
        level = self.level
        # Once full, it stays as full as it was while fewer wait.
        if level < cap:
            level += self.per_success
            self.level = level if level < cap else cap

    def withdraw(self) -> bool:
        """True when one more attempt may start, and it is paid for."""
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True

    def give_back(self) -> None:
        """The last one didn't start after all."""
        self.level += 1.0


class Exemption:
    """While the budget is empty each call has one attempt that needs none; without a deadline one each minute."""

    __slots__ = ("_at_s", "_rng", "_used")

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._at_s: float | None = None
        self._used = False

    def take(self, now_s: float, deadline_s: float | None) -> bool:
        """True when it is time for it; its time is known from the first question on."""
        if self._at_s is None:
            self._at_s = self._instant(now_s, deadline_s)
        if self._used or now_s < self._at_s - EPSILON_S:
            return False
        if deadline_s is None:
            self._at_s = self._instant(now_s, None)
        else:
            self._used = True
        return True

    def next_s(self, now_s: float) -> float:
        """When to ask for it again; inf when there is none to come."""
        return math.inf if self._used or self._at_s is None or self._at_s <= now_s else self._at_s

    def _instant(self, now_s: float, deadline_s: float | None) -> float:
        """Somewhere in the middle of what is left: late enough to have waited, early enough to be answered."""
        left_s = 60.0 if deadline_s is None else deadline_s - now_s
        return now_s + left_s * self._rng.uniform(0.3, 0.6)
