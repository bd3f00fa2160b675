"""`python -m bench.tail_sim`: what hedging makes of a slow tail, in discrete events and from cold. No network, no loop.

Each row is one pair of equal targets: the worst of several seeds, as hedged / without (p50, p99, p99.9), and the extra
requests. A call asks for its delay when it starts, again every 0.25 s while there is none, and again when it is due;
timers ring in ticks of 50 ms, as in the race.
"""

from __future__ import annotations

import argparse
import heapq
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from penstock.race.hedging import HedgeBudget, HedgePlanner
from penstock.race.latency import Distribution, LatencyBook, size_class

__all__ = ["Arrivals", "Call", "Outcome", "Weather", "main", "simulate"]

LOOK_S = 0.25
TICK_S = 0.05


@dataclass(frozen=True)
class Weather:
    """How long a target takes: a log-normal fast mode, and some that take longer."""

    fast_s: float = 1.0
    spread: float = 0.3
    """Sigma of the log-normal; 0: constant."""
    slow_share: float = 0.05
    slow_times: float = 10.0
    brown_s: tuple[float, float] = (0.0, 0.0)
    """From when until when everything takes `slow_times` as long."""

    @property
    def mean_s(self) -> float:
        return self.fast_s * math.exp(self.spread**2 / 2) * (1 + self.slow_share * (self.slow_times - 1))

    def takes_s(self, rng: random.Random, now_s: float, size: float) -> float:
        seconds = self.fast_s * size * math.exp(rng.gauss(0.0, self.spread))
        if rng.random() < self.slow_share:
            seconds *= self.slow_times
        if self.brown_s[0] <= now_s < self.brown_s[1]:
            seconds *= self.slow_times
        return seconds


@dataclass(frozen=True)
class Arrivals:
    """So many in flight all the time, or as a Poisson stream that comes to as many on average."""

    form: str
    in_flight: int

    def times(self, count: int, mean_s: float, rng: random.Random) -> Iterator[float]:
        if self.form == "closed":
            yield from [0.0] * min(self.in_flight, count)
            return
        now_s = 0.0
        for _ in range(count):
            now_s += rng.expovariate(self.in_flight / mean_s)
            yield now_s


@dataclass(slots=True)
class Attempt:
    """One that runs, at a target whose times it adds to."""

    times: Distribution
    started_s: float
    ticket: int = 0

    def __post_init__(self) -> None:
        self.ticket = self.times.started(self.started_s)

    def ended(self, now_s: float, *, won: bool) -> None:
        learn = self.times.observe if won else self.times.censored
        learn(now_s - self.started_s, now_s, ticket=self.ticket)


@dataclass(slots=True)
class Call:
    """One request: when it started, what its first attempt would take alone, and what it took."""

    started_s: float
    size: float
    alone_s: float
    first: Attempt
    planner: HedgePlanner
    second: Attempt | None = None
    took_s: float = math.nan


@dataclass
class Outcome:
    """All calls of one simulation, in order of their start."""

    calls: list[Call] = field(default_factory=list)
    hedges: int = 0
    refused: int = 0
    """Hedges that the budget didn't allow."""
    delay_s: float = math.inf
    """The last plan of the usual kind."""

    @property
    def extra(self) -> float:
        return self.hedges / len(self.calls)

    def ratio(self, q: float, *, from_s: float = 0.0) -> float:
        """The quantile with hedging / the same without, of the calls that started from then on."""
        calls = [call for call in self.calls if call.started_s >= from_s]
        return _quantile([c.took_s for c in calls], q) / _quantile([c.alone_s for c in calls], q)


def _quantile(values: list[float], q: float) -> float:
    values.sort()
    return values[max(0, math.ceil(q * len(values)) - 1)]


class _World:
    """Two targets, a route's budget, and a queue of events."""

    def __init__(self, weather: tuple[Weather, Weather], arrivals: Arrivals, count: int, share: float, seed: int):
        self.weather = weather
        self.closed = arrivals.form == "closed"
        self.rng = random.Random(seed)
        self.share = share
        self.books = LatencyBook(), LatencyBook()
        self.planners: dict[int, HedgePlanner] = {}
        self.budget = HedgeBudget(share)
        self.events: list[tuple[float, int, str, Call | None]] = []
        self.numbers = 0
        self.outcome = Outcome()
        self.left = count
        for at_s in arrivals.times(count, weather[0].mean_s, random.Random(seed + 1)):
            self.at(at_s, "start", None)

    def at(self, at_s: float, event: str, call: Call | None) -> None:
        self.numbers += 1
        heapq.heappush(self.events, (at_s, self.numbers, event, call))

    def run(self, sizes: Sequence[float]) -> Outcome:
        now_s = 0.0
        while self.events:
            now_s, _, event, call = heapq.heappop(self.events)
            if call is None:
                self.start(now_s, self.rng.choice(sizes))
            elif not math.isnan(call.took_s):
                continue
            elif event == "look":
                self.look(now_s, call)
            elif event == "due":
                self.hedge(now_s, call)
            else:
                self.end(now_s, call, by_first=event == "first")
        kind = max(self.planners, key=lambda kind: self.books[0].of(kind).total.count)
        self.outcome.delay_s = self.planners[kind].delay_s(now_s)
        return self.outcome

    def start(self, now_s: float, size: float) -> None:
        self.left -= 1
        self.budget.deposit()
        kind = size_class(round(100 * size))
        first, second = (book.of(kind).total for book in self.books)
        planner = self.planners.get(kind)
        if planner is None:
            planner = self.planners[kind] = HedgePlanner(first, second, share=self.share)
        takes_s = self.weather[0].takes_s(self.rng, now_s, size)
        call = Call(now_s, size, takes_s, Attempt(first, now_s), planner)
        self.outcome.calls.append(call)
        self.at(now_s + takes_s, "first", call)
        self.look(now_s, call)

    def look(self, now_s: float, call: Call) -> None:
        delay_s = call.planner.delay_s(now_s)
        if delay_s == math.inf:
            self.at(now_s + LOOK_S, "look", call)
        else:
            self.at(max(now_s, math.ceil((call.started_s + delay_s) / TICK_S) * TICK_S), "due", call)

    def hedge(self, now_s: float, call: Call) -> None:
        if now_s - call.started_s < call.planner.delay_s(now_s) - 1e-9:
            self.look(now_s, call)
        elif not self.budget.withdraw():
            self.outcome.refused += 1
        else:
            self.outcome.hedges += 1
            times = self.books[1].of(size_class(round(100 * call.size))).total
            call.second = Attempt(times, now_s)
            self.at(now_s + self.weather[1].takes_s(self.rng, now_s, call.size), "second", call)

    def end(self, now_s: float, call: Call, *, by_first: bool) -> None:
        call.took_s = now_s - call.started_s
        call.first.ended(now_s, won=by_first)
        if call.second is not None:
            call.second.ended(now_s, won=not by_first)
        if self.closed and self.left > 0:
            self.at(now_s, "start", None)


def simulate(
    weather: Weather,
    arrivals: Arrivals,
    *,
    count: int = 10_000,
    seed: int = 0,
    share: float = 0.05,
    second: Weather | None = None,
    sizes: Sequence[float] = (1.0,),
) -> Outcome:
    """`count` calls from cold. `second` is the other target's weather (None: the same), `sizes` are factors of the time
    that requests of several kinds take."""
    return _World((weather, second or weather), arrivals, count, share, seed).run(sizes)


# The table.

ARRIVALS = tuple(Arrivals(form, in_flight) for form in ("closed", "poisson") for in_flight in (20, 100, 500))
FAST_S = (0.1, 0.5, 1.0, 2.0, 5.0)
SPREADS = (0.0, 0.1, 0.3, 0.5)


def _row(label: str, outcomes: Sequence[Outcome], unit_s: float) -> str:
    def worst(q: float) -> float:
        return max(outcome.ratio(q) for outcome in outcomes)

    extra = max(outcome.extra for outcome in outcomes)
    refused = max(outcome.refused for outcome in outcomes)
    ratios = " | ".join(f"{worst(q):.2f}" for q in (0.5, 0.99, 0.999))
    return f"| {label} | {ratios} | {extra:.1%} | {refused} | {outcomes[0].delay_s / unit_s:.2f} |"


def _grid(count: int, seeds: range) -> Iterator[str]:
    for spread in SPREADS:
        for fast_s in FAST_S:
            weather = Weather(fast_s, spread)
            for arrivals in ARRIVALS:
                outcomes = [simulate(weather, arrivals, count=count, seed=seed) for seed in seeds]
                yield _row(f"{spread:g} | {fast_s:g} s | {arrivals.form} {arrivals.in_flight}", outcomes, fast_s)


def _cases(count: int, seeds: range) -> Iterator[str]:
    usual = Weather()
    brown = replace(usual, brown_s=(60.0, 120.0))
    cases: dict[str, tuple[Weather, Weather | None, Sequence[float]]] = {
        "no tail": (replace(usual, slow_share=0.0), None, (1.0,)),
        "no tail, spread 0.5": (replace(usual, slow_share=0.0, spread=0.5), None, (1.0,)),
        "1 % slow": (replace(usual, slow_share=0.01), None, (1.0,)),
        "2 % slow": (replace(usual, slow_share=0.02), None, (1.0,)),
        "10 % slow": (replace(usual, slow_share=0.1), None, (1.0,)),
        "3 times slower": (replace(usual, slow_times=3.0), None, (1.0,)),
        "the other target is 3 times slower": (usual, replace(usual, fast_s=3.0), (1.0,)),
        "the other target has no tail": (usual, replace(usual, slow_share=0.0), (1.0,)),
        "three sizes, taking 1, 3 and 9 times as long": (usual, None, (1.0, 3.0, 9.0)),
        "all 10 times slower for 60 s": (brown, None, (1.0,)),
    }
    for name, (weather, second, sizes) in cases.items():
        for arrivals in ARRIVALS[1], ARRIVALS[4]:
            outcomes = [
                simulate(weather, arrivals, count=count, seed=seed, second=second, sizes=sizes) for seed in seeds
            ]
            yield _row(f"{name} | {arrivals.form} {arrivals.in_flight}", outcomes, 1.0)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.tail_sim", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="requests of each simulation")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=("grid", "cases"))
    given = parser.parse_args()
    seeds = range(given.seeds)
    head = "p50 | p99 | p99.9 | extra | refused | delay / fast |"
    if given.only != "cases":
        print(f"| spread | fast | arrivals | {head}\n|{'---|' * 9}")
        for line in _grid(given.count, seeds):
            print(line, flush=True)
    if given.only != "grid":
        print(f"\n| case | arrivals | {head}\n|{'---|' * 8}")
        for line in _cases(given.count, seeds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
