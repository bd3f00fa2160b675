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
    silences: RetryBudget = field(default_factory=lambda: RetryBudget(per_success=0.75, cap=20.0, level=20.0))
    """Pays for attempts beside silent ones: unbounded, a hang of every target for 60 s costs 72 % more attempts (200
    callers, simulated), with it 9 %; smaller, the last target's breaker opens too late."""
    hedges: Hedges = field(default_factory=Hedges)
    refusals: PrefillRefusals = field(default_factory=PrefillRefusals)
    turns: ProbeTurns = field(default_factory=lambda: ProbeTurns(rng=random.Random()))
