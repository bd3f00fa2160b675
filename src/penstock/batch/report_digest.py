"""A run's outcomes in bounded memory: counts, times, latencies, and a few examples of each error."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import TypeVar

import msgspec

from penstock.batch.outcome import Outcome

__all__ = ["Digest", "ErrorClass", "Example", "Latencies", "TargetFigures", "Times"]

_EXAMPLES = 5
_MOST_CLASSES = 40
_MOST_TARGETS = 60
_MOST_SESSIONS = 200
_MESSAGE_CHARS = 600
_OTHER = "(others)"

_T = TypeVar("_T")


class Latencies:
    """Seconds in logarithmic buckets 2 % wide, from 0.1 ms up; percentiles are right within those 2 %."""

    _GROWTH = math.log(1.02)
    _LEAST_S = 0.0001

    def __init__(self) -> None:
        self.buckets: Counter[int] = Counter()
        self.total = 0
        self.max_s = 0.0

    def add(self, seconds: float) -> None:
        self.buckets[int(self.place(seconds))] += 1
        self.total += 1
        self.max_s = max(self.max_s, seconds)

    def percentile(self, share: float) -> float | None:
        """The time that this share of all stayed within; None when there are none."""
        left = math.ceil(share * self.total)
        for at in sorted(self.buckets):
            left -= self.buckets[at]
            if left <= 0:
                return min(self.upper_s(at), self.max_s)
        return None

    def place(self, seconds: float) -> float:
        """Where a time lies among the buckets, as a fraction; never below the first."""
        return math.log(max(seconds, self._LEAST_S) / self._LEAST_S) / self._GROWTH

    def upper_s(self, at: int) -> float:
        """Where bucket `at` ends."""
        return self._LEAST_S * math.exp((at + 1) * self._GROWTH)


class Times:
    """Events by seconds since a start, in at most 512 buckets whose width doubles when they run out."""

    _MOST = 512

    def __init__(self) -> None:
        self.width_s = 0.25
        self.answered: Counter[int] = Counter()
        self.failed: Counter[int] = Counter()
        self.last_s = 0.0

    def add(self, at_s: float, *, answered: bool) -> None:
        at_s = max(0.0, at_s)
        self.last_s = max(self.last_s, at_s)
        while at_s >= self.width_s * self._MOST:
            self.width_s *= 2
            self.answered = _halved(self.answered)
            self.failed = _halved(self.failed)
        (self.answered if answered else self.failed)[int(at_s / self.width_s)] += 1


def _halved(buckets: Counter[int]) -> Counter[int]:
    half: Counter[int] = Counter()
    for at, events in buckets.items():
        half[at // 2] += events
    return half


class Example(msgspec.Struct, frozen=True):
    custom_id: str
    target: str
    http_status: int
    attempts: int
    message: str


class ErrorClass:
    """Failures of one code, with a fair sample of them."""

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[Example] = []

    def add(self, outcome: Outcome, rng: Random) -> None:
        self.count += 1
        place = len(self.examples) if len(self.examples) < _EXAMPLES else rng.randrange(self.count)
        if place >= _EXAMPLES:
            return
        example = Example(
            custom_id=outcome.custom_id[:200],
            target=outcome.target,
            http_status=outcome.http_status,
            attempts=outcome.attempts,
            message=(outcome.error_message or "")[:_MESSAGE_CHARS],
        )
        self.examples[place : place + 1] = [example]


class TargetFigures:
    """What one target, or one version of a prompt, did."""

    def __init__(self) -> None:
        self.answered = 0
        self.failed = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cost_usd: float | None = None
        self.latencies = Latencies()

    def add_costs(self, outcome: Outcome) -> None:
        """Of an answer that was this row's own."""
        if not outcome.cached:
            self.latencies.add(outcome.latency_s)
        self.input_tokens += outcome.input_tokens or 0
        self.output_tokens += outcome.output_tokens or 0
        if outcome.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + outcome.cost_usd


class Digest:
    """Everything a report tells of the outcomes. `starts_s` are when the sessions began, since 1970, in order."""

    def __init__(self, starts_s: Sequence[float], *, rng: Random) -> None:
        self._starts_s = list(starts_s)[-_MOST_SESSIONS:]
        self._rng = rng
        self.times = [Times() for _ in self._starts_s] or [Times()]
        self.answered = 0
        self.failed = 0
        self.statuses: Counter[str] = Counter()
        self.joined = 0
        self.cached = 0
        self.attempts = 0
        self.sent_rows = 0
        """Rows that at least one request was sent for."""
        self.input_tokens = 0
        self.output_tokens = 0
        self.cached_tokens = 0
        self.reasoning_tokens = 0
        self.without_usage = 0
        self.cost_usd: float | None = None
        self.unpriced = 0
        """Answers whose price isn't known."""
        self.latencies = Latencies()
        self.errors: dict[str, ErrorClass] = {}
        self.targets: dict[str, TargetFigures] = {}
        self.prompts: dict[str, TargetFigures] = {}
        """By name@version, of rows that a library's prompt asked."""

    def add(self, outcome: Outcome) -> None:
        is_answer = outcome.state == "answered"
        self._place(outcome.at_s, answered=is_answer)
        self.statuses[outcome.status] += 1
        self.attempts += outcome.attempts
        self.sent_rows += outcome.attempts > 0
        concerned = [
            _at(table, name, TargetFigures, _MOST_TARGETS)
            for table, name in ((self.targets, outcome.target), (self.prompts, outcome.prompt))
            if name
        ]
        if not is_answer:
            self.failed += 1
            _at(self.errors, outcome.error_code or "unknown", ErrorClass, _MOST_CLASSES).add(outcome, self._rng)
            for one in concerned:
                one.failed += 1
            return
        self.answered += 1
        self.joined += outcome.joined
        self.cached += outcome.cached
        for one in concerned:
            one.answered += 1
        if not outcome.joined:  # its tokens, cost and latency are another row's
            self._add_costs(outcome)
            for one in concerned:
                one.add_costs(outcome)

    def _add_costs(self, outcome: Outcome) -> None:
        if not outcome.cached:
            self.latencies.add(outcome.latency_s)
        self.without_usage += outcome.input_tokens is None
        self.input_tokens += outcome.input_tokens or 0
        self.output_tokens += outcome.output_tokens or 0
        self.cached_tokens += outcome.cached_tokens
        self.reasoning_tokens += outcome.reasoning_tokens
        self.unpriced += outcome.cost_usd is None
        if outcome.cost_usd is not None:
            self.cost_usd = (self.cost_usd or 0.0) + outcome.cost_usd

    def _place(self, at_s: float, *, answered: bool) -> None:
        if not self._starts_s:
            self._starts_s = [at_s]
        number = max(0, bisect_right(self._starts_s, at_s) - 1)
        self.times[number].add(at_s - self._starts_s[number], answered=answered)


def _at(table: dict[str, _T], key: str, make: type[_T], most: int) -> _T:
    if key not in table and len(table) >= most:
        key = _OTHER
    found = table.get(key)
    if found is None:
        found = table[key] = make()
    return found
