"""The guards' data: both halves speak of every kind, and what is measured is what the table says."""

from __future__ import annotations

import pytest
from bench.guards.rates import HALVES, injection_rate, rate, whole_rate

from penstock.guards import KINDS


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
