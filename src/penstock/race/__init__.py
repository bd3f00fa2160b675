"""One request as a small race over targets: the only place that retries, falls back and keeps the deadline."""

from penstock.race.budgets import RetryBudget
from penstock.race.driver import race
from penstock.race.settings import RaceSettings
from penstock.race.stats import RaceStats, TargetStats
from penstock.race.target import Permit, Target
from penstock.race.telling import Observer

__all__ = ["Observer", "Permit", "RaceSettings", "RaceStats", "RetryBudget", "Target", "TargetStats", "race"]
