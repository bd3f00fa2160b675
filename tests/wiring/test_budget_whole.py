"""Whole engines in virtual time: what the providers' own ledgers bill stays within the budget, whatever fails."""

from __future__ import annotations

import pytest
from bench.budget_sim import simulate

from penstock.wiring.estimate import most_output


@pytest.mark.parametrize(("seed", "calls"), [(0, 1), (1, 1), (2, 4), (3, 2), (5, 2)])
def test_five_hundred_callers_never_spend_above_a_budget(seed: int, calls: int) -> None:
    spent = simulate(seed, callers=500, calls_each=calls)
    assert spent.above == 0.0
    assert spent.booked_usd <= spent.budget_usd
    assert spent.held_usd == 0.0


def test_a_budget_that_is_big_enough_refuses_nothing() -> None:
    spent = simulate(3, callers=100, calls_each=1, share=100.0)
    assert spent.refused == 0
    assert spent.answered > 0
    assert spent.billed_usd <= spent.booked_usd


@pytest.mark.parametrize(
    ("prompt", "times"), [("one", 1), (["one"], 1), (["one", "two", "three"], 3), ([1, 2, 3], 1), ([[1, 2], [3]], 2)]
)
def test_each_of_a_list_of_texts_may_be_answered_at_full_length(prompt: object, times: int) -> None:
    body = {"prompt": prompt, "max_tokens": 100, "n": 2}
    assert most_output("completion", body, 0) == 200 * times
    assert most_output("chat", {**body, "prompt": None}, 0) == 200
