"""What a route may spend beyond first attempts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RetryBudget", "SilenceBudget"]


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
        level = self.level + self.per_success
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
    few. Without one, a hang of every target for a minute (200 callers) costs 72 % more attempts than callers.
    """

    per_success: float = 0.75
    least_cap: float = 20.0
    per_waiting: float = 0.25
    level: float = 20.0

    def deposit(self, waiting: int) -> None:
        """A request was answered while `waiting` calls wait for theirs."""
        cap = max(self.least_cap, self.per_waiting * waiting, self.level)
        self.level = min(self.level + self.per_success, cap)

    def withdraw(self) -> bool:
        """True when one more attempt may start, and it is paid for."""
        if self.level < 1.0:
            return False
        self.level -= 1.0
        return True
