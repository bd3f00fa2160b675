"""A route is read whole, and what can't be meant in it is refused with the setting's name."""

import pytest

from penstock.config import parse_config
from penstock.errors import ConfigError

TWO = ["sim/fast", "sim/typical"]


def route(**settings):
    return parse_config({"routes": {"r": {"targets": TWO, **settings}}}).routes["r"]


def test_what_is_not_said_is_none_so_that_a_default_can_be_told_from_a_wish():
    plain = route()
    assert (plain.hedge, plain.hedge_budget, plain.min_tokens_per_s) == (None, None, None)
    assert (plain.stream_inside, plain.on_break) == (None, None)


@pytest.mark.parametrize(
    ("written", "hedge"), [("off", "off"), ("auto", "auto"), ("2s", 2.0), (0.5, 0.5), (False, "off"), (True, "auto")]
)
def test_a_hedge_is_off_auto_or_a_delay(written, hedge):
    assert route(hedge=written).hedge == hedge


@pytest.mark.parametrize(("written", "word"), [("auto", "auto"), ("on", "on"), (True, "on"), (False, "off")])
def test_stream_inside_is_a_word_or_a_switch(written, word):
    assert route(stream_inside=written).stream_inside == word


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hedge": "atuo"}, r'hedge: expected "off", "auto" or a delay above 0 such as "2s", got "atuo"'),
        ({"hedge": 0}, "hedge: expected"),
        ({"hedge": "-2s"}, "hedge: expected"),
        ({"hedge": "auto", "hedge_budget": 1.5}, "hedge_budget: expected a number from 0 to 1, got 1.5"),
        ({"hedge": "auto", "hedge_budget": -0.1}, "hedge_budget: expected a number from 0 to 1, got -0.1"),
        ({"hedge_budget": 0.05}, 'hedge_budget: it bounds hedge = "auto", and hedge is off'),
        ({"hedge": "2s", "hedge_budget": 0.05}, "hedge_budget: .* and hedge is a fixed 2 s"),
        ({"hedge": "2s", "targets": ["sim/fast"]}, "hedge: a hedge needs a second target, and there is one"),
        ({"hedge": "auto", "targets": ["sim/fast"]}, "hedge: a hedge needs a second target"),
        ({"hedge": "30s", "deadline": "30s"}, "hedge: a delay of 30 s isn't shorter than deadline, 30 s"),
        ({"hedge": "9s", "timeouts": {"total": 8}}, "hedge: a delay of 9 s isn't shorter than timeouts.total, 8 s"),
        ({"min_tokens_per_s": -1}, "min_tokens_per_s: expected a number, 0 or above, got -1"),
        ({"min_tokens_per_s": False}, "min_tokens_per_s: expected a number"),
        ({"stream_inside": "of"}, 'stream_inside: unknown value "of"; did you mean "off"'),
        ({"stream_inside": "off", "timeouts": {"first_token": 5}}, r"stream_inside: .* with timeouts.first_token"),
        ({"stream_inside": "off", "min_tokens_per_s": 5}, "stream_inside: .* with min_tokens_per_s"),
        ({"on_break": "recovr"}, 'on_break: unknown value "recovr"; did you mean "recover"'),
        ({"timeouts": {"first_token": 20, "total": 10}}, "timeouts.first_token: 20 s is longer than timeouts.total"),
        ({"timeouts": {"between_tokens": 20, "total": 10}}, "timeouts.between_tokens: 20 s is longer than"),
        ({"timeouts": {"connect": 20, "total": 10}}, "timeouts.connect: 20 s is longer than timeouts.total, 10 s"),
        ({"deadline": 3, "timeouts": {"connect": 5}}, "timeouts.connect: 5 s is longer than deadline, 3 s"),
        ({"deadline": 5, "timeouts": {"first_token": 10}}, "timeouts.first_token: 10 s is longer than deadline, 5 s"),
        ({"deadline": 5, "timeouts": {"between_tokens": 10}}, "timeouts.between_tokens: 10 s is longer than deadline"),
        ({"max_attempts": 1, "hedge": "auto"}, "hedge: a hedge is a second attempt, and max_attempts is 1"),
        ({"max_attempts": 1, "fallback_on": ["bad_request"]}, "fallback_on: .* and max_attempts is 1"),
        ({"stream_inside": "off", "timeouts": {"between_tokens": 5}}, "stream_inside: .* with timeouts.between_tokens"),
        ({"targets": ["sim/fast"], "fallback_on": ["bad_request"]}, "fallback_on: a fallback needs a second target"),
        ({"deadline": 0}, "deadline: expected a duration .* above 0, got 0"),
        ({"deadline": "-1s"}, 'deadline: expected a duration .* above 0, got "-1s"'),
        ({"targets": ["sim/fast", "sim/fast"]}, 'targets: "sim/fast" is named twice'),
        ({"targets": []}, "targets: expected a list of text"),
        ({"hegde": "auto"}, r'\[routes.r\]: unknown key "hegde"; did you mean "hedge"'),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        route(**settings)
    assert str(caught.value).startswith("config: [routes.r]")


@pytest.mark.parametrize(
    "settings",
    [
        {"hedge": "2s", "deadline": "30s", "timeouts": {"total": "120s"}},
        {"hedge": "auto", "hedge_budget": 0},
        {"stream_inside": "off", "min_tokens_per_s": 0, "timeouts": {"connect": 5}},
        {"timeouts": {"connect": 5, "first_token": 5, "between_tokens": 5, "total": 10}, "deadline": 5},
        {"max_attempts": 1, "hedge": "off"},
        {"targets": ["sim/fast"], "fallback_on": []},
    ],
)
def test_what_only_looks_odd_is_taken(settings):
    assert route(**settings).name == "r"
