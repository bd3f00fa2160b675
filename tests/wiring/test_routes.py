"""A setting holds from whoever says it last: the call, the client or the command, the route, the default."""

import pytest

from penstock.call import Call
from penstock.config import RouteTimeouts, parse_config
from penstock.errors import ConfigError
from penstock.http import Timeouts
from penstock.testing import run
from penstock.wiring import Manner, Overrides, build
from penstock.wiring.routes import phases, race_settings

TWO = ["sim/fast", "sim/typical"]
PLAIN = Manner()


def settings(route=None, manner=PLAIN, said=None, targets=TWO):
    made = build(parse_config({"routes": {"r": {"targets": targets, **(route or {})}}}, environ={}))
    return race_settings(made.check("r"), manner, said or Overrides())


def test_every_setting_of_a_route_reaches_its_race():
    told = settings(
        {
            "deadline": "30s",
            "hedge": "auto",
            "hedge_budget": 0.04,
            "timeouts": {"first_token": 10, "between_tokens": 5},
            "min_tokens_per_s": 3,
            "max_attempts": 6,
            "fallback_on": ["context_too_long"],
            "stream_inside": "on",
            "on_break": "error",
        }
    )
    assert (told.deadline_after_s, told.hedge, told.hedge_budget) == (30, "auto", 0.04)
    assert (told.first_token_s, told.between_tokens_s, told.min_tokens_per_s) == (10, 5, 3)
    assert (told.max_attempts, told.fallback_on) == (6, {"context_too_long"})
    assert (told.stream_inside, told.on_break) == ("on", "error")


def test_what_nobody_says_is_the_documented_default():
    told = settings()
    assert (told.deadline_after_s, told.hedge, told.max_attempts) == (120, "off", None)
    assert (told.first_token_s, told.between_tokens_s, told.min_tokens_per_s) == (None, 15, 0)
    assert (told.stream_inside, told.on_break) == ("auto", "recover")


MANY = Manner(patience="batch")


@pytest.mark.parametrize(
    ("route", "manner", "said", "word"),
    [
        ({}, MANY, Overrides(), "off"),
        ({}, PLAIN, Overrides(), "auto"),
        ({"targets": TWO}, MANY, Overrides(), "auto"),
        ({"deadline": 30}, MANY, Overrides(), "auto"),
        ({}, MANY, Overrides(deadline_s=30.0), "auto"),
        ({}, Manner(patience="batch", deadline_s=30.0), Overrides(), "auto"),
        ({}, Manner(patience="batch", timeouts=RouteTimeouts(first_token=3.0)), Overrides(), "auto"),
        ({"timeouts": {"between_tokens": 3}}, MANY, Overrides(), "auto"),
        ({"min_tokens_per_s": 3}, MANY, Overrides(), "auto"),
        ({"stream_inside": "on"}, MANY, Overrides(), "on"),
    ],
)
def test_one_of_many_at_one_target_streams_inside_when_someone_asks_for_what_only_a_stream_shows(
    route, manner, said, word
):
    assert settings(route, manner, said, targets=TWO[:1]).stream_inside == word


@pytest.mark.parametrize(
    ("manner", "said", "hedge"),
    [
        (PLAIN, Overrides(), "auto"),
        (PLAIN, Overrides(hedge=2.0), 2.0),
        (Manner(hedge="off"), Overrides(hedge=2.0), "off"),
    ],
)
def test_a_hedge_is_the_calls_then_the_clients_then_the_routes(manner, said, hedge):
    assert settings({"hedge": "auto"}, manner, said).hedge == hedge


def test_what_a_client_says_of_a_route_holds_over_the_routes_own():
    route = {"hedge": "auto", "hedge_budget": 0.04, "min_tokens_per_s": 3, "fallback_on": ["bad_request"]}
    said = Overrides(hedge_budget=0.1, min_tokens_per_s=1.0, fallback_on=("context_too_long",), max_attempts=4)
    told = settings(route, said=said)
    assert (told.hedge_budget, told.min_tokens_per_s, told.max_attempts) == (0.1, 1.0, 4)
    assert told.fallback_on == {"context_too_long"}
    assert settings(route, said=Overrides(fallback_on=())).fallback_on == frozenset()


@pytest.mark.parametrize(
    ("route", "said", "patience", "message"),
    [
        ({"hedge": "700s"}, Overrides(), "interactive", "the default deadline, 120 s: it never starts"),
        ({"hedge": "700s"}, Overrides(), "batch", "the default timeouts.total, 600 s: it never starts"),
        ({"max_attempts": 1}, Overrides(hedge="auto"), "interactive", "hedge: .* max_attempts is 1"),
        ({"max_attempts": 1}, Overrides(fallback_on=("bad_request",)), "interactive", "fallback_on: .* max_attempts"),
    ],
)
def test_a_hedge_or_fallback_that_can_never_be_is_refused_whoever_bounds_it(route, said, patience, message):
    raw = {"routes": {"r": {"targets": TWO, **route}}}
    made = build(parse_config(raw, environ={}), overrides=said, patience=patience)
    with pytest.raises(ConfigError, match=message):
        made.check("r")


@pytest.mark.parametrize(
    ("route", "said"),
    [
        ({"hedge": "8s"}, Overrides(deadline_s=5)),
        ({"hedge": "auto"}, Overrides(max_attempts=1)),
        ({"hedge": "700s", "deadline": "1h", "timeouts": {"total": "20m"}}, Overrides()),
        ({}, Overrides(hedge_budget=0.1)),
    ],
)
def test_what_is_said_over_a_route_may_cut_its_hedge_off(route, said):
    raw = {"routes": {"r": {"targets": TWO, **route}}}
    assert build(parse_config(raw, environ={}), overrides=said).check("r").route.name == "r"


def test_with_one_target_there_is_no_hedge():
    assert settings(targets=["sim/fast"], said=Overrides(hedge="auto")).hedge == "off"


def test_in_a_batch_the_deadline_counts_from_the_first_send():
    told = settings({"deadline": "30s"}, Manner(patience="batch"))
    assert (told.deadline_after_s, told.deadline_after_send_s) == (None, 30)


def test_a_first_token_that_nobody_bounds_is_waited_for_longer_at_a_reasoning_model():
    assert settings(targets=["sim/gpt-4o-mini"]).first_token_last_s == 120
    assert settings(targets=["sim/o3"]).first_token_last_s == 300


def test_a_connection_bounds_what_only_it_sees():
    assert phases(RouteTimeouts(1, 2, 3, 4)) == Timeouts(1, None, None, 4)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (Overrides(hedge=5.0, deadline_s=5.0), "hedge: a delay of 5 s isn't shorter than deadline, 5 s"),
        (Overrides(timeouts=RouteTimeouts(first_token=9, total=8)), "timeouts.first_token: 9 s is longer"),
        (Overrides(deadline_s=1, timeouts=RouteTimeouts(connect=2)), "timeouts.connect: 2 s is longer than deadline"),
        (Overrides(stream_inside="off", timeouts=RouteTimeouts(first_token=9)), "stream_inside: "),
    ],
)
def test_overrides_that_contradict_each_other_are_refused(said, message):
    with pytest.raises(ConfigError, match=message):
        build(parse_config({}, environ={}), overrides=said)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["opnai/x"], r'config: \[routes.r\] targets: unknown provider "opnai".*did you mean openai'),
        (["sim/fast", "nowhere/x"], r'\[routes.r\] targets: unknown provider "nowhere"'),
    ],
)
def test_a_route_that_names_no_provider_is_refused_when_it_is_loaded(targets, message):
    with pytest.raises(ConfigError, match=message):
        build(parse_config({"routes": {"r": {"targets": targets}}}, environ={}))


def test_a_route_without_a_key_is_refused_by_its_name_when_it_is_asked_for():
    made = build(parse_config({"routes": {"r": {"targets": ["openai/x"]}}}, environ={}))
    with pytest.raises(ConfigError, match=r"config: \[routes.r\] targets: openai/x: OpenAI needs a key"):
        made.check("r")


def test_a_clients_hedge_is_let_be_by_a_call_that_names_one_model_and_a_calls_own_is_refused():
    made = build(parse_config({}, environ={}), overrides=Overrides(hedge="auto"))
    with pytest.raises(ConfigError, match="hedge: a hedge needs a second target"):
        made.check("sim/fast")

    async def main():
        body = {"messages": [{"role": "user", "content": "hi"}]}
        completion = await made.handler("sim/fast")(Call(id="r", model="", body=body))
        with pytest.raises(ConfigError, match="hedge: a hedge needs a second target"):
            made.handler("sim/fast", manner=Manner(hedge="auto"))
        return completion.target

    assert run(main()) == "sim/fast"
