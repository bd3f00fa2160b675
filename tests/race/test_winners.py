"""The attempt that answered: booked once, whatever becomes of its caller and of those that lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.race.given import a_call, an_answer, build

from penstock.call import Call, Completion, Finished, Reply, Started, TextDelta
from penstock.errors import CallError
from penstock.handler import OpenStream
from penstock.race import Hedges, RaceSettings, RaceStats, Route
from penstock.testing import Chunks, Delayed, ScriptedTarget, run

HEDGED = RaceSettings(hedge=2.0, stream_inside="off")
STREAM = Chunks([Started(), TextDelta("hello"), 1.0, Finished("stop")])


class SlowToLeave(ScriptedTarget):
    """Its attempts take a second to be cancelled, as one whose connection is slow to close."""

    async def send(self, call: Call, permit: Any) -> Reply:
        try:
            return await super().send(call, permit)
        except asyncio.CancelledError:
            await asyncio.sleep(1)
            raise


def cancelled_at(cancel_s: float, *targets: Any, **call: Any) -> RaceStats:
    stats = RaceStats()

    async def main() -> None:
        task = asyncio.ensure_future(build(*targets, settings=HEDGED, stats=stats)(a_call(**call)))
        await asyncio.sleep(cancel_s)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(main)
    return stats


@pytest.mark.parametrize("streams", [False, True])
def test_a_caller_that_goes_away_while_losers_end_leaves_nothing_open(streams: bool) -> None:
    step = STREAM if streams else an_answer()
    first, second = ScriptedTarget("a/x", [Delayed(3, step)]), SlowToLeave("b/x", [Delayed(60, an_answer())])
    stats = cancelled_at(3.5, first, second, stream=streams)
    assert [first.breaker.in_flight, second.breaker.in_flight] == [0, 0]
    assert [first.in_flight, second.in_flight, first.handler.open] == [0, 0, 0]
    assert (stats.lost, stats.answered) == (2, 0)
    assert not first.latency.of(0).total._running


@pytest.mark.parametrize("streams", [False, True])
def test_a_hedge_that_answers_as_its_caller_leaves_is_closed_and_told_to_its_breaker(streams: bool) -> None:
    callers: list[asyncio.Task[Reply]] = []

    class Leaving(ScriptedTarget):
        async def send(self, call: Call, permit: Any) -> Reply:
            reply = await super().send(call, permit)
            callers[0].cancel()
            return reply

    step = STREAM if streams else an_answer()
    first, second = ScriptedTarget("a/x", [Delayed(60, an_answer())]), Leaving("b/x", [Delayed(1, step)])
    stats = RaceStats()

    async def main() -> None:
        answer = build(first, second, settings=HEDGED, stats=stats)
        callers.append(asyncio.ensure_future(answer(a_call(stream=streams))))
        await asyncio.wait(callers)
        assert callers[0].cancelled()

    run(main)
    assert [first.breaker.in_flight, second.breaker.in_flight] == [0, 0]
    assert [first.in_flight, second.in_flight, second.handler.open] == [0, 0, 0]
    assert (stats.lost, stats.answered) == (2, 0)


@pytest.mark.parametrize("streams", [False, True])
def test_a_hedge_that_answered_for_a_caller_who_left_is_told_to_its_breaker(streams: bool) -> None:
    step = STREAM if streams else an_answer()
    first, second = SlowToLeave("a/x", [Delayed(60, an_answer())]), ScriptedTarget("b/x", [Delayed(1, step)])
    cancelled_at(3.5, first, second, stream=streams)
    assert [first.breaker.in_flight, second.breaker.in_flight] == [0, 0]
    assert [first.in_flight, second.in_flight, second.handler.open] == [0, 0, 0]


def test_a_loser_that_fails_to_close_costs_nobody_the_answer() -> None:
    async def main() -> None:
        broken = ScriptedTarget("b/x", [])

        async def send(call: Call, permit: Any) -> Reply:
            # In the same turn of the loop as the winner, and before it.
            await asyncio.sleep(1 - 2e-10)
            return OpenStream(_events(), _fails_to_close)

        broken.send = send  # type: ignore[method-assign]
        first = ScriptedTarget("a/x", [Delayed(3.0, STREAM)])
        handler = build(first, broken, settings=RaceSettings(hedge=1.98))
        reply = await handler(a_call(stream=True))
        assert isinstance(reply, OpenStream)
        async with reply:
            assert [event.text async for event in reply if isinstance(event, TextDelta)] == ["hello"]

    run(main)


async def _events() -> Any:
    yield Started()
    yield TextDelta("too late")


def _fails_to_close() -> None:
    raise CallError("transport", "the connection is gone")


def test_calls_that_waited_at_a_limit_fill_the_hedges_bucket_too() -> None:
    route = Route(hedges=Hedges(0.05))
    before = route.hedges.budget.level

    async def main() -> None:
        target = ScriptedTarget("a/x", [an_answer()] * 10, free_at_s=1.0)
        handler = build(
            target, ScriptedTarget("b/x", [], free_at_s=9.0), settings=RaceSettings(hedge="auto"), route=route
        )
        await asyncio.gather(*(handler(a_call()) for _ in range(10)))

    run(main)
    assert route.hedges.budget.level == pytest.approx(before + 10 * 0.0575, abs=0.1)


def test_an_answer_in_one_piece_gives_back_what_it_took_of_first_tokens() -> None:
    target = ScriptedTarget("a/x", [Delayed(1, an_answer())])

    async def main() -> None:
        reply = await build(target, settings=RaceSettings(stream_inside="on"))(a_call())
        assert isinstance(reply, Completion)

    run(main)
    assert not target.latency.of(0).first_token._running
