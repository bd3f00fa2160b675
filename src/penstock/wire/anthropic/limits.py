"""What reply headers say about limits: `anthropic-ratelimit-*`, whose resets are instants.

Source: platform.claude.com/docs/en/api/rate-limits. A reset often lies in the past: the bucket has refilled already.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from penstock.call import RateLimits
from penstock.http import Headers
from penstock.wire.waits import MAX_WAIT_S, http_date_s

__all__ = ["empty_bucket_s", "rate_limits"]

_PREFIX: Final = "anthropic-ratelimit-"
_BUCKETS: Final = ("requests", "tokens", "input-tokens", "output-tokens")


def rate_limits(headers: Headers) -> RateLimits | None:
    """What the headers say; None when they say nothing. Never raises."""
    get = headers.get
    requests = get(f"{_PREFIX}requests-limit")
    tokens = get(f"{_PREFIX}tokens-limit")
    given = get(f"{_PREFIX}input-tokens-limit")
    if requests is None and tokens is None and given is None and get(f"{_PREFIX}requests-remaining") is None:
        return None
    now_s = http_date_s(get("date") or "")
    return RateLimits(
        requests_limit=_count(requests),
        requests_remaining=_count(get(f"{_PREFIX}requests-remaining")),
        requests_reset_s=_reset_s(get(f"{_PREFIX}requests-reset"), now_s),
        tokens_limit=_count(tokens),
        tokens_remaining=_count(get(f"{_PREFIX}tokens-remaining")),
        tokens_reset_s=_reset_s(get(f"{_PREFIX}tokens-reset"), now_s),
        input_tokens_limit=_count(given),
        input_tokens_remaining=_count(get(f"{_PREFIX}input-tokens-remaining")),
        input_tokens_reset_s=_reset_s(get(f"{_PREFIX}input-tokens-reset"), now_s),
        output_tokens_limit=_count(get(f"{_PREFIX}output-tokens-limit")),
        output_tokens_remaining=_count(get(f"{_PREFIX}output-tokens-remaining")),
        output_tokens_reset_s=_reset_s(get(f"{_PREFIX}output-tokens-reset"), now_s),
    )


def empty_bucket_s(headers: Headers) -> float | None:
    """The longest reset among the buckets that have nothing left; None when none says so."""
    now_s = http_date_s(headers.get("date") or "")
    waits = [
        _reset_s(headers.get(f"{_PREFIX}{bucket}-reset"), now_s)
        for bucket in _BUCKETS
        if headers.get(f"{_PREFIX}{bucket}-remaining") == "0"
    ]
    return max((wait for wait in waits if wait), default=None)


def _count(text: str | None) -> int | None:
    """A limit or what remains of it; -1 means "not applicable" (Claude on Azure)."""
    try:
        count = int(text or "")
    except ValueError:
        return None
    return count if count >= 0 else None


def _reset_s(text: str | None, now_s: float | None) -> float | None:
    """Seconds from the reply's own date to an instant, in [0, 300]; None when either isn't told."""
    if not text or now_s is None:
        return None
    try:
        then_s = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, then_s - now_s), MAX_WAIT_S)
