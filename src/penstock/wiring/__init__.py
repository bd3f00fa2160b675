"""From settings to the running tree: the one place that may know every part."""

from penstock.wiring.engine import Engine, build
from penstock.wiring.estimate import Asked, estimate, estimate_tokens
from penstock.wiring.providers import ProviderPlan, known_providers, plan_provider
from penstock.wiring.reports import EngineStats, TargetReport
from penstock.wiring.running import Keys
from penstock.wiring.settings import Manner, Models, Overrides, Transports
from penstock.wiring.target import LimitedTarget

__all__ = [
    "Asked",
    "Engine",
    "EngineStats",
    "Keys",
    "LimitedTarget",
    "Manner",
    "Models",
    "Overrides",
    "ProviderPlan",
    "TargetReport",
    "Transports",
    "build",
    "estimate",
    "estimate_tokens",
    "known_providers",
    "plan_provider",
]
