"""The guards' data: every set speaks of every kind, and what is measured is what the table says."""

from __future__ import annotations

import pytest
from bench.guards.chapter import FIRST
from bench.guards.drawn import injections, texts
from bench.guards.fitting import Case, cases, fitted, shift_for
from bench.guards.ordinary import documentation
from bench.guards.rates import HALVES, blind_injection_rate, blind_rate, injection_rate, interval, rate, whole_rate

from penstock.guards import KINDS
from penstock.guards.injection import injection_score, signs


@pytest.mark.parametrize("half", HALVES)
def test_every_kind_has_values_and_what_only_looks_like_them(half: str) -> None:
    data = HALVES[half]
    assert set(data.POSITIVES) == set(data.NEGATIVES) == set(KINDS)


@pytest.mark.parametrize("half", HALVES)
def test_nothing_is_found_in_plain_texts(half: str) -> None:
    assert whole_rate(half)[1] == 0


@pytest.mark.parametrize("kind", ["api_key", "card", "email"])
def test_the_rates_of_a_kind_stay_what_they_are(kind: str) -> None:
    found = rate(kind, "tuning")
    assert (found.positives, found.negatives) == (400, 400)
    assert (found.missed, found.alarms) == (0, 0)


def test_a_score_that_finds_everything_has_false_alarms_only() -> None:
    found = injection_rate("tuning", 0.0)
    assert (found.miss_rate, found.false_rate) == (0.0, 1.0)


@pytest.mark.parametrize("folder", ["blind", "varied"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_texts_of_both_sorts_in_the_blind_and_the_varied_set(kind: str, folder: str) -> None:
    found = texts(kind, folder)
    assert {one.is_positive for one in found} == {True, False}
    assert all(one.text[one.start : one.end].strip() for one in found if one.is_positive)
    assert not any(mark in one.text[one.start : one.end] for one in found for mark in "«»")


def test_the_blind_set_is_drawn_alike_each_time() -> None:
    assert texts("card") == texts("card")
    assert injections() == injections()


def test_the_first_measurement_told_is_of_the_texts_there_are() -> None:
    assert set(FIRST) == {*KINDS, "all values", "injection"}
    for kind in KINDS:
        found = blind_rate(kind)
        missed, alarms = FIRST[kind]
        assert missed <= found.positives
        assert alarms <= found.negatives


@pytest.mark.parametrize("kind", KINDS)
def test_values_in_many_notations_are_found_and_what_only_looks_like_them_is_not(kind: str) -> None:
    found = blind_rate(kind, "varied")
    assert (found.missed, found.alarms) == (0, 0)


def test_the_varied_set_has_many_strategies_and_most_are_found() -> None:
    found = blind_injection_rate(0.5, "varied")
    assert min(found.positives, found.negatives) > 400
    assert found.miss_rate < 0.42
    assert found.false_rate < 0.03


def test_real_texts_are_not_taken_for_injections() -> None:
    paragraphs = [text for _, text in documentation()]
    assert len(paragraphs) > 200
    assert sum(injection_score(text).score >= 0.5 for text in paragraphs) <= len(paragraphs) * 0.02


def test_weights_are_fitted_to_what_the_sets_say() -> None:
    made = [case for case in cases() if case.sort in ("reveal", "chats")]
    weights, bias = fitted(made, signs())
    assert len(weights) == len(signs().signs)
    assert -10 < bias < 0
    assert all(weight <= 0 for weight, sign in zip(weights, signs().signs, strict=True) if sign.name == "against")


def test_the_bias_sinks_until_only_so_many_harmless_texts_reach_the_threshold() -> None:
    harmless = [Case("", "docs", is_injection=False, cost=3.0, variants=()) for _ in range(10)]
    assert shift_for(harmless, [float(place) for place in range(10)], 0.2) == pytest.approx(7.0, abs=1e-5)


def test_an_interval_is_wilsons() -> None:
    assert interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
