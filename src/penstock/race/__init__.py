"""One request as a small race over targets: the only place that retries, falls back, hedges and keeps the deadline."""

from penstock.race.budgets import RetryBudget
from penstock.race.driver import race
from penstock.race.latency import LatencyBook
from penstock.race.outage import ProbeTurns
from penstock.race.route import Route
from penstock.race.settings import RaceSettings
from penstock.race.stats import RaceStats, TargetStats
from penstock.race.target import Bill, Breaker, Permit, Target
from penstock.race.telling import Observer
from penstock.race.triggers import Hedges

__all__ = [
    "Bill",
    "Breaker",
    "Hedges",
    "LatencyBook",
    "Observer",
    "Permit",
    "ProbeTurns",
    "RaceSettings",
    "RaceStats",
    "RetryBudget",
    "Route",
    "Target",
    "TargetStats",
    "race",
]
