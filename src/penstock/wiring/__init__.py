"""From settings to the running tree: the one place that may know every part."""

from penstock.wiring.engine import Engine, EngineStats, Models, Overrides, TargetReport, build
from penstock.wiring.estimate import Asked, estimate, estimate_tokens
from penstock.wiring.providers import ProviderPlan, known_providers, plan_provider
from penstock.wiring.running import Keys, LimitedTarget

__all__ = [
    "Asked",
    "Engine",
    "EngineStats",
    "Keys",
    "LimitedTarget",
    "Models",
    "Overrides",
    "ProviderPlan",
    "TargetReport",
    "build",
    "estimate",
    "estimate_tokens",
    "known_providers",
    "plan_provider",
]
