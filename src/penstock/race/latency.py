"""How long a target takes, by size of request: what a race learns from the answers it sees. Pure: time is an argument.

All times are seconds. Values lie in log buckets a tenth apart, old ones fade with a half-life of 300 s, and what was
cancelled or still runs counts as "later than its age": left out, the slow answers that hedging cuts short would make a
target look as if it had no tail, and hedging would stop (a p99 ratio of 0.8 instead of 0.25, simulated).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

__all__ = [
    "EDGES_S",
    "ENOUGH",
    "HALF_LIFE_S",
    "KINDS",
    "LEAST_SAMPLES",
    "Distribution",
    "Latency",
    "LatencyBook",
    "Survival",
    "bucket",
    "doubled",
    "mixed",
    "size_class",
]

HALF_LIFE_S: Final = 300.0
LEAST_SAMPLES: Final = 20.0
"""Effective samples below which nothing is said."""
ENOUGH: Final = 100.0
"""Effective samples from which on a size class stands for itself; below, its target's other classes fill it up."""

_GROWTH: Final = 1.1
_FIRST_EDGE_S: Final = 0.001
_BUCKETS: Final = 160
EDGES_S: Final = tuple(_FIRST_EDGE_S * _GROWTH**place for place in range(_BUCKETS))
"""Upper edge of each bucket: 1 ms to about an hour. What is later lies in the last bucket."""

_LAST_EDGE_S: Final = EDGES_S[-1]
_INNER_EDGES_S: Final = EDGES_S[:-1]

_CACHED_S: Final = 1.0
_WEIGHED_S: Final = 1.0
"""How long a new sample's weight is used again: it grows by 0.2 % in that time."""
_MOST_WEIGHT: Final = 2.0**20
_MOST_HALF_LIVES: Final = 60.0
_MOST_RUNNING: Final = 65_536
_MOST_FRESH: Final = 64
_LONGEST_RUN_S: Final = 3600.0
_tickets: Final = count(1)


def bucket(seconds: float) -> int:
    """The place in `EDGES_S` of the first edge that isn't below `seconds`; anything odd goes to either end."""
    return bisect_left(_INNER_EDGES_S, seconds)


class Survival:
    """The chance that an answer takes longer than a time, at the edges of the buckets.

    Product-limit estimate (Kaplan and Meier, 1958): what was cut short, or runs still, is spread over later times in
    the proportions of those that went on. It needn't come down to 0: what never came has no time.
    """

    __slots__ = ("frontier", "later", "samples")

    def __init__(self, came: Sequence[float], cut: Sequence[float]) -> None:
        self.samples = sum(came)
        """Effective samples that came."""
        at_risk = self.samples + sum(cut)
        share, frontier = 1.0, 0
        later = []
        for place, here in enumerate(came):
            lost = cut[place]
            if here > 0.0:
                share = share * (1.0 - here / at_risk) if here < at_risk else 0.0
            if here > 0.0 or lost > 0.0:
                at_risk -= here + lost
                frontier = place
            later.append(share)
        self.later = later
        """For each edge, the share that takes longer."""
        self.frontier = frontier
        """The last bucket that anything was seen in; beyond, nothing is known."""


def mixed(own: Survival, other: Survival, *, enough: float) -> Survival:
    """`own`, filled up with `other` as far as its samples fall short of `enough`."""
    lacking = 1.0 - own.samples / enough
    if lacking <= 0.0:
        return own
    survival = Survival((), ())
    survival.samples = own.samples + lacking * other.samples
    survival.frontier = max(own.frontier, other.frontier)
    survival.later = [
        (1.0 - lacking) * here + lacking * there for here, there in zip(own.later, other.later, strict=True)
    ]
    return survival


class Distribution:
    """Times of one kind of request at one target.

    A sample costs 0.3 us, with its start 0.6; asking is a look-up, worked out anew once a second and when the samples
    doubled. `others` are the distributions that stand in while this one has few samples; it may be among them.
    """

    __slots__ = (
        "_came",
        "_cut",
        "_epoch_s",
        "_fresh",
        "_known",
        "_known_until_s",
        "_others",
        "_quantiles",
        "_quantiles_count",
        "_quantiles_until_s",
        "_running",
        "_weighed_until_s",
        "_weight",
        "count",
    )

    def __init__(self, others: Iterable[Distribution] = ()) -> None:
        self.count = 0
        """Times ever observed or cut, undecayed: grows whenever there is something new to know."""
        self._came = [0.0] * _BUCKETS
        self._cut = [0.0] * _BUCKETS
        self._fresh: list[float] = []
        self._running: dict[int, float] = {}
        self._others = others
        # Samples aren't made lighter: new ones are heavier, all against the weight of a sample at the epoch.
        self._epoch_s = 0.0
        self._weight = 1.0
        self._weighed_until_s = -math.inf
        self._quantiles: dict[float, float] = {}
        self._quantiles_count = 0
        self._quantiles_until_s = -math.inf
        self._known: Survival | None = None
        self._known_until_s = -math.inf

    # What happens.

    def started(self, now_s: float) -> int:
        """A request was sent: until its ticket comes back it counts as later than its age."""
        running = self._running
        if len(running) >= _MOST_RUNNING:
            del running[next(iter(running))]
        ticket = next(_tickets)
        running[ticket] = now_s
        return ticket

    def observe(self, seconds: float, now_s: float, *, ticket: int = 0) -> None:
        """It came after `seconds`."""
        if ticket:
            self._running.pop(ticket, None)
        if now_s >= self._weighed_until_s:
            self._weigh(now_s)
        # Put into their buckets when someone asks, or many at once: that costs a third of one at a time.
        fresh = self._fresh
        fresh.append(seconds)
        self.count += 1
        if len(fresh) >= _MOST_FRESH:
            self._sort_in()

    def _sort_in(self) -> None:
        """Put what came lately into its buckets, at the weight that held since."""
        came, weight = self._came, self._weight
        for seconds in self._fresh:
            came[bisect_left(_INNER_EDGES_S, seconds)] += weight
        self._fresh.clear()

    def censored(self, age_s: float, now_s: float, *, ticket: int = 0) -> None:
        """It was given up at `age_s`, cancelled or failed, and would have come later."""
        if ticket:
            self._running.pop(ticket, None)
        if now_s >= self._weighed_until_s:
            self._weigh(now_s)
        self._cut[bucket(age_s)] += self._weight
        self.count += 1

    # What is known.

    def quantile_s(self, q: float, now_s: float) -> float:
        """The time that a share `q` of those that came kept to, at most a tenth too long; inf below 20 samples."""
        if now_s >= self._quantiles_until_s or self.count >= self._quantiles_count:
            self._quantiles.clear()
            self._quantiles_until_s = now_s + _CACHED_S
            self._quantiles_count = doubled(self.count)
        known_s = self._quantiles.get(q)
        if known_s is None:
            known_s = self._quantiles[q] = self._quantile_s(q, now_s)
        return known_s

    def samples(self, now_s: float) -> float:
        """Effective samples that came, those of the other kinds that stand in included."""
        return sum(self._counts(now_s)[0])

    def survival(self, now_s: float) -> Survival:
        """Of all that was sent: came, cut short or running."""
        return Survival(*self._counts(now_s))

    def chance_beyond(self, seconds: float, age_s: float, now_s: float) -> float | None:
        """Of those that take longer than `age_s`, the share that takes longer than `seconds`; None while few came."""
        if now_s >= self._known_until_s:
            self._known = self.survival(now_s)
            self._known_until_s = now_s + _CACHED_S
        known = self._known
        if known is None or known.samples < ENOUGH:
            return None
        # Edges below and above: what lies between counts as in time.
        place = bucket(age_s)
        here = known.later[place - 1] if place else 1.0
        return known.later[bucket(seconds)] / here if here > 0.0 else 1.0

    def _quantile_s(self, q: float, now_s: float) -> float:
        came, _ = self._counts(now_s)
        total = sum(came)
        if total < LEAST_SAMPLES:
            return math.inf
        wanted, passed = q * total * (1.0 - 1e-9), 0.0
        for place, here in enumerate(came):
            passed += here
            if here > 0.0 and passed >= wanted:
                return EDGES_S[place]
        return _LAST_EDGE_S

    def _counts(self, now_s: float) -> tuple[list[float], list[float]]:
        """Effective samples that came and that were cut, for each bucket, filled up from the other kinds."""
        came, cut = self._own_counts(now_s)
        lacking = ENOUGH - sum(came)
        if lacking <= 0.0:
            return came, cut
        others = [other._own_counts(now_s) for other in self._others if other is not self]
        there = sum(sum(other) for other, _ in others)
        if there > 0.0:
            share = min(1.0, lacking / there)
            for other_came, other_cut in others:
                came = [own + share * other for own, other in zip(came, other_came, strict=True)]
                cut = [own + share * other for own, other in zip(cut, other_cut, strict=True)]
        return came, cut

    def _own_counts(self, now_s: float) -> tuple[list[float], list[float]]:
        self._sort_in()
        faded = _growth(self._epoch_s - now_s)
        cut = [weight * faded for weight in self._cut]
        for began_s in self._running.values():
            age_s = now_s - began_s
            if age_s < _LONGEST_RUN_S:
                cut[bucket(age_s)] += 1.0
        return [weight * faded for weight in self._came], cut

    def _weigh(self, now_s: float) -> None:
        """The weight of a sample of now; brings all back to the weight of 1 before it grows out of hand."""
        self._sort_in()
        weight = _growth(now_s - self._epoch_s)
        if weight > _MOST_WEIGHT or weight < 1.0 / _MOST_WEIGHT:
            self._came = [value / weight for value in self._came]
            self._cut = [value / weight for value in self._cut]
            self._epoch_s = now_s
            weight = 1.0
        self._weight = weight
        self._weighed_until_s = now_s + _WEIGHED_S


def doubled(count: int) -> int:
    """The count at which there is much more to know than now; at first, where anything is."""
    return 2 * count if count >= LEAST_SAMPLES else int(LEAST_SAMPLES)


def _growth(seconds: float) -> float:
    half_lives = seconds / HALF_LIFE_S
    return math.exp2(max(-_MOST_HALF_LIVES, min(_MOST_HALF_LIVES, half_lives)))


KINDS: Final = 7


def size_class(estimate: int) -> int:
    """The kind of a request of about `estimate` tokens: 0 below 8, 1 below 64, and so on to 6 from 262,144 on."""
    return _KIND_OF[min(max(estimate, 0).bit_length(), _MOST_BITS)]


_MOST_BITS: Final = 3 * KINDS + 1
_KIND_OF: Final = tuple(min(max((bits - 1) // 3, 0), KINDS - 1) for bits in range(_MOST_BITS + 1))


class Latency:
    """Both times of one kind of request at one target."""

    __slots__ = ("first_token", "total")

    def __init__(self, first_token: Distribution, total: Distribution) -> None:
        self.first_token = first_token
        self.total = total


class LatencyBook:
    """What is known of one target. A kind with few samples is filled up from the target's other kinds."""

    __slots__ = ("_by_bits", "_kinds")

    def __init__(self) -> None:
        first_tokens: list[Distribution] = []
        totals: list[Distribution] = []
        for _ in range(KINDS):
            first_tokens.append(Distribution(first_tokens))
            totals.append(Distribution(totals))
        self._kinds = tuple(map(Latency, first_tokens, totals))
        self._by_bits = tuple(self._kinds[kind] for kind in _KIND_OF)

    def of(self, kind: int) -> Latency:
        """`kind` is a `size_class`; one out of range is the nearest that there is."""
        return self._kinds[min(max(kind, 0), KINDS - 1)]

    def at(self, estimate: int) -> Latency:
        """That of requests of about `estimate` tokens: `of(size_class(estimate))`, for the hot path."""
        bits = estimate.bit_length() if estimate > 0 else 0
        return self._by_bits[bits if bits < _MOST_BITS else _MOST_BITS]

    def started(self, estimate: int, now_s: float, *, streams: bool) -> tuple[Latency, int]:
        """A request of about so many tokens was sent: its kind, and one ticket for both its times.

        For the total alone when it doesn't stream: nobody will tell of its first token.
        """
        # `at`, and `Distribution.started` of both, written out: every call comes by.
        bits = estimate.bit_length() if estimate > 0 else 0
        latency = self._by_bits[bits if bits < _MOST_BITS else _MOST_BITS]
        ticket = next(_tickets)
        running = latency.total._running
        if len(running) >= _MOST_RUNNING:
            del running[next(iter(running))]
        running[ticket] = now_s
        if streams:
            running = latency.first_token._running
            if len(running) >= _MOST_RUNNING:
                del running[next(iter(running))]
            running[ticket] = now_s
        return latency, ticket
