"""What all calls of one route share: what they may spend beyond first attempts, and whose turn it is in an outage."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from penstock.race.budgets import RetryBudget, SilenceBudget
from penstock.race.outage import ProbeTurns
from penstock.race.relay import PrefillRefusals
from penstock.race.stats import Spending
from penstock.race.triggers import Hedges

__all__ = ["Route"]


@dataclass(slots=True)
class Route:
    """Shared state, never a setting: handed to each race of the route."""

    spending: Spending = field(default_factory=Spending)
    waiting: int = 0
    """Calls that wait for an answer now."""
    budget: RetryBudget = field(default_factory=RetryBudget)
    silences: SilenceBudget = field(default_factory=SilenceBudget)
    lates: SilenceBudget = field(default_factory=SilenceBudget)
    hedges: Hedges = field(default_factory=Hedges)
    refusals: PrefillRefusals = field(default_factory=PrefillRefusals)
    turns: ProbeTurns = field(default_factory=lambda: ProbeTurns(rng=random.Random()))

    def answered(self) -> None:
        """A request was answered: all may spend more."""
        self.budget.deposit()
        self.silences.deposit(self.waiting)
        self.lates.deposit(self.waiting)
