"""What an engine tells people: counts, health and saturation."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from penstock.call import Usage
from penstock.config import Selection
from penstock.policies.breaker import State
from penstock.policies.limit import Saturation
from penstock.race import RaceStats, Route
from penstock.wiring.target import Standing

__all__ = ["EngineStats", "TargetReport", "engine_stats"]


class TargetReport(msgspec.Struct, kw_only=True):
    """One target's counts since the start, its health, and how full its limits are now."""

    requests: int
    """Sent, refusals included."""
    answered: int
    errors: dict[str, int]
    usage: Usage
    cost_usd: float | None
    """Of everything sent, what lost or failed included; None while the price of something isn't known."""
    last_error: str | None
    breaker: State
    """`closed`: it is asked. `open`: it is left alone, for it is down. `half_open`: one request at a time tries whether
    it is back. `ramping`: it is, and gets its traffic back."""
    saturation: Saturation


class EngineStats(msgspec.Struct, kw_only=True):
    """Counts since the start. `cost_usd` is None while the price of something isn't known."""

    requests: int
    answered: int
    failed: int
    retries: int
    """Requests after a failed one; waits at a limit are none."""
    hedges: int
    """Requests beside one that was late for its kind: at most the hedge budget, or after a fixed delay."""
    reserves: int
    """Requests beside one that was silent, or started at the last moment before a deadline."""
    recovered: int
    """Broken streams that went on in another one."""
    lost: int
    """Requests that were ended because another one answered, or the caller went away."""
    lost_tokens: int
    """What those cost, estimated: their input and what had come of their output."""
    refusals: int
    waiting: int
    usage: Usage
    cost_usd: float | None
    targets: dict[str, TargetReport]
    routes: dict[str, float | None] = {}
    """What calls of each route cost, by its name; of targets without one by theirs."""
    cached: int = 0
    """Answered from the cache."""
    joined: int = 0
    """Answered by another call's request that was in flight for the same."""

    @property
    def extra_requests(self) -> int:
        """Beyond one for each prompt."""
        return self.retries + self.hedges + self.reserves


def engine_stats(
    counts: RaceStats,
    standings: Mapping[str, Standing],
    now_s: float,
    routes: Mapping[Selection, Route],
    before: EngineStats | None = None,
) -> EngineStats:
    """The counts of every target that was ever asked, and what is known of it now.

    `before` is what was told when the engine's last loop was left: its targets' counts go on, its routes' costs add up.
    """
    costs = {s.route.name if s.route else ", ".join(map(str, s.targets)): r.spending.usd for s, r in routes.items()}
    targets = {name: _report(counts, name, standing, now_s) for name, standing in standings.items()}
    if before is not None:
        targets = {**before.targets, **targets}
        costs = {name: _sum(before.routes.get(name, 0.0), costs.get(name, 0.0)) for name in {**before.routes, **costs}}
    return EngineStats(
        requests=sum(target.requests for target in targets.values()),
        answered=counts.answered,
        failed=counts.gave_up,
        retries=counts.retries,
        hedges=counts.hedges,
        reserves=counts.reserves,
        recovered=counts.seams,
        lost=counts.lost,
        lost_tokens=counts.lost_tokens,
        refusals=counts.refusals,
        waiting=counts.waiting,
        usage=sum((target.usage for target in targets.values()), Usage()),
        cost_usd=counts.cost_usd,
        targets=targets,
        routes=costs,
    )


def _sum(some: float | None, more: float | None) -> float | None:
    return None if some is None or more is None else some + more


def _report(counts: RaceStats, name: str, standing: Standing, now_s: float) -> TargetReport:
    target = counts.target(name)
    return TargetReport(
        requests=target.started,
        answered=target.answered,
        errors=dict(target.errors),
        usage=target.tokens.usage,
        cost_usd=target.spending.usd,
        last_error=target.last_error,
        breaker=standing.breaker.state(now_s),
        saturation=standing.limiter.saturation(),
    )
