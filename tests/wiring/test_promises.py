"""What a route promises, through a whole engine on virtual time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from penstock.call import Call, Completion
from penstock.config import parse_config
from penstock.errors import Overloaded, Unanswered
from penstock.simulator.memory import SimTransport
from penstock.simulator.scenario import parse_scenario
from penstock.testing import run
from penstock.wiring import Engine, build

HANG = {"fault": "hang", "probability": 1.0}
STALL = {"fault": "hang_mid_body", "probability": 1.0}
CUT = {"fault": "reset_mid_body", "probability": 1.0}
WRITES = {"ttft_s": 0.5, "tokens_per_s": 20.0, "output_tokens": 60.0}


def engine(models: dict[str, Any], **route: Any) -> Engine:
    """An engine over `first/m` and `second/m`, which behave as `models` says."""
    providers = {name: {"base_url": f"http://{name}.invalid/{name}/v1"} for name in ("first", "second")}
    config = parse_config(
        {"providers": providers, "routes": {"default": {"targets": ["first/m", "second/m"], **route}}}, environ={}
    )
    scenario = parse_scenario(json.dumps({"models": models}))
    return build(config, transports=lambda _provider, clock: SimTransport(scenario, clock, seed=1))


def call(**fields: Any) -> Call:
    return Call(id="r", model="", body={"messages": [{"role": "user", "content": "hi"}]}, **fields)


def asked(made: Engine) -> tuple[Completion, float]:
    """The answer, and when it came."""

    async def main() -> tuple[Completion, float]:
        reply = await made.handler()(call())
        assert isinstance(reply, Completion)
        return reply, asyncio.get_running_loop().time()

    return run(main())


@pytest.mark.parametrize(
    ("fault", "route", "by_s"),
    [
        (HANG, {"timeouts": {"first_token": 2}}, 7),
        (HANG, {"deadline": 60}, 15),
        (STALL, {"timeouts": {"between_tokens": 3}}, 10),
        (HANG, {"hedge": "1s"}, 6),
    ],
)
def test_a_timeout_leads_to_the_next_target(fault: dict[str, Any], route: dict[str, Any], by_s: float) -> None:
    reply, came_s = asked(engine({"first/m": {**WRITES, "faults": [fault]}, "second/m": WRITES}, **route))
    assert reply.target == "second/m"
    assert came_s < by_s


def test_an_attempt_slower_than_the_least_speed_gives_way() -> None:
    slow = {**WRITES, "tokens_per_s": 0.5, "output_tokens": 200.0}
    reply, came_s = asked(engine({"first/m": slow, "second/m": WRITES}, min_tokens_per_s=5, deadline="10m"))
    assert reply.target == "second/m"
    assert came_s < 30


def test_without_streaming_inside_a_silence_is_only_seen_by_the_whole() -> None:
    models = {"first/m": {**WRITES, "faults": [HANG]}, "second/m": WRITES}
    reply, came_s = asked(engine(models, stream_inside="off", timeouts={"total": 20}, deadline=60))
    assert reply.target == "second/m"
    assert came_s >= 20


@pytest.mark.parametrize(("on_break", "is_whole"), [("recover", True), ("error", False)])
def test_a_broken_stream_goes_on_or_is_an_error_as_the_route_says(on_break: str, is_whole: bool) -> None:
    async def main() -> str:
        made = engine({"first/m": {**WRITES, "faults": [CUT]}, "second/m": WRITES}, on_break=on_break)
        said = ""
        stream: Any = await made.handler()(call(stream=True))
        async with stream:
            async for event in stream:
                said += getattr(event, "text", "")
        return said

    if is_whole:
        assert run(main()).startswith("sim:")
    else:
        with pytest.raises(Unanswered) as caught:
            run(main())
        assert caught.value.last is not None
        assert caught.value.last.partial


def test_all_targets_down_is_an_error_within_the_deadline_that_lists_every_attempt() -> None:
    down = {"faults": [{"fault": "status", "status": 503, "probability": 1.0}]}

    async def main() -> tuple[Unanswered, float]:
        with pytest.raises(Unanswered) as caught:
            await engine({"first/m": down, "second/m": down}, deadline="10s").handler()(call())
        return caught.value, asyncio.get_running_loop().time()

    error, ended_s = run(main())
    assert ended_s <= 10.1
    assert {attempt.target for attempt in error.attempts} == {"first/m", "second/m"}
    assert {(attempt.status, attempt.outcome) for attempt in error.attempts} == {(503, "failed")}
    assert all(attempt.ended_s is not None for attempt in error.attempts)


def test_the_narrow_error_is_raised_when_every_target_ended_alike() -> None:
    down = {"faults": [{"fault": "status", "status": 503, "probability": 1.0}]}
    made = engine({"first/m": down, "second/m": down}, max_attempts=2)
    with pytest.raises(Overloaded):
        asked(made)
