"""Live counts that displays and `client.stats()` read. Written by the race alone, on its own loop."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from penstock.call import Usage
from penstock.errors import CallError

__all__ = ["MOST_FRESH", "RaceStats", "Spending", "TargetStats", "TokenCount"]


MOST_FRESH = 64


class TokenCount:
    """Tokens that a target's answers came to."""

    __slots__ = ("_total", "fresh")

    def __init__(self) -> None:
        self._total = Usage()
        self.fresh: list[Usage] = []
        """What came lately: many are summed up for a third of what it costs to add one at a time."""

    def add(self, usage: Usage | None) -> None:
        if usage is not None:
            self.fresh.append(usage)
            if len(self.fresh) >= MOST_FRESH:
                self.sum_up()

    def sum_up(self) -> None:
        """To be called when `MOST_FRESH` are there."""
        self._total = self.usage
        self.fresh = []

    @property
    def usage(self) -> Usage:
        total = self._total
        given, said, cached = total.input_tokens, total.output_tokens, total.cached_tokens
        reasoning, written, rare = total.reasoning_tokens, total.cache_write_tokens, total
        for usage in self.fresh:
            given += usage.input_tokens
            said += usage.output_tokens
            cached += usage.cached_tokens
            reasoning += usage.reasoning_tokens
            written += usage.cache_write_tokens
            if usage.audio_input_tokens or usage.audio_output_tokens or usage.cache_write_1h_tokens:
                rare += msgspec.structs.replace(
                    usage, input_tokens=0, output_tokens=0, cached_tokens=0, reasoning_tokens=0, cache_write_tokens=0
                )
        return Usage(given, said, cached, reasoning, written, *msgspec.structs.astuple(rare)[5:])


class Spending:
    """US dollars that attempts came to, and how many of them had no known price."""

    __slots__ = ("known_usd", "unpriced")

    def __init__(self) -> None:
        self.known_usd = 0.0
        self.unpriced = 0

    def add(self, cost_usd: float | None) -> None:
        if cost_usd is None:
            self.unpriced += 1
        else:
            self.known_usd += cost_usd

    @property
    def usd(self) -> float | None:
        """None when the price of something isn't known."""
        return None if self.unpriced else self.known_usd


@dataclass(slots=True)
class TargetStats:
    """One target's counts since the start."""

    started: int = 0
    """Requests sent."""
    answered: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    """Failed attempts by `CallError.kind`, refusals at a limit included."""
    tokens: TokenCount = field(default_factory=TokenCount)
    spending: Spending = field(default_factory=Spending)
    """On everything sent."""
    last_error: str | None = None
    last_answer_s: float | None = None
    """The clock's instant of the last answer."""

    def failed(self, error: CallError) -> None:
        self.errors[error.kind] = self.errors.get(error.kind, 0) + 1
        self.last_error = str(error)


@dataclass(slots=True)
class RaceStats:
    """A race's counts since the start. `retries` are attempts after a failure, refusals at a limit not counted."""

    answered: int = 0
    gave_up: int = 0
    retries: int = 0
    hedges: int = 0
    """Attempts beside one that ran, within the hedge budget or after the route's fixed delay."""
    reserves: int = 0
    """Attempts beside one that was silent, or at the last moment before the deadline."""
    seams: int = 0
    """Broken streams that went on."""
    lost: int = 0
    """Attempts that were ended before they came to anything: another one answered, or the caller went away."""
    lost_tokens: int = 0
    """What the lost ones cost, estimated: their input and whatever tokens had come."""
    refusals: int = 0
    waiting: int = 0
    """Calls that wait at a limit or between two attempts, now."""
    targets: dict[str, TargetStats] = field(default_factory=dict)

    def target(self, name: str) -> TargetStats:
        return self.targets.setdefault(name, TargetStats())

    @property
    def cost_usd(self) -> float | None:
        """US dollars for everything sent; None when the price of something isn't known."""
        if any(target.spending.unpriced for target in self.targets.values()):
            return None
        return self.known_cost_usd

    @property
    def known_cost_usd(self) -> float:
        """The same, of what has a known price."""
        return sum(target.spending.known_usd for target in self.targets.values())
