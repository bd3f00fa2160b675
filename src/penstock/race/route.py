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
        # Looked at before they are asked: full is what they nearly always are.
        budget, silences, lates, waiting = self.budget, self.silences, self.lates, self.waiting
        if budget.level < budget.cap:
            budget.deposit()
        if silences.level < silences.least_cap or silences.level < silences.per_waiting * waiting:
            silences.deposit(waiting)
        if lates.level < lates.least_cap or lates.level < lates.per_waiting * waiting:
            lates.deposit(waiting)
