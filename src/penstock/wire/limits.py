"""What reply headers say about limits: every vendor names and counts differently, so this is a table of dialects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from penstock.call import RateLimits
from penstock.catalog import Vendor
from penstock.http import Headers
from penstock.wire.waits import MAX_WAIT_S, go_duration_s, http_date_s

__all__ = ["limits_reader"]

_DAY_S: Final = 86400.0
_Reader = Callable[[Headers], RateLimits | None]


def limits_reader(vendor: Vendor) -> Callable[[Headers], RateLimits | None]:
    """What reads this vendor's headers: None when they say nothing; never raises."""
    return _DIALECTS[vendor.limits](vendor.requests_window_s)


def _count(text: str | None) -> int | None:
    """A limit or what remains of it; -1 means "not applicable" (Azure), and a repeated field counts once."""
    if not text:
        return None
    try:
        count = int(text)
    except ValueError:
        try:
            count = int(float(text.partition(",")[0]))
        except (ValueError, OverflowError):
            return None
    return count if count >= 0 else None


def _seconds(text: str | None) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        return go_duration_s(text)


def _go(text: str | None) -> float | None:
    return go_duration_s(text) if text else None


def _clamped(seconds: float | None, window_s: float) -> float | None:
    if seconds is None or seconds != seconds:
        return None
    return min(max(0.0, seconds), max(MAX_WAIT_S, window_s))


def _openai(window_s: float) -> _Reader:
    def read(headers: Headers) -> RateLimits | None:
        get = headers.get
        requests, tokens = get("x-ratelimit-limit-requests"), get("x-ratelimit-limit-tokens")
        if requests is None and tokens is None and get("x-ratelimit-remaining-requests") is None:
            return None if get(_USAGE_BASED) is None else _usage_based(headers)
        limit, left = _count(requests), _count(get("x-ratelimit-remaining-requests"))
        # A bare number has an unknown unit (Azure sends one) and is no Go duration, so it says nothing.
        reset = go_duration_s(get("x-ratelimit-reset-requests") or "")
        window = _window(limit, left, reset, window_s)
        tokens_reset = go_duration_s(get("x-ratelimit-reset-tokens") or "")
        return RateLimits(
            limit,
            left,
            None if reset is None else min(reset, max(window, MAX_WAIT_S)),
            window,
            _count(tokens),
            _count(get("x-ratelimit-remaining-tokens")),
            None if tokens_reset is None else min(tokens_reset, MAX_WAIT_S),
        )

    return read


def _window(limit: int | None, left: int | None, reset: float | None, window_s: float) -> float:
    """The window of a bucket that refills evenly: reset is the time until it is full again.

    Small accounts have limits by the day under the same names; the refill's pace tells (8.64 s each is 10,000 a day).
    """
    if limit and left is not None and reset and limit > left and reset * limit / (limit - left) > 3600.0:
        return _DAY_S
    return window_s


def _table(
    requests: tuple[str, str, str, float],
    tokens: tuple[str, str, str, float],
    *,
    seconds: Callable[[str | None], float | None] = _seconds,
) -> _Reader:
    """A reader for plain names: (limit, remaining, reset, window) of each; "" where there is none."""

    def read(headers: Headers) -> RateLimits | None:
        get = headers.get
        if get(requests[0]) is None and get(tokens[0]) is None and get(tokens[1]) is None:
            return None
        return RateLimits(
            _count(get(requests[0])),
            _count(get(requests[1])),
            _clamped(seconds(get(requests[2])), requests[3]),
            requests[3],
            _count(get(tokens[0])),
            _count(get(tokens[1])),
            _clamped(seconds(get(tokens[2])), tokens[3]),
            tokens[3],
        )

    return read


def _first(*readers: _Reader) -> _Reader:
    def read(headers: Headers) -> RateLimits | None:
        for reader in readers:
            found = reader(headers)
            if found is not None:
                return found
        return None

    return read


_X: Final = "x-ratelimit-"
_cerebras = _table(
    (f"{_X}limit-requests-day", f"{_X}remaining-requests-day", f"{_X}reset-requests-day", _DAY_S),
    (f"{_X}limit-tokens-minute", f"{_X}remaining-tokens-minute", f"{_X}reset-tokens-minute", 60.0),
)
_MISTRAL_TOKENS: Final = (f"{_X}limit-tokens-minute", f"{_X}remaining-tokens-minute", "", 60.0)
_mistral_minute = _table((f"{_X}limit-req-minute", f"{_X}remaining-req-minute", "", 60.0), _MISTRAL_TOKENS)
_mistral_10s = _table((f"{_X}limit-req-10-second", f"{_X}remaining-req-10-second", "", 10.0), _MISTRAL_TOKENS)
_mistral_old = _table(
    ("", "", "", 60.0), ("ratelimitbysize-limit", "ratelimitbysize-remaining", "ratelimitbysize-reset", 60.0)
)
_together = _table(
    ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", 1.0),
    ("x-tokenlimit-limit", "x-tokenlimit-remaining", "x-tokenlimit-reset", 1.0),
)
_USAGE_BASED: Final = f"{_X}limit-tokens_usage_based"
_usage_based = _table(
    ("", "", "", 60.0),
    (_USAGE_BASED, f"{_X}remaining-tokens_usage_based", f"{_X}reset-tokens_usage_based", 60.0),
    seconds=_go,
)


def _mistral(headers: Headers) -> RateLimits | None:
    if headers.get(f"{_X}limit-req-minute") is None and headers.get(f"{_X}limit-req-10-second") is not None:
        return _mistral_10s(headers)
    return _mistral_minute(headers) or _mistral_old(headers)


def _openrouter(headers: Headers) -> RateLimits | None:
    """Only on a 429, with the instant of the reset in milliseconds since 1970."""
    limit = _count(headers.get("x-ratelimit-limit"))
    if limit is None:
        return None
    at_ms, now = _seconds(headers.get("x-ratelimit-reset")), http_date_s(headers.get("date") or "")
    reset = at_ms / 1000 - now if at_ms is not None and now is not None else None
    window = _DAY_S if reset is not None and reset > 60.0 else 60.0
    return RateLimits(limit, _count(headers.get("x-ratelimit-remaining")), _clamped(reset, window), window)


def _fireworks(headers: Headers) -> RateLimits | None:
    read, written = _count(headers.get(f"{_X}limit-tokens-prompt")), _count(headers.get(f"{_X}limit-tokens-generated"))
    requests = _count(headers.get(f"{_X}limit-requests"))
    if read is None and written is None and requests is None:
        return None
    return RateLimits(
        requests_limit=requests,
        requests_remaining=_count(headers.get(f"{_X}remaining-requests")),
        input_tokens_limit=read,
        input_tokens_remaining=_count(headers.get(f"{_X}remaining-tokens-prompt")),
        output_tokens_limit=written,
        output_tokens_remaining=_count(headers.get(f"{_X}remaining-tokens-generated")),
    )


class _Upstream(Mapping[str, str]):
    """The headers that a LiteLLM proxy hands on from its provider, under the names that they had."""

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        return self._headers[f"llm_provider-{name}"]

    def __iter__(self):  # type: ignore[no-untyped-def]
        return (name for name in self._headers if name.startswith("llm_provider-"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _any(window_s: float) -> _Reader:
    openai = _openai(window_s)
    known = _first(openai, _cerebras, _mistral, _fireworks)

    def read(headers: Headers) -> RateLimits | None:
        # Most servers say nothing, and asking for each dialect's names costs as much as the rest of the reply.
        if any("ratelimit" in name for name in headers):
            return known(headers) or openai(_Upstream(headers))
        return None

    return read


def _nothing(headers: Headers) -> RateLimits | None:  # noqa: ARG001
    return None


_DIALECTS: Final[dict[str, Callable[[float], _Reader]]] = {
    "openai": _openai,
    "mistral": lambda _: _mistral,
    "cerebras": lambda _: _cerebras,
    "together": lambda _: _together,
    "openrouter": lambda _: _openrouter,
    "fireworks": lambda _: _fireworks,
    "any": _any,
    "none": lambda _: _nothing,
}
