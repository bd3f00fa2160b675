"""What became of a request, and of a run: the values that the journal gives and that outputs and reports read."""

from __future__ import annotations

from typing import Literal

import msgspec

from penstock.call import Kind, Status

__all__ = ["Outcome", "Snapshot", "Summary", "TargetHealth"]


class Outcome(msgspec.Struct, kw_only=True):
    """One finished item as the journal holds it."""

    index: int
    """Place in the input, from 0; outputs are in this order."""
    custom_id: str
    kind: Kind
    state: Literal["answered", "failed"]
    target: str
    attempts: int
    """Requests sent, refusals included."""
    latency_s: float
    at_s: float
    """When it was recorded, seconds since 1970."""
    status: Status = "success"
    http_status: int = 200
    request_id: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = None
    cached: bool = False
    joined: bool = False
    """Answered by an equal row's answer: nothing was sent for this one, and its tokens are that row's."""
    prompt: str = ""
    """The prompt of a library that was asked, as name@version."""
    error_code: str | None = None
    error_message: str | None = None
    body: bytes = b""
    """The answer's OpenAI object, or the provider's own error body (b"" when none came)."""


class TargetHealth(msgspec.Struct):
    """One target's counts so far; `errors` by `CallError.kind`."""

    answered: int = 0
    errors: dict[str, int] = {}
    last_error: str | None = None
    frozen_s: float = 0.0
    """Seconds until its limit lets the next request through, 0 when free."""
    breaker: Literal["closed", "open", "half_open", "ramping"] = "closed"
    """`open`: it is down and not asked; `half_open`: it is tried; `ramping`: it is back, its traffic returns."""


class Snapshot(msgspec.Struct, kw_only=True):
    """A running run at one instant, for the display. Counts are since the run began; `done` includes earlier runs."""

    elapsed_s: float
    total: int | None
    """None while the length of a pipe is unknown."""
    done: int
    failed: int
    resumed: int
    """Of `done`, those that an earlier run had answered."""
    in_flight: int
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    joined: int = 0
    """Equal rows answered by another row's answer."""
    cached: int = 0
    """Answered from the cache."""
    retries: int = 0
    hedges: int = 0
    targets: dict[str, TargetHealth] = {}
    stopping: str | None = None
    """Why no new work starts, None while the run goes on."""


class Summary(msgspec.Struct, kw_only=True):
    """A run's end: what `--json` prints on stdout and the summary shows on stderr."""

    output: str
    errors_file: str | None
    journal: str | None
    total: int
    answered: int
    failed: int
    remaining: int
    resumed: int
    joined: int
    skipped_bad: int
    truncated: int
    filtered: int
    attempts: int
    retries: int
    hedges: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    """Of this session, what lost or failed included; None when the price of something isn't known."""
    spent_usd: float | None = None
    """Of the whole run, as a budget counts it; None when a price isn't known."""
    budget_usd: float | None = None
    exceeded: str | None = None
    """The budget that stopped the run: "total", "day" or "tag"."""
    elapsed_s: float
    requests_per_s: float
    latency_p50_s: float | None
    latency_p99_s: float | None
    errors: dict[str, int]
    """Failed items by error code."""
    stopped: str | None
    """Why the run stopped early; None when it came to its end."""
    exit_code: int
    cached: int = 0
    """Answered from the cache, or by another call's answer: nothing was sent for them."""
    left_out: int | None = 0
    """Items of the input that `--limit` left for later, not in `total`; None for the rest of a pipe, uncounted."""
    cache_trouble: str | None = None
    """Why the cache wasn't read or written, at least for a time."""
