"""Outages on paper: callers, breakers, turns and budgets as discrete events, without an event loop.

`python -m bench.outages` prints a table of scenarios. The callers' half is a model of the race: a first attempt, full
jitter, budgets, one more attempt beside a silent one, a deadline.
"""

from __future__ import annotations

import heapq
import math
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from penstock.policies.breaker import Breaker
from penstock.race.backoff import full_jitter_s
from penstock.race.budgets import RetryBudget
from penstock.race.outage import ProbeTurns

__all__ = ["Fault", "Figures", "Outage", "Scenario", "Simulation", "simulate"]

Fault = Literal["503", "refused", "hang", "stall"]

_FAILS_AFTER_S: dict[Fault, tuple[float, float]] = {"503": (0.03, 0.08), "refused": (0.001, 0.002)}


@dataclass(frozen=True)
class Outage:
    """A target fails a share of what is asked of it between two instants.

    What hangs never comes back; what stalls does after the end.
    """

    target: int
    from_s: float
    to_s: float
    fault: Fault = "503"
    share: float = 1.0


@dataclass(frozen=True)
class Scenario:
    """What callers do, and what happens to targets meanwhile."""

    name: str = ""
    targets: int = 3
    outages: tuple[Outage, ...] = ()
    callers: int = 200
    """In a closed loop: each asks again as soon as it was answered or gave up. 0: see `rate_per_s`."""
    rate_per_s: float = 0.0
    length_s: float = 120.0
    deadline_s: float = 30.0
    median_s: float = 1.0
    sigma: float = 0.4
    silent_s: float = 3.0
    """An attempt that is older is called silent."""
    watch: tuple[float, float] = (30.0, 90.0)
    """The time whose attempts are counted; the return is measured from its end, for which `length_s` leaves room."""
    make_breaker: Callable[[random.Random], Breaker] = Breaker
    silent_budget: tuple[float, float] | None = (1.0, 20.0)
    """What a success pays in for attempts beside silent ones, and the cap; None: unbounded."""
    turns_in_ramps: bool = False
    """Whether callers take turns too where no place is free at a target that is coming back."""
    windows_are_free: bool = True
    """Whether a place in the window of a target that is coming back needs no budget."""
    turns_are_paid: bool = False
    """Whether turns and probes are paid from the retry budget."""


@dataclass
class Figures:
    """What came of a scenario."""

    calls: int = 0
    """Of those that overlap the watched time."""
    extra: int = 0
    """Attempts of theirs, started before its end, beyond one for each."""
    answered: int = 0
    gave_up: int = 0
    attempts: int = 0
    return_s: float = math.inf
    """Seconds from the end of the watched time to 90 % of the rate of answers before it (over 1 s)."""
    usual_peak: int = 0
    """The most starts within 100 ms before the watched time ..."""
    peak: int = 0
    """... and in the 20 s after it."""
    opened: list[int] = field(default_factory=list)
    most_probes: int = 0
    """The most probes that ran at a target at once, silent ones not counted."""
    answers: list[Counter[int]] = field(default_factory=list)
    """For each target the answers of each second."""
    starts: list[Counter[int]] = field(default_factory=list)
    """For each target the starts of each second."""

    @property
    def extra_share(self) -> float:
        return self.extra / max(1, self.calls)


class _Call:
    __slots__ = (
        "attempts",
        "began_s",
        "done",
        "exempt_s",
        "failures",
        "not_before_s",
        "running",
        "silent_at",
        "watched",
    )

    def __init__(self, began_s: float, targets: int) -> None:
        self.began_s = began_s
        self.attempts = 0
        self.watched = 0
        """Attempts before the end of the watched time."""
        self.done = False
        self.failures = [0] * targets
        self.not_before_s = [-math.inf] * targets
        self.silent_at: set[int] = set()
        self.running: list[_Attempt] = []
        self.exempt_s: float | None = None


class _Attempt:
    __slots__ = ("call", "over", "silent", "started_s", "target", "ticket")

    def __init__(self, call: _Call, target: int, started_s: float, ticket: int) -> None:
        self.call = call
        self.target = target
        self.started_s = started_s
        self.ticket = ticket
        self.silent = False
        self.over = False


class Simulation:
    """One scenario and one seed."""

    def __init__(self, scenario: Scenario, seed: int = 1) -> None:
        self.scenario = scenario
        self.now_s = 0.0
        self.rng = random.Random(seed)
        self.breakers = [scenario.make_breaker(random.Random(seed * 100 + n)) for n in range(scenario.targets)]
        self.turns = ProbeTurns(random.Random(seed * 100 + 99))
        self.budget = RetryBudget()
        per_success, cap = scenario.silent_budget or (0.0, math.inf)
        self.silences = RetryBudget(per_success, cap, cap)
        self.figures = Figures(answers=[Counter() for _ in self.breakers], starts=[Counter() for _ in self.breakers])
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self._probes = [0] * scenario.targets
        self._tenths: Counter[int] = Counter()
        self._answer_times: list[float] = []

    def run(self) -> Figures:
        scenario = self.scenario
        for _ in range(scenario.callers):
            self._at(self.rng.random(), self._new_call)
        if scenario.rate_per_s:
            self._at(0.0, self._arrive)
        while self._events:
            at_s, _, event = heapq.heappop(self._events)
            if at_s > scenario.length_s:
                break
            self.now_s = at_s
            event()
        self._measure()
        return self.figures

    def _at(self, at_s: float, event: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._events, (at_s, self._number, event))

    # Callers.

    def _arrive(self) -> None:
        self._new_call()
        self._at(self.now_s + self.rng.expovariate(self.scenario.rate_per_s), self._arrive)

    def _new_call(self) -> None:
        call = _Call(self.now_s, self.scenario.targets)
        self._at(self.now_s + self.scenario.deadline_s, lambda: self._finish(call, None))
        self._step(call)

    def _finish(self, call: _Call, answer: _Attempt | None) -> None:
        if call.done:
            return
        call.done = True
        figures, (from_s, to_s) = self.figures, self.scenario.watch
        for attempt in call.running:
            if attempt is not answer and not attempt.over:
                self._end(attempt, "neutral")
        if answer is None:
            figures.gave_up += 1
        else:
            figures.answered += 1
            figures.answers[answer.target][int(self.now_s)] += 1
            self._answer_times.append(self.now_s)
            self.budget.deposit()
            self.silences.deposit()
        if call.began_s < to_s and self.now_s >= from_s:
            figures.calls += 1
            figures.extra += max(0, call.watched - 1)
        if self.scenario.callers:
            self._at(self.now_s, self._new_call)

    def _step(self, call: _Call) -> None:
        """What the call does now: nothing, a wait, or an attempt."""
        now_s = self.now_s
        if call.done or any(not attempt.silent for attempt in call.running):
            return
        place, at_s, is_turn = self._choose(call)
        if at_s > now_s:
            self._at(at_s, lambda: self._step(call))
        elif not call.attempts or (is_turn and not self.scenario.turns_are_paid) or self._is_paid(call, place):
            self._start(call, place)
        elif (other := self._free_window(call)) is not None:
            self._start(call, other)
        else:
            self._at(now_s + max(0.05, self._backoff_s(call.attempts)), lambda: self._step(call))

    def _choose(self, call: _Call) -> tuple[int, float, bool]:
        """A target, when, and whether it is asked as a probe."""
        best: tuple[bool, float, int, bool] | None = None
        shut: tuple[float, int] | None = None
        for place, breaker in enumerate(self.breakers):
            if not breaker.is_closed and (wait_s := breaker.wait_s(self.now_s)) > 0.0:
                shut = min(shut or (math.inf, 0), (wait_s, place))
                continue
            silent, is_probe = place in call.silent_at, breaker.state(self.now_s) == "half_open"
            ready_s = max(self.now_s, call.not_before_s[place])
            if best is None or (silent, ready_s) < best[:2]:
                best = (silent, ready_s, place, is_probe)
        if best is not None:
            return best[2], best[1], best[3]
        assert shut is not None
        if not self.scenario.turns_in_ramps and not all(breaker.is_open for breaker in self.breakers):
            return shut[1], self.now_s + shut[0], False
        return shut[1], self.now_s + self.turns.ask_s(self.now_s, tried=call.attempts > 0), True

    def _free_window(self, call: _Call) -> int | None:
        """A target that is coming back and has a place: for callers that can't pay for one that never went."""
        for place, breaker in enumerate(self.breakers):
            if call.not_before_s[place] <= self.now_s and not breaker.is_closed and not breaker.wait_s(self.now_s):
                return place if self.scenario.windows_are_free else None
        return None

    def _is_paid(self, call: _Call, place: int) -> bool:
        if self.scenario.windows_are_free and not self.breakers[place].is_closed:
            return True
        if call.running:
            return self.silences.withdraw()
        if self.budget.withdraw():
            return True
        if call.exempt_s is None:
            left_s = call.began_s + self.scenario.deadline_s - self.now_s
            call.exempt_s = self.now_s + left_s * self.rng.uniform(0.3, 0.6)
        if self.now_s < call.exempt_s or not self.breakers[place].is_closed:
            return False
        call.exempt_s = math.inf
        return True

    # Attempts.

    def _start(self, call: _Call, place: int) -> None:
        now_s, figures = self.now_s, self.figures
        call.attempts += 1
        call.watched += now_s < self.scenario.watch[1]
        figures.attempts += 1
        figures.starts[place][int(now_s)] += 1
        self._tenths[int(now_s * 10)] += 1
        attempt = _Attempt(call, place, now_s, self.breakers[place].started(now_s))
        self._probes[place] += attempt.ticket > 0
        figures.most_probes = max(figures.most_probes, self._probes[place])
        call.running.append(attempt)
        self._at(now_s + self.scenario.silent_s, lambda: self._is_late(attempt))
        outage = self._outage(place, now_s)
        if outage is None:
            comes_s = now_s + self.scenario.median_s * math.exp(self.rng.gauss(0.0, self.scenario.sigma))
            later = self._outage(place, comes_s)
            if later is None or later.share < 1.0 or later.fault not in ("hang", "stall"):
                self._at(comes_s, lambda: self._comes(attempt))
            elif later.fault == "stall":
                self._at(later.to_s + comes_s - now_s, lambda: self._comes(attempt))
        elif outage.fault == "stall":
            self._at(outage.to_s + self.scenario.median_s, lambda: self._comes(attempt))
        elif outage.fault != "hang":
            self._at(now_s + self.rng.uniform(*_FAILS_AFTER_S[outage.fault]), lambda: self._fails(attempt))

    def _outage(self, place: int, at_s: float) -> Outage | None:
        for outage in self.scenario.outages:
            if outage.target == place and outage.from_s <= at_s < outage.to_s:
                return outage if self.rng.random() < outage.share else None
        return None

    def _end(self, attempt: _Attempt, ending: Literal["good", "bad", "neutral"]) -> None:
        attempt.over = True
        if attempt.ticket and not attempt.silent:
            self._probes[attempt.target] -= 1
        attempt.call.running.remove(attempt) if ending == "bad" else None
        self.breakers[attempt.target].ended(
            attempt.ticket, attempt.started_s, self.now_s, ending, was_silent=attempt.silent
        )

    def _comes(self, attempt: _Attempt) -> None:
        if not attempt.over:
            self._end(attempt, "good")
            self._finish(attempt.call, attempt)

    def _fails(self, attempt: _Attempt) -> None:
        if attempt.over:
            return
        self._end(attempt, "bad")
        call, place = attempt.call, attempt.target
        call.failures[place] += 1
        call.not_before_s[place] = self.now_s + self._backoff_s(call.failures[place])
        self._step(call)

    def _is_late(self, attempt: _Attempt) -> None:
        if attempt.over:
            return
        attempt.silent = True
        self._probes[attempt.target] -= attempt.ticket > 0
        self.breakers[attempt.target].silent(attempt.ticket, attempt.started_s, self.now_s)
        attempt.call.silent_at.add(attempt.target)
        self._step(attempt.call)

    def _backoff_s(self, failures: int) -> float:
        return full_jitter_s(failures, self.rng)

    # Figures.

    def _measure(self) -> None:
        figures, (from_s, to_s) = self.figures, self.scenario.watch
        figures.opened = [breaker.opened for breaker in self.breakers]
        before = sum(from_s - 20.0 <= at_s < from_s for at_s in self._answer_times) / 20.0
        tenths = Counter(int(at_s * 10) for at_s in self._answer_times)
        for tenth in range(int(to_s * 10), int(self.scenario.length_s * 10) - 10):
            if sum(tenths[tenth + n] for n in range(10)) >= 0.9 * before:
                figures.return_s = tenth / 10 + 1.0 - to_s
                break
        figures.usual_peak = max((self._tenths[n] for n in range(int(from_s * 10) - 200, int(from_s * 10))), default=0)
        figures.peak = max((self._tenths[n] for n in range(int(to_s * 10), int(to_s * 10) + 200)), default=0)


def simulate(scenario: Scenario, seed: int = 1) -> Figures:
    """Play a scenario once; the same seed plays it again."""
    return Simulation(scenario, seed).run()
