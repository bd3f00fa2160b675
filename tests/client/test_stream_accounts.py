"""What a streamed answer says of its requests: how long it took, and how many there were."""

from __future__ import annotations

import pytest
from tests.race.given import a_call, an_error, build

from penstock.answer import Answer
from penstock.call import Finished, TextDelta, UsageUpdate
from penstock.call import Usage as Tokens
from penstock.client.request import Row
from penstock.client.stream import AsyncStream
from penstock.race import RaceSettings
from penstock.testing import Chunks, Delayed, ScriptedTarget, run

END = [Finished("stop"), UsageUpdate(Tokens(3, 2))]


def streamed(*targets: ScriptedTarget, settings: RaceSettings) -> Answer:
    async def main() -> Answer:
        handler, call = build(*targets, settings=settings), a_call(stream=True)
        return await AsyncStream(lambda: (handler(call), call), Row("chat", {}, "m", None, None, None, {})).finish()

    return run(main())


def test_the_latency_is_the_winners_although_a_loser_is_listed_after_it() -> None:
    first = ScriptedTarget("a/x", [Delayed(2.5, Chunks([TextDelta("he"), 2.5, TextDelta("llo"), *END]))])
    hedge = ScriptedTarget("b/x", [Delayed(9.0, Chunks([TextDelta("late"), *END]))])
    answer = streamed(first, hedge, settings=RaceSettings(hedge=2.0))
    assert [attempt.outcome for attempt in answer.attempts] == ["answered", "cancelled"]
    assert answer.latency_s == pytest.approx(5.0)


def test_every_request_of_a_long_way_to_a_stream_is_counted() -> None:
    refusals = [an_error("rate_limited", retry_after_s=0.1) for _ in range(99)]
    answer = streamed(ScriptedTarget("a/x", [*refusals, Chunks([TextDelta("hello"), *END])]), settings=RaceSettings())
    assert answer._completion is not None
    assert (answer._completion.requests_sent, len(answer.attempts)) == (100, 64)
