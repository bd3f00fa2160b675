"""What an answer over several streams came to, and that nothing of it stays open."""

from __future__ import annotations

import asyncio

import pytest
from tests.race.ladder import STOP, TEXT, Ladder, cut, heard, text_of, words

from penstock.call import (
    Call,
    Finished,
    Rung,
    TextDelta,
    Usage,
    UsageUpdate,
)
from penstock.errors import CallError
from penstock.fold import fold
from penstock.handler import OpenStream
from penstock.testing import Chunks, run

# Accounts.


def test_the_usage_is_the_sum_of_the_streams_that_say_theirs() -> None:
    ladder = Ladder(
        prefill=[cut(*words(TEXT[40:60])), Chunks([*words(TEXT[60:]), Finished("stop"), UsageUpdate(Usage(30, 5))])]
    )
    events, _ = heard(ladder, cut(TextDelta(TEXT[:40]), UsageUpdate(Usage(10, 12))))
    assert [event for event in events if isinstance(event, UsageUpdate)] == [
        UsageUpdate(Usage(10, 12)),
        UsageUpdate(Usage(40, 17)),
    ]


def test_a_stream_that_did_not_fit_was_paid_for() -> None:
    unfit = [UsageUpdate(Usage(7, 7)), TextDelta(TEXT[:30] + "!"), *STOP]
    silent = [*words(TEXT), Finished("stop")]
    events, _ = heard(Ladder(prefill=[Chunks(unfit)], anew=[Chunks(silent)]), cut(*words(TEXT[:40])))
    assert fold(events).usage == Usage(7, 7)


def test_lost_events_of_every_stream_mark_the_answer() -> None:
    async def main() -> int:
        ladder = Ladder(prefill=[Chunks([*words(TEXT[40:]), *STOP])])
        stream = await ladder.relay(cut(*words(TEXT[:40])))
        ladder.streams[0].malformed_events = 1
        assert len([event async for event in stream]) > 0
        return stream.malformed_events

    assert run(main) == 1


def test_the_answer_names_the_target_whose_words_come() -> None:
    async def main() -> list[str]:
        stream = await Ladder(prefill=[Chunks([*words(TEXT[40:]), *STOP])]).relay(cut(*words(TEXT[:40])))
        before = stream.target
        async for _ in stream:
            pass
        return [before, stream.target]

    assert run(main) == ["sim/0", "sim/1"]


# Leaving.


@pytest.mark.parametrize("events", [0, 3, 12, 14])
def test_leaving_closes_whichever_stream_is_open(events: int) -> None:
    ladder = Ladder(prefill=[Chunks([*words(TEXT[40:]), 1000])])

    async def main() -> None:
        async with await ladder.relay(cut(*words(TEXT[:40]))) as stream:
            for _ in range(events):
                await anext(stream)

    run(main)
    assert ladder.handler.open == 0


class Slow(Ladder):
    """It takes 10 s until the next stream is open."""

    async def again(self, call: Call, rung: Rung, error: CallError) -> OpenStream:
        await asyncio.sleep(10)
        return await super().again(call, rung, error)


async def read_all(stream: OpenStream) -> str:
    async with stream:
        return text_of([event async for event in stream])


@pytest.mark.parametrize("after_s", [5, 15])
def test_a_caller_that_goes_away_during_the_climb_leaves_nothing_open(after_s: float) -> None:
    ladder = Slow(prefill=[Chunks([*words(TEXT[40:]), 1000])])

    async def main() -> None:
        task = asyncio.create_task(read_all(await ladder.relay(cut(*words(TEXT[:40])))))
        await asyncio.sleep(after_s)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(main)
    assert ladder.handler.open == 0


def test_a_stream_that_opens_after_its_answer_was_closed_is_closed() -> None:
    ladder = Slow(prefill=[Chunks([*words(TEXT[40:]), *STOP])])

    async def main() -> str:
        stream = await ladder.relay(cut(*words(TEXT[:40])))
        task = asyncio.create_task(read_all(stream))
        await asyncio.sleep(5)
        await stream.aclose()
        return await task

    assert run(main) == TEXT[:40]
    assert ladder.handler.open == 0
