"""How long a target takes: what is remembered, what fades, what is cut short."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.race.latency import EDGES_S, HALF_LIFE_S, KINDS, Distribution, LatencyBook, Survival, bucket, mixed
from penstock.race.latency import size_class as kind_of

ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
SECONDS = st.floats(0.002, 3000.0)
MANY = st.lists(SECONDS, min_size=20, max_size=60)


def of(*seconds: float, now_s: float = 0.0) -> Distribution:
    distribution = Distribution()
    for value in seconds:
        distribution.observe(value, now_s)
    return distribution


@given(SECONDS)
def test_a_value_lies_at_most_a_tenth_below_its_edge(seconds: float) -> None:
    edge_s = EDGES_S[bucket(seconds)]
    assert edge_s / 1.1 * (1 - 1e-9) <= seconds <= edge_s * (1 + 1e-9)


@given(ANY_FLOAT)
def test_every_number_has_a_bucket(seconds: float) -> None:
    assert 0 <= bucket(seconds) < len(EDGES_S)


@given(st.lists(st.tuples(st.sampled_from(["observe", "censored"]), ANY_FLOAT, st.floats(0, 1e9)), max_size=40))
def test_nothing_that_is_told_makes_it_say_nan(told: list[tuple[str, float, float]]) -> None:
    distribution = Distribution()
    for what, seconds, now_s in told:
        getattr(distribution, what)(seconds, now_s)
        assert not math.isnan(distribution.quantile_s(0.95, now_s))
    for now_s in (0.0, 1e9):
        assert math.isfinite(distribution.samples(now_s))
        assert all(0.0 <= share <= 1.0 for share in distribution.survival(now_s).later)


@given(MANY, st.lists(st.floats(0.01, 0.999), min_size=2, max_size=6))
def test_a_higher_quantile_is_never_shorter(values: list[float], quantiles: list[float]) -> None:
    distribution = of(*values)
    found = [distribution.quantile_s(q, 0.0) for q in sorted(quantiles)]
    assert all(low <= high for low, high in pairwise(found))


@given(MANY, st.sampled_from([0.5, 0.9, 0.95]))
def test_a_quantile_is_that_of_the_values_and_at_most_a_tenth_above(values: list[float], q: float) -> None:
    exact_s = sorted(values)[math.ceil(q * len(values)) - 1]
    assert exact_s * (1 - 1e-9) <= of(*values).quantile_s(q, 0.0) <= exact_s * 1.1 * (1 + 1e-9)


def test_nothing_is_said_below_twenty_samples() -> None:
    distribution = of(*[1.0] * 19)
    assert distribution.quantile_s(0.5, 0.0) == math.inf
    distribution.observe(1.0, 0.0)
    assert distribution.quantile_s(0.5, 0.0) < 1.1


def test_what_never_came_has_no_quantile() -> None:
    distribution = Distribution()
    for _ in range(100):
        distribution.censored(5.0, 0.0)
    assert distribution.quantile_s(0.5, 0.0) == math.inf


def test_what_was_cancelled_doesnt_change_the_quantiles_of_what_came() -> None:
    distribution = of(*[1.0] * 50)
    for _ in range(50):
        distribution.censored(3.0, 0.0)
    assert distribution.quantile_s(0.95, 0.0) < 1.1


def test_samples_weigh_half_after_a_half_life() -> None:
    distribution = of(*[1.0] * 100)
    assert distribution.samples(HALF_LIFE_S) == pytest.approx(50.0)
    assert distribution.samples(4 * HALF_LIFE_S) == pytest.approx(6.25)


def test_new_values_take_over_from_old_ones() -> None:
    distribution = of(*[10.0] * 200)
    for _ in range(200):
        distribution.observe(1.0, 5 * HALF_LIFE_S)
    assert distribution.quantile_s(0.9, 5 * HALF_LIFE_S) < 1.1


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=30))
def test_however_long_it_runs_a_sample_of_now_weighs_one(gaps: list[float]) -> None:
    distribution, now_s = Distribution(), 0.0
    for gap_s in gaps:
        now_s += gap_s
        before = distribution.samples(now_s)
        distribution.observe(1.0, now_s)
        assert distribution.samples(now_s) == pytest.approx(before + 1.0, rel=0.01)


def test_a_clock_that_went_back_or_far_ahead_only_changes_weights() -> None:
    distribution = of(*[1.0] * 30, now_s=1e9)
    distribution.observe(1.0, 0.0)
    distribution.observe(1.0, 2e9)
    assert distribution.samples(2e9) == pytest.approx(1.0, abs=0.1)


# What is cut short.


def later_than(distribution: Distribution, seconds: float) -> float:
    return distribution.survival(0.0).later[bucket(seconds)]


@given(MANY, SECONDS, st.integers(1, 20))
def test_whatever_is_cut_short_makes_the_tail_longer_never_shorter(values: list[float], age: float, n: int) -> None:
    came, with_cut = of(*values), of(*values)
    for _ in range(n):
        with_cut.censored(age, 0.0)
    pairs = zip(came.survival(0.0).later, with_cut.survival(0.0).later, strict=True)
    assert all(plain <= cut + 1e-9 for plain, cut in pairs)


@given(MANY)
def test_a_running_request_counts_as_one_that_is_cut_at_its_age(values: list[float]) -> None:
    running, cut = of(*values), of(*values)
    running.started(-2.0)
    cut.censored(2.0, 0.0)
    assert running.survival(0.0).later == pytest.approx(cut.survival(0.0).later)


def test_cut_samples_are_spread_in_the_proportions_of_those_that_went_on() -> None:
    """Ten came at 1 s, ten were cut at 2 s, of what went on half came at 4 s and half at 8 s: so will the ten."""
    distribution = of(*[1.0] * 10, *[4.0] * 5, *[8.0] * 5)
    for _ in range(10):
        distribution.censored(2.0, 0.0)
    assert later_than(distribution, 2.0) == pytest.approx(20 / 30)
    assert later_than(distribution, 4.0) == pytest.approx(10 / 30)
    assert later_than(distribution, 8.0) == 0.0


def test_what_has_not_come_yet_has_no_end() -> None:
    distribution = of(*[1.0] * 95)
    for _ in range(5):
        distribution.started(-3.0)
    survival = distribution.survival(0.0)
    assert survival.later[-1] == pytest.approx(0.05)
    assert survival.frontier == bucket(3.0)


@pytest.mark.parametrize("ending", ["observe", "censored"])
def test_an_ended_request_runs_no_more(ending: str) -> None:
    distribution = of(*[1.0] * 30)
    ticket = distribution.started(-1.0)
    getattr(distribution, ending)(1.0, 0.0, ticket=ticket)
    survival = distribution.survival(100.0)
    assert survival.frontier == bucket(1.0)


@pytest.mark.parametrize("streams", [True, False])
def test_a_request_runs_in_both_its_times_under_one_ticket(streams: bool) -> None:
    book = LatencyBook()
    latency, ticket = book.started(100, -3.0, streams=streams)
    assert latency is book.at(100)
    running = [sum(times._own_counts(0.0)[1]) for times in (latency.total, latency.first_token)]
    assert running == [1.0, float(streams)]
    for times in (latency.total, latency.first_token):
        times.observe(3.0, 0.0, ticket=ticket)
    assert [sum(times._own_counts(0.0)[1]) for times in (latency.total, latency.first_token)] == [0.0, 0.0]


def test_forgotten_tickets_are_bounded_and_count_for_an_hour_only() -> None:
    distribution = of(*[1.0] * 30)
    for _ in range(70_000):
        distribution.started(0.0)
    assert distribution.survival(10.0).later[-1] > 0.99
    assert distribution.survival(4000.0).later[-1] == 0.0


def test_a_survival_is_filled_up_as_far_as_it_lacks_samples() -> None:
    low, high = of(*[1.0] * 10).survival(0.0), of(*[4.0] * 90).survival(0.0)
    filled = mixed(low, high, enough=40.0)
    assert filled.later[bucket(2.0)] == pytest.approx(0.75)
    assert mixed(high, low, enough=40.0) is high


def test_no_samples_are_no_tail() -> None:
    assert Survival([0.0] * 3, [0.0] * 3).later == [1.0, 1.0, 1.0]


# Kinds.


@pytest.mark.parametrize(
    ("tokens", "kind"),
    [(-5, 0), (0, 0), (7, 0), (8, 1), (63, 1), (64, 2), (4095, 3), (4096, 4), (262_143, 5), (262_144, 6), (10**12, 6)],
)
def test_sizes_are_told_apart_by_powers_of_eight(tokens: int, kind: int) -> None:
    assert kind_of(tokens) == kind


@given(st.integers())
def test_a_book_has_a_page_for_every_kind(kind: int) -> None:
    assert LatencyBook().of(kind) is not None


def test_every_kind_has_times_of_its_own() -> None:
    book = LatencyBook()
    assert len({id(book.of(kind).total) for kind in range(KINDS)}) == KINDS


def test_a_cold_kind_is_thought_to_be_like_the_others() -> None:
    book = LatencyBook()
    for _ in range(50):
        book.of(2).total.observe(1.0, 0.0)
    assert book.of(4).total.quantile_s(0.95, 0.0) < 1.1
    assert book.of(4).first_token.quantile_s(0.95, 0.0) == math.inf


def test_a_kind_with_samples_speaks_for_itself() -> None:
    book = LatencyBook()
    for _ in range(1000):
        book.of(2).total.observe(1.0, 0.0)
    for _ in range(100):
        book.of(4).total.observe(9.0, 0.0)
    assert book.of(4).total.quantile_s(0.05, 0.0) > 8.9


# What it costs to ask.


def test_a_quantile_is_worked_out_again_after_a_second_or_twice_the_samples() -> None:
    distribution = of(*[1.0] * 40)
    assert distribution.quantile_s(0.99, 0.0) < 1.1
    for _ in range(10):
        distribution.observe(5.0, 0.5)
    assert distribution.quantile_s(0.99, 0.9) < 1.1
    assert distribution.quantile_s(0.99, 1.0) > 4.9
    for _ in range(50):
        distribution.observe(9.0, 1.1)
    assert distribution.quantile_s(0.99, 1.2) > 8.9
