"""Single flight: equal calls at the same time are one attempt."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from tests.race.given import a_call, an_answer, build, now

from penstock.call import Call, Completion, Finished, TextDelta
from penstock.clock import LoopClock
from penstock.errors import (
    BadRequest,
    CallError,
    DeadlineExceeded,
    ErrorKind,
    Overloaded,
    PenstockError,
    Unanswered,
    unanswered,
)
from penstock.fold import fold
from penstock.handler import Handler, OpenStream
from penstock.policies.cache import Digester
from penstock.policies.coalesce import Coalesce, Flights
from penstock.race import RaceSettings
from penstock.testing import Chunks, Delayed, ScriptedHandler, ScriptedTarget, run

QUESTION = {"messages": [{"role": "user", "content": "how big?"}]}
STREAM = Chunks([TextDelta("he"), 1.0, TextDelta("llo"), 1.0, Finished("stop")])


def joined(inner: Handler, **fields: Any) -> Handler:
    return Coalesce(Digester(), ("t/m",), Flights(), LoopClock(), **fields)(inner)


def asked(**fields: Any) -> Call:
    return a_call(body=QUESTION, **fields)


def failed(kind: ErrorKind) -> Unanswered:
    return unanswered((), CallError(kind, "no"), requests_sent=1)


def test_a_thousand_equal_calls_are_one_attempt() -> None:
    async def main() -> None:
        handler = ScriptedHandler([Delayed(1.0, an_answer())])
        ask = joined(handler)
        replies = await asyncio.gather(*(ask(asked(id=str(number))) for number in range(1000)))
        assert len(handler.calls) == 1
        assert [reply.cached for reply in replies].count(False) == 1
        assert {reply.text for reply in replies} == {"hello"}
        assert sum(reply.requests_sent for reply in replies) == replies[0].requests_sent

    run(main())


@pytest.mark.parametrize(
    "fields", [{"sample": "1"}, {"body": {"messages": []}}, {"cache": "off"}, {"kind": "completion"}]
)
def test_calls_that_differ_fly_apart(fields: dict[str, Any]) -> None:
    async def main() -> None:
        handler = ScriptedHandler([Delayed(1.0, an_answer()), Delayed(1.0, an_answer())])
        ask = joined(handler)
        await asyncio.gather(ask(asked()), ask(a_call(**{"body": QUESTION, **fields})))
        assert len(handler.calls) == 2

    run(main())


def test_who_started_it_may_leave() -> None:
    async def main() -> None:
        handler = ScriptedHandler([Delayed(2.0, an_answer())])
        ask = joined(handler)
        first = asyncio.ensure_future(ask(asked()))
        await asyncio.sleep(0.5)
        second = asyncio.ensure_future(ask(asked()))
        await asyncio.sleep(0.5)
        first.cancel()
        third = asyncio.ensure_future(ask(asked()))
        replies = await asyncio.gather(second, third)
        assert [reply.text for reply in replies] == ["hello", "hello"]
        # It was paid for: one of them tells so, and only that one is kept by a cache.
        assert sorted(reply.cached for reply in replies) == [False, True]
        assert now() == 2.0
        assert len(handler.calls) == 1

    run(main())


def test_when_everybody_left_the_attempt_ends() -> None:
    async def main() -> None:
        handler = ScriptedHandler([Delayed(100.0, an_answer()), an_answer("anew")])
        ask = joined(handler)
        waiting = [asyncio.ensure_future(ask(asked())) for _ in range(3)]
        await asyncio.sleep(1.0)
        for one in waiting:
            one.cancel()
        await asyncio.wait(waiting)
        assert handler.open == 0
        assert (await ask(asked())).text == "anew"

    run(main())


def test_everybody_waits_for_a_deadline_of_their_own() -> None:
    async def main() -> None:
        ask = joined(ScriptedHandler([Delayed(5.0, an_answer())]))
        first = asyncio.ensure_future(ask(asked()))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineExceeded):
            await ask(asked(deadline_s=2.0))
        assert now() == 2.0
        assert (await first).text == "hello"

    run(main())


def test_a_failure_that_may_pass_isnt_shared() -> None:
    async def main() -> None:
        handler = ScriptedHandler([Delayed(1.0, failed("overloaded")), Delayed(1.0, an_answer())])
        ask = joined(handler)
        replies = await asyncio.gather(*(ask(asked()) for _ in range(5)), return_exceptions=True)
        assert isinstance(replies[0], Overloaded)
        assert [reply.text for reply in replies[1:] if isinstance(reply, Completion)] == ["hello"] * 4
        assert len(handler.calls) == 2

    run(main())


def test_a_failure_for_good_is_shared() -> None:
    async def main() -> None:
        handler = ScriptedHandler([Delayed(1.0, failed("bad_request"))])
        ask = joined(handler)
        replies = await asyncio.gather(*(ask(asked()) for _ in range(5)), return_exceptions=True)
        assert all(isinstance(reply, BadRequest) for reply in replies)
        assert sum(reply.requests_sent for reply in replies if isinstance(reply, BadRequest)) == 1

    run(main())


async def read(reply: Any) -> str:
    assert isinstance(reply, OpenStream)
    async with reply:
        return fold([event async for event in reply]).text


def test_a_stream_is_fanned_out_from_its_beginning() -> None:
    async def main() -> None:
        handler = ScriptedHandler([STREAM])
        ask = joined(handler)
        first = await ask(asked(stream=True))
        text = asyncio.ensure_future(read(first))
        await asyncio.sleep(1.5)
        late = await ask(asked(stream=True))
        whole = asyncio.ensure_future(ask(asked()))
        assert await read(late) == await text == (await whole).text == "hello"
        assert (first.cached, late.cached) == (False, True)
        assert (len(handler.calls), handler.open) == (1, 0)

    run(main())


def test_a_stream_goes_on_for_the_others_when_its_first_reader_leaves() -> None:
    async def main() -> None:
        handler = ScriptedHandler([STREAM])
        ask = joined(handler)
        first, second = await ask(asked(stream=True)), await ask(asked(stream=True))
        await first.aclose()
        assert handler.open == 1
        assert await read(second) == "hello"
        assert handler.open == 0

    run(main())


def test_a_stream_that_nobody_reads_any_more_is_closed() -> None:
    async def main() -> None:
        handler = ScriptedHandler([STREAM])
        ask = joined(handler)
        first, second = await ask(asked(stream=True)), await ask(asked(stream=True))
        await first.aclose()
        await second.aclose()
        assert handler.open == 0

    run(main())


def test_a_stream_that_breaks_breaks_for_its_readers_and_is_asked_anew_for_those_who_wait() -> None:
    async def main() -> None:
        broken = Chunks([TextDelta("he"), 1.0, failed("transport")])
        handler = ScriptedHandler([broken, Delayed(1.0, an_answer())])
        ask = joined(handler)
        reader = asyncio.ensure_future(read(await ask(asked(stream=True))))
        whole = asyncio.ensure_future(ask(asked()))
        with pytest.raises(Unanswered):
            await reader
        assert (await whole).text == "hello"

    run(main())


def test_a_stream_may_join_an_answer_in_one_piece() -> None:
    async def main() -> None:
        handler = ScriptedHandler([Delayed(1.0, an_answer())])
        ask = joined(handler)
        first = asyncio.ensure_future(ask(asked()))
        await asyncio.sleep(0)
        assert await read(await ask(asked(stream=True))) == (await first).text == "hello"
        assert len(handler.calls) == 1

    run(main())


def test_what_one_makes_of_its_answer_is_no_other_ones() -> None:
    async def main() -> None:
        ask = joined(ScriptedHandler([Delayed(1.0, an_answer())]))
        first, second, third = await asyncio.gather(*(ask(asked()) for _ in range(3)))
        for reply in (first, second):
            assert isinstance(reply, Completion)
            reply.message["content"] = "something else"
        assert isinstance(third, Completion)
        assert third.text == "hello"

    run(main())


def raced(*targets: Any, **fields: Any) -> Handler:
    """Inside a running loop: equal calls above a race."""
    settings = RaceSettings(stream_inside="off", max_attempts=1, **fields)
    return joined(build(*targets, settings=settings), deadline_after_s=120.0)


def test_a_flight_has_the_latest_deadline_of_its_members() -> None:
    async def main() -> None:
        target = ScriptedTarget("t/m", [Delayed(5.0, an_answer())])
        ask = raced(target)
        first = asyncio.ensure_future(ask(asked(deadline_s=2.0)))
        await asyncio.sleep(1.0)
        second = asyncio.ensure_future(ask(asked(deadline_s=30.0)))
        with pytest.raises(DeadlineExceeded):
            await first
        assert now() == pytest.approx(2.0, abs=0.2)
        assert (await second).text == "hello"
        assert now() == pytest.approx(5.0, abs=0.2)
        assert len(target.permits) == 1
        # Who started it left: what was paid is told by who got it.
        assert (await second).cached is False

    run(main())


def test_a_flight_that_waits_at_a_limit_waits_for_its_latest_member() -> None:
    async def main() -> None:
        target = ScriptedTarget("t/m", [an_answer()], free_at_s=4.0)
        ask = raced(target)
        first = asyncio.ensure_future(ask(asked(deadline_s=2.0)))
        await asyncio.sleep(1.0)
        second = asyncio.ensure_future(ask(asked(deadline_s=30.0)))
        with pytest.raises(PenstockError):
            await first
        assert now() == pytest.approx(2.0, abs=0.2)
        assert (await second).text == "hello"
        assert now() == pytest.approx(4.0, abs=0.2)
        assert len(target.permits) == 1

    run(main())


def test_a_streamed_flight_goes_on_to_its_latest_deadline() -> None:
    async def main() -> None:
        events = [TextDelta("a"), 3.0, TextDelta("b"), 3.0, TextDelta("c"), Finished("stop")]
        target = ScriptedTarget("t/m", [Chunks(events)])
        ask = raced(target)
        first = await ask(asked(stream=True, deadline_s=2.0))
        second = await ask(asked(stream=True, deadline_s=30.0))
        third = await ask(asked(stream=True, deadline_s=4.0))

        async def cut(stream: Any, at_s: float) -> None:
            with pytest.raises(DeadlineExceeded):
                await read(stream)
            assert now() == pytest.approx(at_s, abs=0.2)

        _, _, text = await asyncio.gather(cut(first, 2.0), cut(third, 4.0), read(second))
        assert text == "abc"
        assert len(target.permits) == 1

    run(main())


@pytest.mark.parametrize("seed", range(60))
def test_everybody_is_answered_or_refused_by_their_own_deadline_and_by_one_attempt(seed: int) -> None:
    async def main() -> None:
        rng = random.Random(seed)
        takes_s = rng.uniform(1.0, 20.0)
        target = ScriptedTarget("t/m", [Delayed(takes_s, an_answer())] * 20)
        ask = raced(target)
        began_s = now()

        async def member() -> None:
            await asyncio.sleep(rng.uniform(0.0, 0.9))
            deadline_s = began_s + rng.uniform(1.0, 25.0)
            try:
                reply = await ask(asked(deadline_s=deadline_s))
            except DeadlineExceeded:
                assert now() == pytest.approx(deadline_s, abs=0.2)
                assert deadline_s - began_s <= takes_s + 1.2
            else:
                assert reply.text == "hello"
                assert now() <= deadline_s + 0.2

        await asyncio.gather(*(member() for _ in range(rng.randrange(2, 12))))
        assert len(target.permits) == 1

    run(main())
