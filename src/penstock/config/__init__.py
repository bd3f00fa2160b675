"""Configuration: TOML or a dict in, frozen values out. Every mistake is a `ConfigError` that names its place.

`load_config` finds and reads; `resolve` turns what a caller wrote as a model into targets; `find_keys` looks a
provider's keys up. Nothing here opens a connection or keeps a key in a value's repr.
"""

from penstock.config.caching import CacheConfig, read_cache, read_cache_mode
from penstock.config.costs import BudgetConfig, PriceConfig, read_budget, read_usd
from penstock.config.guarding import read_guards
from penstock.config.keys import FoundKeys, KeyRef, find_keys, first_set, key_variable
from penstock.config.load import ConfigWarning, find_config_file, load_config, parse_config, read_limits
from penstock.config.resolve import Selection, TargetName, resolve, taken_for
from penstock.config.routes import (
    Said,
    contradiction,
    read_fallback_on,
    read_hedge,
    read_on_break,
    read_stream_inside,
    read_timeouts,
)
from penstock.config.schema import (
    Config,
    Hedge,
    LimitsConfig,
    OnBreak,
    ProviderConfig,
    RouteConfig,
    RouteTimeouts,
    StreamInside,
)
from penstock.config.semantic import SemanticConfig
from penstock.config.values import read_duration, read_size

__all__ = [
    "BudgetConfig",
    "CacheConfig",
    "Config",
    "ConfigWarning",
    "FoundKeys",
    "Hedge",
    "KeyRef",
    "LimitsConfig",
    "OnBreak",
    "PriceConfig",
    "ProviderConfig",
    "RouteConfig",
    "RouteTimeouts",
    "Said",
    "Selection",
    "SemanticConfig",
    "StreamInside",
    "TargetName",
    "contradiction",
    "find_config_file",
    "find_keys",
    "first_set",
    "key_variable",
    "load_config",
    "parse_config",
    "read_budget",
    "read_cache",
    "read_cache_mode",
    "read_duration",
    "read_fallback_on",
    "read_guards",
    "read_hedge",
    "read_limits",
    "read_on_break",
    "read_size",
    "read_stream_inside",
    "read_timeouts",
    "read_usd",
    "resolve",
    "taken_for",
]
