"""What all calls of one route share: what they may spend beyond first attempts, and whose turn it is in an outage."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from penstock.race.budgets import RetryBudget
from penstock.race.outage import ProbeTurns
from penstock.race.relay import PrefillRefusals
from penstock.race.triggers import Hedges

__all__ = ["Route"]


@dataclass(slots=True)
class Route:
    """Shared state, never a setting: handed to each race of the route."""

    budget: RetryBudget = field(default_factory=RetryBudget)
    hedges: Hedges = field(default_factory=Hedges)
    refusals: PrefillRefusals = field(default_factory=PrefillRefusals)
    turns: ProbeTurns = field(default_factory=lambda: ProbeTurns(rng=random.Random()))
