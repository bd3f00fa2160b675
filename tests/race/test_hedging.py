"""When a hedge pays, and what may be spent on hedges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.race.hedging import HedgeBudget, HedgePlanner, best_delay_s
from penstock.race.latency import EDGES_S, Distribution, Survival

USUAL = [1.0] * 950 + [10.0] * 50
SPREAD = [math.exp(0.4 * NormalDist().inv_cdf((place + 0.5) / 950)) for place in range(950)] + [30.0] * 50


def of(values: Sequence[float], *, running: Sequence[float] = (), now_s: float = 0.0) -> Distribution:
    distribution = Distribution()
    for seconds in values:
        distribution.observe(seconds, now_s)
    for age_s in running:
        distribution.started(now_s - age_s)
    return distribution


def delay_of(first: Distribution, second: Distribution, *, share: float = 0.05) -> float:
    return HedgePlanner(first, second, share=share).delay_s(0.0)


# The delay.


@pytest.mark.parametrize("fast_s", [0.02, 0.1, 1.0, 5.0, 60.0])
def test_a_slow_tail_is_hedged_as_soon_as_the_fast_mode_is_over(fast_s: float) -> None:
    times = of([value * fast_s for value in USUAL])
    assert fast_s <= delay_of(times, times) <= 1.1 * fast_s


NOT_WORTH_IT = {
    "constant": ([1.0] * 1000, USUAL),
    "a second target that is as slow as the tail": (USUAL, [10.0] * 1000),
    "a tail that a hedge can't overtake": ([1.0] * 950 + [2.0] * 50, [1.0] * 1000),
    "too few samples": ([1.0] * 15 + [10.0] * 4, USUAL),
}


@pytest.mark.parametrize("name", NOT_WORTH_IT)
def test_no_hedge_when_it_is_not_worth_it(name: str) -> None:
    first, second = NOT_WORTH_IT[name]
    assert delay_of(of(first), of(second)) == math.inf


@pytest.mark.parametrize("slow", [10, 20, 40, 60, 80, 100, 150, 200, 300])
def test_a_tail_rarer_or_more_common_than_the_budget_is_hedged_at_the_same_age(slow: int) -> None:
    times = of([1.0] * (1000 - slow) + [10.0] * slow)
    assert 1.0 <= delay_of(times, times) <= 1.1


def test_a_spread_fast_mode_is_hedged_where_the_budget_is_just_spent() -> None:
    delay_s = delay_of(of(SPREAD), of(SPREAD))
    assert sum(value > delay_s for value in SPREAD) == pytest.approx(55, abs=3)


def test_a_larger_budget_hedges_earlier() -> None:
    times = of(SPREAD)
    delays = [delay_of(times, times, share=share) for share in (0.05, 0.1, 0.2)]
    assert delays == sorted(delays, reverse=True)
    assert delays[-1] < delays[0]


def test_what_still_runs_is_seen_before_it_ends() -> None:
    times = of([1.0] * 95, running=[2.0] * 5)
    assert 1.0 <= delay_of(times, Distribution()) <= 1.1


def test_a_fast_mode_that_is_still_coming_in_is_waited_for() -> None:
    values = [0.5 + 0.001 * place for place in range(250)]
    times = of(values, running=[values[-1]] * 250)
    assert delay_of(times, Distribution()) == math.inf


def test_losers_that_were_cancelled_keep_hedging_worth_it() -> None:
    """Every slow one was hedged and cancelled at 2 s: none was ever seen to end."""
    first = of([1.0] * 950)
    for _ in range(50):
        first.censored(2.1, 0.0)
    assert delay_of(first, of([1.0] * 50)) <= 1.1


def test_an_unknown_second_target_is_thought_to_be_like_the_first() -> None:
    assert delay_of(of(USUAL), Distribution()) <= 1.1


def test_a_second_target_that_proves_slow_is_asked_no_more() -> None:
    second = of([40.0] * 30)
    assert delay_of(of(USUAL), second) == math.inf


@given(
    st.lists(st.floats(0.002, 1000), min_size=1, max_size=50),
    st.lists(st.floats(0.002, 1000), max_size=50),
    st.lists(st.floats(0.002, 1000), max_size=50),
    st.floats(0.001, 1.0),
)
def test_a_delay_is_inf_or_within_what_was_seen(
    came: list[float], cut: list[float], other: list[float], budget: float
) -> None:
    first = of(came)
    for age_s in cut:
        first.censored(age_s, 0.0)
    delay_s = best_delay_s(first.survival(0.0), of(other).survival(0.0), budget=budget)
    assert delay_s == math.inf or min(came) / 1.1 < delay_s <= EDGES_S[-1]


def test_nothing_known_is_no_hedge() -> None:
    nothing = Survival([0.0] * len(EDGES_S), [0.0] * len(EDGES_S))
    assert best_delay_s(nothing, nothing, budget=0.05) == math.inf


# When it is worked out.


def test_the_twentieth_answer_is_learnt_from_at_once() -> None:
    first = of([1.0] * 18, running=[3.0])
    planner = HedgePlanner(first, Distribution(), share=0.05)
    assert planner.delay_s(0.0) == math.inf
    first.observe(1.0, 0.0)
    first.observe(1.0, 0.0)
    assert planner.delay_s(0.0) <= 1.1


def test_a_plan_holds_longer_the_older_the_planner_is_but_never_above_five_seconds() -> None:
    first = of(USUAL)
    planner = HedgePlanner(first, first, share=0.05)
    planner.delay_s(0.0)
    assert planner.delay_s(1000.0) <= 1.1
    for _ in range(900):
        first.observe(3.0, 1000.0)
    assert planner.delay_s(1004.9) <= 1.1
    assert planner.delay_s(1005.0) > 2.9


def test_twice_the_samples_are_a_reason_for_a_new_plan() -> None:
    first = of(USUAL)
    planner = HedgePlanner(first, first, share=0.05)
    planner.delay_s(0.0)
    planner.delay_s(1000.0)
    for _ in range(1000):
        first.observe(3.0, 1000.0)
    assert planner.delay_s(1000.0) > 2.9


# The budget.


@given(st.lists(st.booleans(), max_size=2000), st.floats(0.0, 1.0))
def test_hedges_never_exceed_what_was_paid_in(wishes: list[bool], share: float) -> None:
    budget, granted, first_attempts = HedgeBudget(share), 0, 0
    start = budget.level
    for wish in wishes:
        if wish:
            granted += budget.withdraw()
        else:
            budget.deposit()
            first_attempts += 1
    assert granted <= start + 1.15 * share * first_attempts + 1e-6


def test_ten_thousand_requests_that_are_all_late_see_six_hundred_hedges() -> None:
    budget, granted = HedgeBudget(0.05), 0
    for _ in range(10_000):
        budget.deposit()
        granted += budget.withdraw()
    assert 598 <= granted <= 600


@pytest.mark.parametrize(("share", "most"), [(0.001, 20), (0.02, 40), (0.05, 100), (1.0, 100)])
def test_after_a_quiet_time_a_burst_is_bounded(share: float, most: int) -> None:
    budget = HedgeBudget(share)
    for _ in range(100_000):
        budget.deposit()
    assert sum(budget.withdraw() for _ in range(1000)) in (most, most - 1)


def test_no_share_is_no_hedge() -> None:
    budget = HedgeBudget(0.0)
    budget.deposit()
    assert not budget.withdraw()
