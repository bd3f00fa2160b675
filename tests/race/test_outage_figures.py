"""Breakers, turns and budgets together, in small outages."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from bench.outage_sim import Fault, Outage, Scenario, simulate
from bench.outages import failing, flapping, return_after_flaps_s, total_outage

FAULTS: tuple[Fault, ...] = ("503", "refused", "hang")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_total_outage_costs_little_and_ends_without_a_herd(fault: Fault) -> None:
    figures = simulate(replace(total_outage(fault, callers=100), length_s=102.0))
    assert figures.extra_share <= 0.25
    assert figures.return_s <= 10.0
    assert figures.peak <= 2 * figures.usual_peak


def test_callers_that_pile_up_in_an_outage_do_not_come_back_together() -> None:
    figures = simulate(replace(total_outage("503", callers=0, rate_per_s=20.0, targets=1), length_s=115.0))
    assert figures.return_s <= 10.0
    assert figures.peak <= 8 * figures.usual_peak


@pytest.mark.parametrize("fault", FAULTS)
def test_a_flapping_target_gets_its_traffic_back_by_one_probe_at_a_time(fault: Fault) -> None:
    figures = simulate(flapping(fault, callers=0, rate_per_s=10.0))
    assert max(return_after_flaps_s(figures)) <= 30
    assert figures.most_probes == 1
    assert figures.opened[0] == 4


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("callers", [2, 50])
def test_a_target_that_answers_seven_of_ten_stays_in_use(fault: Fault, callers: int) -> None:
    figures = simulate(replace(failing(0.3, fault, callers=callers), length_s=2_000 / callers))
    assert figures.opened == [0, 0]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_target_that_fails_nine_of_ten_is_left_alone(fault: Fault) -> None:
    scenario = Scenario(targets=2, outages=(Outage(0, 0.0, math.inf, fault, 0.9),), callers=40, length_s=60.0)
    figures = simulate(scenario)
    late = range(20, 60)
    assert sum(figures.starts[0][second] for second in late) <= 0.2 * sum(figures.starts[1][second] for second in late)


def test_a_stall_that_ends_brings_the_traffic_back_at_once() -> None:
    outages = tuple(Outage(place, 30.0, 40.0, "stall") for place in range(2))
    figures = simulate(Scenario(targets=2, outages=outages, callers=50, length_s=60.0, watch=(30.0, 40.0)))
    assert figures.return_s <= 3.0


@pytest.mark.parametrize("fault", FAULTS)
def test_callers_without_budget_are_let_in_by_targets_that_come_back(fault: Fault) -> None:
    outages = tuple(Outage(place, 30.0, 50.0, fault) for place in range(3))
    figures = simulate(Scenario(outages=outages, callers=60, length_s=62.0, watch=(30.0, 50.0)))
    assert figures.return_s <= 10.0
