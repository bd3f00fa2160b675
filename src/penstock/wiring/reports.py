"""What an engine tells people: counts, saturation, and its own shape."""

from __future__ import annotations

import msgspec

from penstock.call import Usage
from penstock.policies.limit import Limits, Saturation
from penstock.race import RaceSettings
from penstock.wiring.providers import ProviderPlan

__all__ = ["EngineStats", "TargetReport", "limits_text", "plan_text", "race_text"]


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


def race_text(settings: RaceSettings) -> str:
    """A race's policy in words."""
    deadline_s = settings.deadline_after_s or settings.deadline_after_send_s
    parts = [f"deadline {deadline_s:g} s" if deadline_s else "no deadline"]
    if settings.max_attempts:
        parts.append(f"at most {settings.max_attempts} attempt{'s' if settings.max_attempts > 1 else ''}")
    if settings.fallback_on:
        parts.append(f"falls back on {', '.join(sorted(settings.fallback_on))}")
    return ", ".join(parts)


def limits_text(limits: Limits) -> str:
    """The limits that are known before anything is asked."""
    known = {name: value for name, value in msgspec.structs.asdict(limits).items() if value and value is not True}
    return ", ".join(f"{name} {value:g}" for name, value in known.items()) or "learned"


def plan_text(plan: ProviderPlan) -> str:
    """Where a provider is and where its keys come from, never the keys."""
    keys = f"{len(plan.keys.keys)} key(s) from {', '.join(plan.keys.origins)}" if plan.keys else "no key"
    return f"{plan.base_url or 'in this process'} ({plan.base_url_from}), {keys}"
