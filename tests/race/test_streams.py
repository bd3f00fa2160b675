from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.race.given import a_call, an_error, build, now

from penstock.call import Event, Finished, Started, TextDelta, Usage, UsageUpdate
from penstock.errors import CallError, DeadlineExceeded, Unanswered
from penstock.handler import OpenStream
from penstock.race import RaceSettings, RaceStats
from penstock.testing import Chunks, Delayed, ScriptedTarget, run

WHOLE = [Started(), TextDelta("a"), 1, TextDelta("b"), UsageUpdate(Usage(3, 2)), Finished("stop")]


STRICT = RaceSettings(on_break="error")


async def opened(target: Any, **parts: Any) -> OpenStream:
    reply = await build(target, **parts)(a_call(stream=True))
    assert isinstance(reply, OpenStream)
    return reply


async def drained(stream: OpenStream) -> list[Event]:
    return [event async for event in stream]


def test_a_stream_yields_everything_and_knows_who_answered() -> None:
    target, stats = ScriptedTarget("sim/fast", [Chunks(WHOLE)]), RaceStats()

    async def main() -> None:
        stream = await opened(target, stats=stats)
        assert stats.answered == 0
        assert await drained(stream) == [piece for piece in WHOLE if piece != 1]
        (attempt,) = stream.attempts
        assert (stream.target, attempt.outcome, attempt.usage, attempt.ended_s) == (
            "sim/fast",
            "answered",
            Usage(3, 2),
            1,
        )

    run(main)
    assert stats.answered == 1


def test_a_permit_is_held_until_the_stream_ends() -> None:
    target = ScriptedTarget("sim/fast", [Chunks(WHOLE)])

    async def main() -> None:
        stream = await opened(target)
        assert target.permits[0].ending is None
        await drained(stream)
        assert (target.permits[0].ending, target.permits[0].usage) == ("settled", Usage(3, 2))

    run(main)


def test_leaving_a_stream_gives_its_permit_back() -> None:
    target = ScriptedTarget("sim/fast", [Chunks(WHOLE)])

    async def main() -> str:
        async with await opened(target) as stream:
            await anext(stream)
        return stream.attempts[0].outcome

    assert run(main) == "cancelled"
    assert target.permits[0].ending == "settled"
    assert target.handler.open == 0


def test_a_stream_that_dies_at_birth_is_a_failed_attempt() -> None:
    target = ScriptedTarget("sim/fast", [Chunks([Started(), CallError("overloaded", "busy")]), Chunks(WHOLE)])

    async def main() -> None:
        stream = await opened(target)
        assert [attempt.error_kind for attempt in stream.attempts] == ["overloaded", None]
        await stream.aclose()

    run(main)
    assert [permit.ending for permit in target.permits] == ["refused", "settled"]


def test_a_break_after_the_first_event_carries_what_had_arrived() -> None:
    broken = [TextDelta("a"), an_error("transport", partial="a")]
    target, stats = ScriptedTarget("sim/fast", [Chunks(broken)]), RaceStats()

    async def main() -> None:
        stream = await opened(target, stats=stats, settings=STRICT)
        assert await anext(stream) == TextDelta("a")
        with pytest.raises(Unanswered) as caught:
            await anext(stream)
        error = caught.value
        assert error.last is not None
        assert (error.kind, error.last.partial, error.last.target) == ("transport", "a", "sim/fast")
        assert [attempt.outcome for attempt in error.attempts] == ["failed"]

    run(main)
    assert stats.targets["sim/fast"].errors == {"transport": 1}
    assert target.permits[0].ending == "settled"


def test_the_deadline_interrupts_a_stream_that_never_begins() -> None:
    target = ScriptedTarget("sim/fast", lambda _: Chunks([Started(), 1000, TextDelta("a")]))

    async def main() -> float:
        with pytest.raises(DeadlineExceeded):
            await opened(target)
        return now()

    assert run(main) == pytest.approx(120, abs=0.06)
    assert target.handler.open == 0
    assert target.permits[0].ending == "released"


def test_a_caller_that_goes_away_before_the_first_event_closes_the_stream() -> None:
    target = ScriptedTarget("sim/fast", [Delayed(1, Chunks([Started(), 1000, TextDelta("a")]))])

    async def main() -> None:
        task = asyncio.create_task(opened(target))
        await asyncio.sleep(2)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(main)
    assert target.handler.open == 0
    assert target.permits[0].ending == "released"


def test_a_caller_that_reads_slowly_stalls_nothing() -> None:
    target = ScriptedTarget("sim/fast", [Chunks(WHOLE)])
    settings = RaceSettings(deadline_after_s=None, between_tokens_s=2.0, min_tokens_per_s=0.1)

    async def main() -> list[Event]:
        stream = await opened(target, settings=settings)
        seen = []
        async for event in stream:
            seen.append(event)
            await asyncio.sleep(60)
        return seen

    assert run(main) == [piece for piece in WHOLE if piece != 1]


def test_a_stream_that_stalls_in_the_caller_s_hands_goes_on_elsewhere() -> None:
    stalls = ScriptedTarget("a/x", [Chunks([TextDelta("a"), 1000])])
    targets = stalls, ScriptedTarget("b/x", [Chunks(WHOLE)])

    async def main() -> tuple[str, float]:
        stream = await build(*targets, settings=RaceSettings(between_tokens_s=2.0))(a_call(stream=True))
        assert isinstance(stream, OpenStream)
        text = "".join([event.text async for event in stream if isinstance(event, TextDelta)])
        assert [attempt.outcome for attempt in stream.attempts] == ["failed", "answered"]
        return text, now()

    text, ended_s = run(main)
    assert text == "ab"
    assert ended_s == pytest.approx(3, abs=0.05)
    assert [target.in_flight for target in targets] == [0, 0]


def test_a_deadline_ends_a_stream_in_the_caller_s_hands() -> None:
    target = ScriptedTarget("a/x", lambda _: Chunks([TextDelta("a"), 1000]))

    async def main() -> float:
        stream = await build(target, settings=STRICT)(a_call(stream=True, deadline_s=10.0))
        with pytest.raises(Unanswered, match="the deadline passed"):
            await drained(stream)  # type: ignore[arg-type]
        return now()

    assert run(main) == pytest.approx(10, abs=0.05)
    assert target.in_flight == 0


def test_what_a_target_refused_for_good_isn_t_asked_of_it_when_a_stream_breaks_elsewhere() -> None:
    refuses = ScriptedTarget("a/x", [an_error("context_too_long")])
    breaks = ScriptedTarget("b/x", [Chunks([TextDelta("a"), an_error("transport")]), Chunks(WHOLE)])
    settings = RaceSettings(fallback_on=frozenset({"context_too_long"}))

    async def main() -> str:
        stream = await build(refuses, breaks, settings=settings)(a_call(stream=True))
        assert isinstance(stream, OpenStream)
        return "".join([event.text async for event in stream if isinstance(event, TextDelta)])

    assert run(main) == "ab"
    assert (len(refuses.handler.calls), len(breaks.handler.calls)) == (1, 2)
