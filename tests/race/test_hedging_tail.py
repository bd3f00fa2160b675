"""Planner, budget and latencies together, from cold, in discrete events: what becomes of a slow tail."""

from __future__ import annotations

import pytest
from bench.tail_sim import Arrivals, Weather, simulate

CLOSED, MANY, POISSON = Arrivals("closed", 20), Arrivals("closed", 500), Arrivals("poisson", 100)


@pytest.mark.parametrize(
    ("fast_s", "spread", "arrivals"),
    [
        (0.1, 0.3, POISSON),
        (1.0, 0.0, MANY),
        (5.0, 0.3, CLOSED),
    ],
)
def test_hedging_cuts_p99_to_a_third_for_six_percent_more(fast_s: float, spread: float, arrivals: Arrivals) -> None:
    found = simulate(Weather(fast_s, spread), arrivals, count=10_000, seed=11)
    assert found.ratio(0.99) <= 0.35
    assert found.extra <= 0.06
    assert found.ratio(0.5) <= 1.0 + 1e-9


def test_what_is_in_flight_at_the_cold_start_is_hedged_too() -> None:
    found = simulate(Weather(5.0, 0.3), MANY, count=1500, seed=5)
    first_wave = found.calls[:500]
    slow = [call for call in first_wave if call.alone_s > 25.0]
    assert sum(call.took_s < 20.0 for call in slow) > 0.7 * len(slow)


@pytest.mark.parametrize("spread", [0.0, 0.3, 0.5])
def test_without_a_tail_there_is_hardly_a_hedge(spread: float) -> None:
    found = simulate(Weather(1.0, spread, slow_share=0.0), POISSON, count=4000, seed=2)
    assert found.extra <= 0.01


def test_when_everything_is_slow_the_extra_load_stays_within_the_budget() -> None:
    found = simulate(Weather(1.0, 0.3, brown_s=(20.0, 80.0)), POISSON, count=6000, seed=3)
    brown = [call for call in found.calls if 20.0 <= call.started_s < 80.0]
    hedged = sum(call.second is not None for call in found.calls)
    assert len(brown) > 3000
    assert hedged <= 25 + 0.0575 * len(found.calls)
    assert found.refused > 100


def test_a_tail_is_hedged_again_some_minutes_after_everything_was_slow() -> None:
    found = simulate(Weather(1.0, 0.3, brown_s=(60.0, 120.0)), CLOSED, count=6000, seed=4)
    assert found.ratio(0.99, from_s=300.0) <= 0.35
