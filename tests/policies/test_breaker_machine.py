"""Whatever is done to a breaker, in whatever order."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.policies.breaker import Breaker, Ending


@dataclass(eq=False)
class Running:
    ticket: int
    started_s: float
    is_silent: bool = False
    heard: bool = False


class BreakerMachine(RuleBasedStateMachine):
    """A target that is up or down, callers that keep to the breaker's advice or don't."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(random.Random(7))
        self.now_s = 0.0
        self.running: list[Running] = []

    def start(self) -> Running:
        attempt = Running(self.breaker.started(self.now_s), self.now_s)
        self.running.append(attempt)
        return attempt

    def end(self, attempt: Running, ending: Ending) -> None:
        self.running.remove(attempt)
        self.breaker.ended(attempt.ticket, attempt.started_s, self.now_s, ending, was_silent=attempt.is_silent)

    @rule(seconds=st.sampled_from([0.0, 0.001, 0.05, 0.4, 1.0, 3.0, 12.0]))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(count=st.integers(1, 15))
    def callers_that_listen(self, count: int) -> None:
        for _ in range(count):
            if self.breaker.wait_s(self.now_s) == 0.0:
                self.start()

    @rule()
    def a_caller_that_does_not(self) -> None:
        self.start()

    @precondition(lambda self: self.running)
    @rule(data=st.data(), ending=st.sampled_from(["good", "bad", "bad", "neutral"]))
    def one_ends(self, data: st.DataObject, ending: Ending) -> None:
        self.end(data.draw(st.sampled_from(self.running)), ending)

    @precondition(lambda self: self.running)
    @rule(ending=st.sampled_from(["good", "bad", "bad"]))
    def all_end(self, ending: Ending) -> None:
        for attempt in self.running[:]:
            self.end(attempt, ending)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def one_is_silent(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(self.running))
        if not attempt.is_silent:
            attempt.is_silent = True
            self.breaker.silent(attempt.ticket, attempt.started_s, self.now_s)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def one_is_heard(self, data: st.DataObject) -> None:
        attempt = data.draw(st.sampled_from(self.running))
        if not attempt.heard:
            self.breaker.heard(attempt.ticket, attempt.started_s, self.now_s, was_silent=attempt.is_silent)
            attempt.heard, attempt.is_silent = True, False

    @invariant()
    def counts_agree_with_what_runs(self) -> None:
        assert self.breaker.in_flight == sum(not attempt.is_silent for attempt in self.running)
        assert self.breaker.silent_in_flight == sum(attempt.is_silent for attempt in self.running)

    @invariant()
    def no_probe_is_let_through_beside_a_young_one(self) -> None:
        breaker = self.breaker
        if breaker.is_closed or breaker.state(self.now_s) == "ramping" or breaker.wait_s(self.now_s) > 0.0:
            return
        # Those that said something, or were overtaken by an attempt that ended well, don't count: the breaker
        # is half-open with one good probe then.
        young = [
            a for a in self.running if a.ticket and not a.is_silent and not a.heard and self.now_s < a.started_s + 10
        ]
        assert not young or not breaker.is_open

    @invariant()
    def waits_are_bounded(self) -> None:
        assert 0.0 <= self.breaker.wait_s(self.now_s) <= 10.0 + 1e-6

    @invariant()
    def states_exclude_each_other(self) -> None:
        breaker = self.breaker
        assert breaker.is_closed == (breaker.state(self.now_s) == "closed")
        assert not (breaker.is_open and breaker.state(self.now_s) in ("closed", "ramping"))

    @invariant()
    def nothing_is_counted_below_zero(self) -> None:
        breaker = self.breaker
        assert min(breaker._good, breaker._bad, *breaker._goods, *breaker._bads, breaker._stale) >= 0

    def teardown(self) -> None:
        """The target is well from now on: callers that keep to the advice close it, whatever still hangs."""
        until_s = self.now_s + 600.0
        while not self.breaker.is_closed and self.now_s < until_s:
            self.now_s += self.breaker.wait_s(self.now_s)
            if self.breaker.wait_s(self.now_s) == 0.0:
                attempt = self.start()
                self.now_s += 0.1
                self.end(attempt, "good")
        assert self.breaker.is_closed


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
