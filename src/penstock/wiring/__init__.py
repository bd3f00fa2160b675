"""From settings to the running tree: the one place that may know every part."""

from penstock.policies.cache import Kept, Recall, body_digest, pack, to_keep
from penstock.wiring.caching import import_answers, open_configured
from penstock.wiring.contexts import TargetContext, contexts_of
from penstock.wiring.engine import Engine, build
from penstock.wiring.estimate import Asked, estimate, estimate_tokens
from penstock.wiring.forecast import Forecast
from penstock.wiring.providers import ProviderPlan, known_providers, plan_provider
from penstock.wiring.reports import EngineStats, TargetReport
from penstock.wiring.running import Keys
from penstock.wiring.settings import Manner, Models, Overrides, Transports
from penstock.wiring.target import LimitedTarget

__all__ = [
    "Asked",
    "Engine",
    "EngineStats",
    "Forecast",
    "Kept",
    "Keys",
    "LimitedTarget",
    "Manner",
    "Models",
    "Overrides",
    "ProviderPlan",
    "Recall",
    "TargetContext",
    "TargetReport",
    "Transports",
    "body_digest",
    "build",
    "contexts_of",
    "estimate",
    "estimate_tokens",
    "import_answers",
    "known_providers",
    "open_configured",
    "pack",
    "plan_provider",
    "to_keep",
]
