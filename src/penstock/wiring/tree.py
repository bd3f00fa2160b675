"""An engine's shape in words: what a call goes through, from the caller to each provider."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from penstock.config import RouteTimeouts, Selection
from penstock.policies.limit import Limits
from penstock.race import RaceSettings
from penstock.wiring.providers import ProviderPlan
from penstock.wiring.routes import phases

__all__ = ["draw", "limits_text", "plan_text", "race_lines"]

_ON_BREAK = {"recover": "a broken stream is recovered", "error": "a broken stream is an error"}


def draw(trunk: Sequence[str], branches: Sequence[tuple[str, str]]) -> str:
    """A race and its targets, each a line with another one below it."""
    head, *more = trunk
    lines = [head, *(f"|    {line}" for line in more)]
    for number, (branch, below) in enumerate(branches, 1):
        last = number == len(branches)
        lines.append(f"{'`' if last else '+'}- {branch}")
        lines.append(f"{' ' if last else '|'}    {below}")
    return "\n".join(lines)


def race_lines(settings: RaceSettings, selection: Selection, timeouts: RouteTimeouts) -> list[str]:
    """A race's policy: what bounds the call, and what bounds an attempt."""
    route = f" (route {selection.route.name})" if selection.route else ""
    deadline_s = settings.deadline_after_s or settings.deadline_after_send_s
    parts = [f"deadline {deadline_s:g} s" if deadline_s else "no deadline"]
    if settings.max_attempts:
        parts.append(f"at most {settings.max_attempts} attempt{'s' if settings.max_attempts > 1 else ''}")
    if settings.fallback_on:
        parts.append(f"falls back on {', '.join(sorted(settings.fallback_on))}")
    parts += [_hedge_text(settings), _ON_BREAK[settings.on_break]]
    return [f"race, {settings.patience}{route}: {', '.join(parts)}", _attempt_text(settings, selection, timeouts)]


def _hedge_text(settings: RaceSettings) -> str:
    if settings.hedge == "auto":
        return f"hedges auto, {settings.hedge_budget:.3g} for each first attempt"
    return "no hedges" if settings.hedge == "off" else f"hedges after {settings.hedge:g} s"


def _attempt_text(settings: RaceSettings, selection: Selection, timeouts: RouteTimeouts) -> str:
    bounds = phases(timeouts)
    first = f"first token {settings.first_token_s or settings.first_token_last_s:g} s"
    between = f"between tokens {settings.between_tokens_s:g} s"
    if timeouts.first_token is None and len(selection.targets) > 1:
        first += " (the next target starts beside it earlier)"
    parts = [f"connect {bounds.connect:g} s", f"total {bounds.total:g} s"]
    if _streams_inside(settings, selection):
        parts[1:1] = [first, between]
        if settings.min_tokens_per_s:
            parts.append(f"at least {settings.min_tokens_per_s:g} tokens/s")
        return f"each attempt, streamed inside: {', '.join(parts)}"
    return f"each attempt: {', '.join(parts)}; of streams also {first}, {between}"


def _streams_inside(settings: RaceSettings, selection: Selection) -> bool:
    has_reason = (settings.deadline_after_s or settings.deadline_after_send_s or settings.hedge != "off") or len(
        selection.targets
    ) > 1
    return settings.stream_inside == "on" or (settings.stream_inside == "auto" and bool(has_reason))


def limits_text(limits: Limits) -> str:
    """The limits that are known before anything is asked."""
    known = {name: value for name, value in msgspec.structs.asdict(limits).items() if value and value is not True}
    return ", ".join(f"{name} {value:g}" for name, value in known.items()) or "learned"


def plan_text(plan: ProviderPlan) -> str:
    """Where a provider is and where its keys come from, never the keys."""
    keys = f"{len(plan.keys.keys)} key(s) from {', '.join(dict.fromkeys(plan.keys.origins))}" if plan.keys else "no key"
    if not plan.keys and plan.vendor.ambient is not None and plan.is_at_vendor:
        keys = f"signed with this machine's {plan.vendor.ambient} credentials"
    return f"{plan.base_url or 'in this process'} ({plan.base_url_from}), {keys}"
