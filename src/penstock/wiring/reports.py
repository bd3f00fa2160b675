"""What an engine tells people: counts, health and saturation."""

from __future__ import annotations

import msgspec

from penstock.call import Usage
from penstock.policies.limit import Saturation

__all__ = ["EngineStats", "TargetReport"]


class TargetReport(msgspec.Struct, kw_only=True):
    """One target's counts since the start, and how full its limits are now."""

    requests: int
    """Sent, refusals included."""
    answered: int
    errors: dict[str, int]
    usage: Usage
    last_error: str | None
    saturation: Saturation


class EngineStats(msgspec.Struct, kw_only=True):
    """Counts since the start. `cost_usd` is None while the price of something isn't known."""

    requests: int
    answered: int
    failed: int
    retries: int
    refusals: int
    waiting: int
    usage: Usage
    cost_usd: float | None
    targets: dict[str, TargetReport]
