"""How long a provider wants to be left alone, wherever it says so: headers, body, or the reset of its limits."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Final

from penstock.call import RateLimits
from penstock.errors import ErrorKind
from penstock.http import Headers
from penstock.wire.fault import Fault

__all__ = ["MAX_WAIT_S", "empty_bucket_s", "go_duration_s", "http_date_s", "retry_after_s"]

MAX_WAIT_S: Final = 300.0
"""No single word of a server makes anyone wait longer before asking again."""

_WAITABLE: Final = frozenset({"rate_limited", "overloaded", "server_error", "quota_exhausted", "timeout"})
_GO: Final = r"(\d+(?:\.\d+)?)(ms|us|µs|ns|h|m|s|d)"
_GO_WHOLE: Final = r"(?:\d+(?:\.\d+)?(?:ms|us|µs|ns|h|m|s|d))+"
_UNITS: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_HINT: Final = (
    r"(?:(?:try again|retry|retry after|available|reset) (?:in|after)|please wait(?: for)?) (?:about )?"
    r"((?:\d+(?:\.\d+)?(?:ms|us|ns|h|m(?!\w)|m(?=\d)|s|d))+|\d+(?:\.\d+)?)"
    r" ?(milliseconds?|seconds?|secs?|minutes?|mins?|hours?|ms\b|s\b)?"
)
_WORDS: Final = {"mil": 1e-3, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "hou": 3600.0}


@lru_cache(maxsize=4096)
def go_duration_s(text: str) -> float | None:
    """Seconds of a Go duration such as `6m0s`, `15m50.4s`, `261ms`; None for anything else, bare numbers too."""
    if len(text) > 64 or not re.fullmatch(_GO_WHOLE, text):
        return None
    return sum(float(amount) * _UNITS[unit] for amount, unit in re.findall(_GO, text))


def http_date_s(text: str) -> float | None:
    """Seconds since 1970 of an HTTP date, None when it isn't one."""
    from email.utils import parsedate_to_datetime  # slow to import, and rarely wanted

    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def retry_after_s(headers: Headers, fault: Fault, kind: ErrorKind) -> float | None:
    """Seconds to wait before the next try, in (0, 300]; None when nothing usable was said. Never raises.

    `retry-after-ms`, `retry-after` (seconds or a date, measured from the reply's own Date), the body, and for a
    limit the reset of the bucket that is empty, in this order. Zero, negative and endless waits mean "unknown".
    """
    if kind not in _WAITABLE:
        return None
    for wait in (
        _scaled(headers.get("retry-after-ms"), 1e-3),
        _retry_after(headers),
        fault.wait_s,
        _hint(fault.text),
        _until(fault.reset_at_ms, headers),
        _empty_bucket(headers) if kind == "rate_limited" else None,
    ):
        if wait is not None and math.isfinite(wait) and wait > 0:
            return min(wait, MAX_WAIT_S)
    return None


def empty_bucket_s(limits: RateLimits | None) -> float | None:
    """The longest reset among the limits that have nothing left, in (0, 300]; None when none is told."""
    if limits is None:
        return None
    waits = [
        reset
        for left, reset in (
            (limits.requests_remaining, limits.requests_reset_s),
            (limits.tokens_remaining, limits.tokens_reset_s),
            (limits.input_tokens_remaining, limits.input_tokens_reset_s),
            (limits.output_tokens_remaining, limits.output_tokens_reset_s),
        )
        if left == 0 and reset is not None and reset > 0
    ]
    return min(max(waits), MAX_WAIT_S) if waits else None


def _scaled(text: str | None, scale: float) -> float | None:
    if not text:
        return None
    try:
        return float(text) * scale
    except ValueError:
        return None


def _retry_after(headers: Headers) -> float | None:
    text = headers.get("retry-after")
    if not text:
        return None
    seconds = _scaled(text, 1.0)
    if seconds is not None:
        return seconds
    if text[-1:] == "s":
        return go_duration_s(text)
    then, now = http_date_s(text), http_date_s(headers.get("date") or "")
    return then - now if then is not None and now is not None else None


def _hint(text: str) -> float | None:
    said = re.search(_HINT, text)
    if said is None:
        return None
    amount, word = said[1], said[2]
    if amount[-1].isalpha():
        return go_duration_s(amount)
    # A bare number has an unknown unit and says nothing.
    return float(amount) * _WORDS[word[:3]] if word else None


def _until(at_ms: float | None, headers: Headers) -> float | None:
    now = http_date_s(headers.get("date") or "")
    return at_ms / 1000 - now if at_ms is not None and now is not None else None


def _empty_bucket(headers: Headers) -> float | None:
    """The longest reset among the buckets that have nothing left."""
    longest: float | None = None
    for what in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{what}") == "0":
            wait = go_duration_s(headers.get(f"x-ratelimit-reset-{what}") or "")
            if wait is not None:
                longest = max(wait, longest or 0.0)
    return longest
