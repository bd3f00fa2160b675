"""One transport and one key pool a provider, one limit a target, and a clear word when something is missing."""

import asyncio

import pytest
from tests.client.given import KEY

from penstock.call import Call
from penstock.config import RouteTimeouts, parse_config
from penstock.errors import ConfigError, DeadlineExceeded, PenstockError, Unanswered
from penstock.observers.logging import masked
from penstock.testing import run
from penstock.wiring import Manner, Overrides, build
from penstock.wiring.routes import timeouts_of


def engine(raw=None, environ=None, **settings):
    return build(parse_config(raw or {}, environ=environ or {}), **settings)


def call(model="sim/fast", **fields):
    return Call(id="r", model=model, body={"messages": [{"role": "user", "content": "hi"}]}, **fields)


def asked(made, models, **fields):
    async def main():
        try:
            return await made.handler(models)(call(**fields))
        finally:
            await made.aclose()

    return run(main())


def test_a_target_answers():
    completion = asked(engine(), "sim/fast")
    assert (completion.target, completion.text[:4], len(completion.attempts)) == ("sim/fast", "sim:", 1)


def test_the_same_models_have_the_same_handler_and_share_their_targets():
    async def main():
        made = engine()
        assert made.handler("sim/fast") is made.handler("sim/fast")
        assert made.handler("sim/fast") is not made.handler("sim/typical")
        alone, together = made.targets("sim/fast"), made.targets(["sim/typical", "sim/fast"])
        assert alone[0].limiter is together[1].limiter

    run(main())


def test_a_second_target_answers_when_the_first_is_down():
    made = engine({"routes": {"r": {"targets": ["sim/down", "sim/fast"]}}})
    completion = asked(made, "r")
    assert [attempt.target for attempt in completion.attempts] == ["sim/down", "sim/fast"]


@pytest.mark.parametrize(
    ("settings", "overrides", "waited_s"),
    [
        ({}, Overrides(), 120.0),
        ({"deadline": "30s"}, Overrides(), 30.0),
        ({"deadline": "30s"}, Overrides(deadline_s=5), 5.0),
    ],
)
def test_the_deadline_is_the_overrides_then_the_routes_then_two_minutes(settings, overrides, waited_s):
    made = engine({"routes": {"r": {"targets": ["sim/down"], **settings}}}, overrides=overrides)

    async def main():
        with pytest.raises(DeadlineExceeded):
            await made.handler("r")(call())
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(waited_s, abs=0.2)


def test_a_batch_has_no_deadline_unless_told():
    made = engine(patience="batch", overrides=Overrides(deadline_s=40))

    async def main():
        with pytest.raises(Unanswered):
            await made.handler("sim/down")(call())
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(40, abs=0.2)
    assert "no deadline" in engine(patience="batch").tree("sim/fast")


def test_a_manner_wins_over_the_engine():
    async def main():
        with pytest.raises(Unanswered):
            await engine().handler("sim/down", manner=Manner(deadline_s=3))(call())
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(3, abs=0.2)


def test_max_attempts_of_the_route_are_kept():
    made = engine({"routes": {"r": {"targets": ["sim/down"], "max_attempts": 2}}})
    with pytest.raises(Unanswered) as caught:
        asked(made, "r")
    assert len(caught.value.attempts) == 2


def test_limits_of_the_configuration_pace_requests():
    made = engine({"providers": {"sim": {"limits": {"rpm": 60}}}})

    async def main():
        handler = made.handler("sim/fast")
        for _ in range(11):
            await handler(call())
        return asyncio.get_running_loop().time()

    assert 9.5 < run(main()) < 12


@pytest.mark.parametrize(
    ("raw", "models", "message"),
    [
        ({}, "openai/gpt-4o-mini", "OpenAI needs a key and none was found: set OPENAI_API_KEY in the environment"),
        ({}, "custom/x", "custom: no address; set base_url"),
        (
            {"providers": {"mine": {"wire": "openai"}}},
            "mine/x",
            r"mine: no address; set base_url under \[providers.mine\]",
        ),
        ({"providers": {"openai": {"api_key": "env:NOT_THERE"}}}, "openai/x", "NOT_THERE is not set"),
        ({}, "opnai/x", "did you mean openai"),
        ({}, None, "no model"),
    ],
)
def test_what_is_missing_is_named(raw, models, message):
    with pytest.raises(ConfigError, match=message):
        engine(raw).check(models)


@pytest.mark.parametrize(
    ("raw", "environ", "models"),
    [
        ({}, {}, "ollama/llama3.2"),
        ({}, {}, "sim/fast"),
        ({}, {"OPENAI_API_KEY": KEY}, "gpt-4o-mini"),
        ({}, {"OPENAI_BASE_URL": "http://127.0.0.1:8000/v1"}, "gpt-4o-mini"),
        ({"providers": {"mine": {"base_url": "http://127.0.0.1:8000/v1"}}}, {}, "mine/x"),
        ({"providers": {"openai": {"base_url": "http://127.0.0.1:8000/v1"}}}, {}, "openai/x"),
    ],
)
def test_a_local_server_needs_no_key(raw, environ, models):
    engine(raw, environ).check(models)


def test_the_address_is_the_commands_then_the_configurations_then_the_environments_then_the_catalogs():
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "http://from.environment/v1"}
    raw = {"providers": {"openai": {"base_url": "http://from.config/v1/"}}}
    command = Overrides(base_url="http://from.command/v1/")
    assert engine(raw, environ, overrides=command).plan("openai").base_url == "http://from.command/v1"
    assert engine(raw, environ).plan("openai").base_url == "http://from.config/v1"
    assert engine({}, environ).plan("openai").base_url == "http://from.environment/v1"
    assert engine({}, {}).plan("openai").base_url == "https://api.openai.com/v1"


def test_organization_project_and_headers_go_with_every_request():
    raw = {"providers": {"openai": {"organization": "o", "project": "p", "headers": {"X-Title": "t"}}}}
    assert engine(raw).plan("openai").headers == {"OpenAI-Organization": "o", "OpenAI-Project": "p", "X-Title": "t"}


def test_keys_can_be_replaced_while_running_and_are_never_shown():
    async def main():
        made = engine({}, {"OPENAI_API_KEY": KEY})
        keys = made.keys("openai")
        target = made.targets("openai/x")[0]
        keys.replace(["another-fake-key", "a-third-fake-key"])
        permit = target.try_admit(call(), 0.0)
        assert (len(keys), permit.key.reveal()) == (2, "another-fake-key")
        assert "fake-key" not in repr(keys) + repr(made.plan("openai")) + made.tree("openai/x") + repr(target)
        with pytest.raises(ConfigError) as caught:
            keys.replace(["with a space"])
        assert "with a space" not in str(caught.value)

    run(main())
    assert masked("a line with another-fake-key and " + KEY) == "a line with [key] and [key]"


def test_stats_count_requests_tokens_and_saturation_for_each_target():
    async def main():
        made = engine({"providers": {"sim": {"limits": {"rpm": 600}}}})
        for _ in range(3):
            await made.handler("sim/fast")(call())
        async with await made.handler("sim/fast")(call(stream=True)) as stream:
            async for _ in stream:
                pass
        return made.stats()

    stats = run(main())
    target = stats.targets["sim/fast"]
    assert (stats.requests, stats.answered, target.requests, target.answered) == (4, 4, 4, 4)
    assert stats.usage.output_tokens == target.usage.output_tokens > 0
    assert target.saturation.requests_per_s == pytest.approx(10, rel=0.01)


def test_an_engine_moves_to_another_loop_with_its_keys_and_counts():
    made = engine()

    async def main():
        await made.handler("sim/fast")(call())

    run(main())
    run(main())
    assert made.race_stats.answered == 2


def test_the_tree_names_every_target_and_where_it_is():
    raw = {"routes": {"r": {"targets": ["sim/fast", "openai/x"], "deadline": "30s"}}}
    tree = engine(raw, {"OPENAI_API_KEY": KEY}).tree("r")
    for part in (
        "route r",
        "deadline 30 s",
        "endpoint(sim/fast)",
        "in this process",
        "https://api.openai.com/v1",
        "env:OPENAI_API_KEY",
    ):
        assert part in tree
    assert KEY not in tree


def test_an_override_that_is_no_address_is_refused():
    with pytest.raises(ConfigError, match="base_url: expected an address"):
        engine(overrides=Overrides(base_url="localhost:8000"))


def test_timeouts_come_from_the_call_then_the_overrides_then_the_route():
    raw = {"routes": {"r": {"targets": ["sim/hang"], "timeouts": {"connect": 1, "total": 2}}}}
    made = engine(raw, overrides=Overrides(timeouts=RouteTimeouts(total=3)))
    manner = Manner(timeouts=RouteTimeouts(first_token=4))
    assert timeouts_of(made.check("r"), manner, made._overrides) == RouteTimeouts(1, 4, None, 3)


def test_what_runs_while_an_engine_closes_ends_with_an_error_at_once():
    async def main():
        made = engine()
        task = asyncio.get_running_loop().create_task(made.handler("sim/down")(call()))
        await asyncio.sleep(0)
        await made.aclose()
        with pytest.raises(PenstockError, match="closed while the request was running"):
            await task
        return asyncio.get_running_loop().time()

    assert run(main()) < 30


def test_an_engine_that_was_closed_opens_anew():
    async def main():
        made = engine()
        await made.handler("sim/fast")(call())
        await made.aclose()
        return (await made.handler("sim/fast")(call())).target

    assert run(main()) == "sim/fast"


def test_counts_go_on_in_an_engine_that_was_closed_and_opened_anew():
    made = engine({"routes": {"r": {"targets": ["sim/fast"]}}})

    async def main():
        for target in ("r", "sim/fast", "sim/typical"):
            await made.handler(target)(call())
        before = made.stats()
        await made.aclose()
        _ = made.clock
        between = made.stats()
        await made.handler("r")(call())
        return before, between, made.stats()

    before, between, after = run(main())
    assert (between.requests, between.usage, set(between.targets)) == (3, before.usage, {"sim/fast", "sim/typical"})
    assert between.routes.keys() == before.routes.keys()
    assert (after.requests, after.answered, after.targets["sim/fast"].requests) == (4, 4, 3)

    async def again():
        await made.handler("sim/typical")(call())
        return made.stats()

    last = run(again())  # another loop, without a close between
    assert (last.requests, last.targets["sim/fast"].requests, last.targets["sim/typical"].requests) == (5, 3, 2)
    assert last.routes.keys() == before.routes.keys()


def test_routes_share_what_is_known_of_a_target_and_callers_of_a_route_share_its_budget():
    async def main():
        made = engine({"routes": {"a": {"targets": ["sim/fast"]}, "b": {"targets": ["sim/typical", "sim/fast"]}}})
        alone, together = made.targets("a")[0], made.targets("b")[1]
        assert alone.breaker is together.breaker
        assert alone.latency is together.latency
        assert made.targets("b")[0].breaker is not alone.breaker
        assert alone.prefills  # the simulator continues an assistant message

    run(main())


def test_stats_tell_a_targets_health_and_what_was_spent_beyond_first_attempts():
    made = engine({"routes": {"r": {"targets": ["sim/down", "sim/fast"]}}})

    async def main():
        for _ in range(30):
            await made.handler("r")(call())
        return made.stats()

    stats = run(main())
    assert (stats.targets["sim/down"].breaker, stats.targets["sim/fast"].breaker) == ("open", "closed")
    assert stats.requests == 30 + stats.extra_requests
    assert stats.targets["sim/down"].requests < 30


def test_a_fixed_hedge_starts_after_its_delay_and_is_counted():
    made = engine(overrides=Overrides(hedge=0.05))

    async def main():
        return await made.handler(["sim/typical", "sim/fast"])(call(estimate=7)), made.stats()

    completion, stats = run(main())
    assert [(attempt.target, attempt.hedge) for attempt in completion.attempts] == [
        ("sim/typical", False),
        ("sim/fast", True),
    ]
    assert (stats.hedges, stats.lost, stats.extra_requests) == (1, 1, 1)
    assert stats.lost_tokens >= 7
