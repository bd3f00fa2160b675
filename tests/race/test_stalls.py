"""A stream that stalls after its first tokens, a second target that is well, and a deadline that is short."""

from __future__ import annotations

import pytest
from tests.race.given import a_call, build, now

from penstock.call import Completion, Finished, Started, TextDelta
from penstock.handler import OpenStream
from penstock.race import RaceSettings
from penstock.testing import Chunks, ScriptedTarget, run

STALLS = Chunks([Started(), 0.2, *[piece for _ in range(30) for piece in (0.016, TextDelta("x"))], 10_000])
WHOLE = Chunks([Started(), 0.1, *[piece for _ in range(60) for piece in (0.016, TextDelta("x"))], Finished("stop")])


@pytest.mark.parametrize("deadline_s", [3.0, 4.0, 30.0])
def test_an_answer_in_one_piece_is_rescued_before_its_deadline(deadline_s: float) -> None:
    targets = ScriptedTarget("a/x", lambda _: STALLS), ScriptedTarget("b/x", lambda _: WHOLE)

    async def main() -> str:
        reply = await build(*targets, settings=RaceSettings(stream_inside="auto"))(a_call(deadline_s=deadline_s))
        assert isinstance(reply, Completion)
        return reply.text

    assert run(main) == "x" * 60


@pytest.mark.parametrize("deadline_s", [5.0, 8.0, 20.0])
def test_a_stream_in_its_reader_s_hands_is_rescued_before_its_deadline(deadline_s: float) -> None:
    targets = ScriptedTarget("a/x", lambda _: STALLS), ScriptedTarget("b/x", lambda _: WHOLE)

    async def main() -> tuple[str, float]:
        stream = await build(*targets, settings=RaceSettings())(a_call(stream=True, deadline_s=deadline_s))
        assert isinstance(stream, OpenStream)
        return "".join([event.text async for event in stream if isinstance(event, TextDelta)]), now()

    text, ended_s = run(main)
    assert text == "x" * 60
    assert ended_s < deadline_s


def test_a_slow_but_steady_stream_isn_t_broken_by_a_deadline_that_leaves_it_time() -> None:
    slow = Chunks([Started(), *[piece for _ in range(8) for piece in (1.1, TextDelta("x"))], Finished("stop")])
    targets = ScriptedTarget("a/x", [slow]), ScriptedTarget("b/x", [])

    async def main() -> int:
        stream = await build(*targets, settings=RaceSettings())(a_call(stream=True, deadline_s=20.0))
        assert isinstance(stream, OpenStream)
        return len([event async for event in stream if isinstance(event, TextDelta)])

    assert run(main) == 8
