"""How full a target's limits are, for displays."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from penstock.policies.limit.lane import Lane

__all__ = ["LimitUse", "Saturation", "limit_uses"]


class LimitUse(msgspec.Struct, frozen=True, kw_only=True):
    """One limit, over all usable keys."""

    per_minute: float
    """What it lets through: told by the user or the provider, or for requests found from refusals."""
    used: float
    """The part of it that was used in the last minute."""


class Saturation(msgspec.Struct, kw_only=True):
    """How full one target's limits are, now."""

    in_flight: int
    waiting: int
    frozen_s: float
    """Seconds until the next request may be sent; 0 when one may be sent now."""
    requests_per_s: float | None
    """What the limits let through, over all usable keys; None when nothing limits requests."""
    used: float | None
    """Of that, the share (1 is all of it) that was used in the last minute; None when nothing limits requests."""
    max_in_flight: int | None
    usable_keys: int
    limits: dict[str, LimitUse]
    """Each limit there is: `requests`, `tokens`, `input_tokens`, `output_tokens`."""

    def __str__(self) -> str:
        """Such as "43 % of 500 requests a minute used, 2 in flight"."""
        parts = [
            f"{100 * use.used:.0f} % of {use.per_minute:,.0f} {name.replace('_', ' ')} a minute used"
            for name, use in self.limits.items()
        ] or ["no limit known"]
        parts.append(f"{self.in_flight} in flight" + (f" of {self.max_in_flight}" if self.max_in_flight else ""))
        if self.waiting:
            parts.append(f"{self.waiting} waiting")
        if self.frozen_s:
            parts.append(f"closed for {self.frozen_s:.1f} s")
        return ", ".join(parts)


def limit_uses(lanes: Sequence[Lane], now_s: float) -> dict[str, LimitUse]:
    """Each limit of these keys together, but for one that a key among them doesn't have."""
    uses: dict[str, list[tuple[float, float]]] = {}
    for lane in lanes:
        for name, per_minute, amount in lane.uses(now_s):
            uses.setdefault(name, []).append((per_minute, amount))
    together = {}
    for name, each in uses.items():
        if len(each) == len(lanes):
            per_minute = math.fsum(limit for limit, _ in each)
            together[name] = LimitUse(per_minute=per_minute, used=math.fsum(amount for _, amount in each) / per_minute)
    return together
