"""Which quotas Google says were exceeded, and how much each lets through: `QuotaFailure` in an error's details."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from penstock.call import RateLimits

__all__ = ["Quotas", "read_quotas"]

_DAILY: Final = re.compile(r"per_?day", re.IGNORECASE)
_BY_THE_MINUTE: Final = re.compile(r"per_?minute", re.IGNORECASE)
_MOST: Final = 10**15
# Requests that count tokens name both.
_WHAT: Final[tuple[tuple[str, str], ...]] = (
    (r"requests?", "requests_limit"),
    (r"input_?tokens?", "input_tokens_limit"),
    (r"output_?tokens?", "output_tokens_limit"),
    (r"tokens?", "tokens_limit"),
)


class Quotas(msgspec.Struct, frozen=True):
    """What a refusal says of quotas; nothing of it is set when it says nothing."""

    daily: bool = False
    """One of them is counted by the day."""
    nothing: bool = False
    """One of them allows nothing at all."""
    limits: RateLimits | None = None
    """Those by the minute, with what they let through."""


def read_quotas(details: Any) -> Quotas:
    """The quotas in a Google error's `details`; never raises."""
    said = list(_violations(details))
    limits: dict[str, int] = {}
    for name, value in said:
        if value and _BY_THE_MINUTE.search(name):
            what = next((field for pattern, field in _WHAT if re.search(pattern, name, re.IGNORECASE)), None)
            if what is not None:
                limits[what] = min(value, limits.get(what, _MOST))
    return Quotas(
        daily=any(_DAILY.search(name) for name, _ in said),
        nothing=any(value == 0 for _, value in said),
        limits=RateLimits(**limits) if limits else None,
    )


def _violations(details: Any) -> Iterator[tuple[str, int | None]]:
    """Each quota's name and value, None where none is told."""
    for detail in details if isinstance(details, list) else ():
        violations = detail.get("violations") if isinstance(detail, dict) else None
        for one in violations if isinstance(violations, list) else ():
            if isinstance(one, dict):
                yield str(one.get("quotaId") or one.get("quotaMetric") or "")[:200], _count(one.get("quotaValue"))


def _count(said: Any) -> int | None:
    text = str(said)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 15 else None
