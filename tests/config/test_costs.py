from __future__ import annotations

import re

import pytest

from penstock.config import BudgetConfig, parse_config
from penstock.errors import ConfigError


def test_prices_and_budgets_are_read() -> None:
    config = parse_config(
        {
            "providers": {"mine": {"prices": {"*": {"input": 1, "output": 2.5, "max_output": 4096}}}},
            "budget": {"usd": 25, "per_day": 100.0, "per_tag": {"team": 5, "team=search": 9}},
        },
        environ={},
    )
    price = config.provider("mine").prices["*"]
    assert (price.input, price.output, price.max_output, price.cached) == (1.0, 2.5, 4096, None)
    assert config.budget == BudgetConfig(25.0, 100.0, {"team": 5.0, "team=search": 9.0})
    assert not parse_config({}, environ={}).budget


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        (3, "expected a table of models"),
        ({"m": 3}, "expected a table such as { input = 0.15"),
        ({"m": {"input": -1}}, "[providers.mine.prices.m] input: expected US dollars for a million tokens, 0 or above"),
        ({"m": {"input": "0.15"}}, 'got "0.15"'),
        ({"m": {"input": True}}, "got True"),
        ({"m": {"input": float("nan")}}, "expected US dollars"),
        ({"m": {"output": float("inf")}}, "expected US dollars"),
        ({"m": {"ouput": 1}}, 'unknown key "ouput"; did you mean "output"'),
        ({"m": {"batch": 1.5}}, "expected a number from 0 to 1"),
        ({"m": {"discount": 20}}, "expected a number from 0 to 1"),
        ({"m": {"max_output": 0}}, "expected a whole number above 0"),
    ],
)
def test_a_price_that_cant_be_meant_is_refused_with_its_place(prices: object, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_config({"providers": {"mine": {"prices": prices}}}, environ={})


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"usd": 0}, "[budget] usd: expected US dollars above 0"),
        ({"usd": -3}, "expected US dollars above 0"),
        ({"usd": "25"}, 'got "25"'),
        ({"usd": True}, "got True"),
        ({"per_day": float("nan")}, "expected US dollars above 0"),
        ({"per_tag": {"": 3}}, "expected a tag such as"),
        ({"per_tag": {"team": 0}}, "[budget.per_tag] team: expected US dollars above 0"),
        ({"per_week": 3}, 'unknown key "per_week"'),
        (0, "expected US dollars above 0"),
        ("much", 'got "much"'),
    ],
)
def test_a_budget_that_cant_be_meant_is_refused_with_its_place(budget: object, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse_config({"budget": budget}, environ={})
