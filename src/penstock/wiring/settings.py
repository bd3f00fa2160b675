"""What is said over a configuration: by a command or a client for all its calls, and for one group of calls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from penstock.call import CacheMode
from penstock.clock import Clock
from penstock.config import BudgetConfig, Hedge, OnBreak, RouteTimeouts, StreamInside
from penstock.errors import ErrorKind
from penstock.guards import Guards
from penstock.http import Transport
from penstock.stores import Store

__all__ = ["Manner", "Models", "Overrides", "Transports"]

Models = str | Sequence[str] | None
"""A target, targets in order of preference, a route's name, or None for the route `default`."""

Transports = Callable[[str, Clock], Transport]
"""From a provider's name and the engine's clock to its connections."""


class Overrides(msgspec.Struct, frozen=True, kw_only=True):
    """What a command or a client says over the configuration; None where it says nothing. Times are seconds."""

    base_url: str | None = None
    """Every request goes there, whatever its provider."""
    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    """Requests at once: widens the connection pool, and bounds each target of an interactive engine."""
    deadline_s: float | None = None
    max_attempts: int | None = None
    timeouts: RouteTimeouts | None = None
    hedge: Hedge | None = None
    hedge_budget: float | None = None
    min_tokens_per_s: float | None = None
    fallback_on: tuple[ErrorKind, ...] | None = None
    stream_inside: StreamInside | None = None
    on_break: OnBreak | None = None
    budget: BudgetConfig | None = None
    """In place of the configuration's."""
    guards: Guards | None = None
    """Over the route's, each by itself."""
    cache: CacheMode | None = None
    """Of calls that say none of their own; None: "on" where the configuration has a cache."""
    store: Store | None = None
    """Where answers are kept, in place of what the configuration says; whoever gives it closes it."""
    coalesce: bool = True
    """Equal calls at the same time that may use the cache are one."""


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How one group of calls is answered, where it differs from the engine's own way."""

    patience: Literal["interactive", "batch"] = "interactive"
    deadline_s: float | None = None
    """Interactive: from a call's arrival; batch: from its first send. None: the client's, else the route's."""
    else_deadline_s: float | None = 120.0
    """Where none of them has one; None for no bound."""
    timeouts: RouteTimeouts | None = None
    """Over the route's."""
    hedge: Hedge | None = None
