from __future__ import annotations

import random
from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.simulator.distributions import Exponential, Lognormal, Normal, Uniform, draw
from penstock.simulator.scenario import PLAIN, builtin_models, load_scenario, parse_scenario


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("key = 1", "`keys`"),
        ("[models.x]\nttf_s = 1", "`ttft_s`"),
        ('[models.x]\nttft_s = { kind = "lognormal", medain = 1 }', "`median`"),
        ("[models.x]\nrpm = 1", "elsewhere"),
        ("[models.x.limits]\nrpmm = 1", "`rpm`"),
        ('[models.x]\nttft_s = "fast"', "Expected"),
        ('[[models.x.faults]]\nfault = "rest"', "`reset`"),
        ('[models.x]\nttft_s = { kind = "lognorml", median = 1 }', "`lognormal`"),
        ("models = 1", "table of patterns"),
        ("models.x = 1", "models.'x': Expected"),
        ('models.x.faults = ["reset"]', "Expected"),
        ('[[models.x.faults]]\nfault = "reset"\nprobability = 2.0', "<= 1"),
        ('[[models.x.faults]]\nfault = "reset"\nstatus = 500', "does not read `status`"),
        ("[models.x]\n[models.x]", "x"),
        ('{"models": ', "truncated"),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse_scenario(text, "mine.toml")
    assert said in str(raised.value)
    assert str(raised.value).startswith("mine.toml: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_scenario(str(tmp_path / "none.toml"))


def test_json_says_the_same_as_toml(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('keys = ["a"]\n[models."gpt-*"]\nttft_s = 2\n', encoding="utf-8")
    assert load_scenario(str(file)) == parse_scenario('{"keys": ["a"], "models": {"gpt-*": {"ttft_s": 2}}}')


def test_the_first_pattern_that_matches_counts() -> None:
    scenario = parse_scenario(
        '[models."gpt-4o"]\nttft_s = 1\n[models."groq/*"]\nttft_s = 2\n[models."gpt-*"]\nttft_s = 3'
    )
    asked = [("openai", "gpt-4o"), ("groq", "gpt-5"), ("openai", "gpt-5"), ("openai", "llama")]
    assert [scenario.behaviour(*who).ttft_s for who in asked] == [1, 2, 3, PLAIN.ttft_s]


def test_the_built_in_models_stand_behind_the_scenario() -> None:
    assert parse_scenario("").behaviour("sim", "typical") is builtin_models()["typical"]
    assert parse_scenario("[models.typical]\nttft_s = 9").behaviour("sim", "typical").ttft_s == 9


def test_fast_is_a_model_that_answers_at_once() -> None:
    assert builtin_models()["fast"] == PLAIN
    assert set(builtin_models()) >= {"fast", "typical", "slow_tail", "flaky", "limited", "down"}


@pytest.mark.parametrize(
    ("shape", "low", "high"),
    [
        (0.4, 0.4, 0.4),
        (Uniform(low=1, high=2), 1, 2),
        (Lognormal(median=0.4, sigma=1, max=3), 0, 3),
        (Normal(mean=1, sd=5, min=0.5), 0.5, 40),
        (Exponential(mean=1, least=2, max=5), 2, 5),
    ],
)
def test_draws_stay_within_the_shape(shape: object, low: float, high: float) -> None:
    rng = random.Random(1)
    assert all(low <= draw(shape, rng) <= high for _ in range(500))  # type: ignore[arg-type]


def test_half_of_a_lognormal_is_below_its_median() -> None:
    rng = random.Random(1)
    below = sum(draw(Lognormal(median=0.4), rng) < 0.4 for _ in range(4000))
    assert 1850 < below < 2150
