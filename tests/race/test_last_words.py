"""What an error says of a call that ended without an answer: its last error and text, each once and in right words."""

from __future__ import annotations

from typing import Any

import pytest
from tests.race.given import a_call, an_error, build

from penstock.call import Completion, Finished, Started, TextDelta
from penstock.errors import DeadlineExceeded, Unanswered
from penstock.handler import OpenStream
from penstock.race import RaceSettings
from penstock.testing import Chunks, Delayed, ScriptedTarget, run

SILENT = Delayed(10_000, None)
STALLS = Chunks([Started(), TextDelta("half an "), TextDelta("answer"), 10_000])

ONCE = RaceSettings(stream_inside="auto", max_attempts=1)


def ending(*targets: Any, settings: RaceSettings | None = None, **call: Any) -> Unanswered:
    async def main() -> Unanswered:
        with pytest.raises(Unanswered) as caught:
            reply = await build(*targets, settings=settings or RaceSettings(stream_inside="auto"))(a_call(**call))
            if not isinstance(reply, Completion):
                async for _ in reply:
                    pass
        return caught.value

    return run(main)


@pytest.mark.parametrize("stream", [False, True])
def test_the_last_error_of_targets_that_were_all_silent_is_a_timeout(stream: bool) -> None:
    error = ending(*(ScriptedTarget(f"{name}/x", lambda _: SILENT) for name in "ab"), deadline_s=5.0, stream=stream)
    assert type(error) is DeadlineExceeded
    assert error.last is not None
    assert (error.last.kind, error.last.partial) == ("timeout", "")
    assert error.last.target == error.attempts[-1].target
    assert error.last.message == "silent until the deadline"


def test_the_text_of_an_answer_in_one_piece_that_stalled_until_its_deadline_is_kept() -> None:
    error = ending(ScriptedTarget("a/x", [STALLS]), settings=ONCE, deadline_s=5.0)
    assert error.last is not None
    assert (error.last.kind, error.last.partial) == ("timeout", "half an answer")
    assert error.last.message == "unfinished at the deadline, after 14 characters"


def test_of_several_attempts_that_run_at_the_deadline_the_one_with_a_text_is_told() -> None:
    error = ending(ScriptedTarget("a/x", [STALLS]), ScriptedTarget("b/x", lambda _: SILENT), deadline_s=8.0)
    assert error.last is not None
    assert (error.last.target, error.last.partial) == ("a/x", "half an answer")


def test_the_text_of_an_attempt_that_was_ended_at_a_bound_is_kept() -> None:
    settings = RaceSettings(stream_inside="auto", between_tokens_s=1.0, max_attempts=1)
    error = ending(ScriptedTarget("a/x", [STALLS]), deadline_s=30.0, settings=settings)
    assert error.last is not None
    assert error.last.partial == "half an answer"


def test_a_real_error_before_the_silence_is_still_named() -> None:
    error = ending(
        ScriptedTarget("a/x", [an_error("server_error"), SILENT]),
        ScriptedTarget("b/x", lambda _: SILENT),
        deadline_s=5.0,
    )
    assert "a/x: server_error: it was server_error" in str(error)
    assert error.last is not None
    assert error.last.kind == "timeout"


def text_of(targets: list[Any], **call: Any) -> Unanswered:
    return ending(*targets, settings=RaceSettings(max_attempts=call.pop("most", None)), stream=True, **call)


def test_a_stream_that_breaks_again_and_again_says_so_once() -> None:
    texts = ("one", "one two", "one two three")
    steps = [*(Chunks([Started(), TextDelta(text), an_error("transport")]) for text in texts), an_error("overloaded")]
    error = text_of([ScriptedTarget("a/x", steps)], most=4)
    for words in ("it was transport", "characters", "it was overloaded"):
        assert str(error).count(words) <= 1, str(error)
    assert error.last is not None
    assert error.last.partial == "one two three"
    assert str(error) == "a/x: transport: it was transport (after 13 characters; a/x: overloaded: it was overloaded)"


def test_the_error_of_a_stream_that_nothing_is_left_for_says_it_once() -> None:
    error = text_of([ScriptedTarget("a/x", [Chunks([Started(), TextDelta("one"), an_error("transport")])])], most=1)
    assert str(error) == "a/x: transport: it was transport (after 3 characters; nothing was left to try)"


def test_a_deadline_that_ends_the_search_for_another_stream_says_each_error_once() -> None:
    steps = [Chunks([Started(), TextDelta("one"), an_error("transport")]), *[SILENT] * 9]
    error = text_of([ScriptedTarget("a/x", steps), ScriptedTarget("b/x", lambda _: SILENT)], deadline_s=4.0)
    assert type(error) is DeadlineExceeded
    assert str(error).startswith("a/x: transport: it was transport (after 3 characters; ")
    assert str(error).endswith("/x: timeout: silent until the deadline)")


def test_the_seam_is_told_of_the_attempt_that_went_on_whichever_began_last() -> None:
    first = ScriptedTarget("a/x", [Chunks([Started(), TextDelta("one"), an_error("transport")])])
    second = ScriptedTarget("b/x", [Delayed(11.0, Chunks([Started(), TextDelta("one two"), Finished("stop")]))])
    third = ScriptedTarget("c/x", [SILENT])

    async def main() -> dict[str, bool]:
        stream = await build(first, second, third)(a_call(stream=True, deadline_s=100.0))
        assert isinstance(stream, OpenStream)
        async for _ in stream:
            pass
        return {attempt.target: attempt.seam is not None for attempt in stream.attempts}

    assert run(main) == {"a/x": False, "b/x": True, "c/x": False}


def test_a_stream_that_says_something_else_isn_t_told_as_closed_by_the_caller() -> None:
    first = ScriptedTarget("a/x", [Chunks([Started(), TextDelta("one two"), an_error("transport")])])
    second = ScriptedTarget("b/x", lambda _: Chunks([Started(), TextDelta("something else"), TextDelta("!")]))
    error = text_of([first, second], most=2)
    (unfit,) = [attempt for attempt in error.attempts if attempt.target == "b/x"]
    assert unfit.outcome == "cancelled"
    assert unfit.error == "asked anew, the answer differs from character 0 on"


def test_a_stream_that_its_caller_closes_is_told_so() -> None:
    async def main() -> str | None:
        handler = build(ScriptedTarget("a/x", [STALLS]))
        stream = await handler(a_call(stream=True))
        assert isinstance(stream, OpenStream)
        await stream.aclose()
        return stream.attempts[0].error

    assert run(main) == "closed by the caller"


def test_a_total_outage_is_told_of_every_target() -> None:
    down = ScriptedTarget("a/x", lambda _: an_error("overloaded", status=503, target="a/x"))
    gone = ScriptedTarget("b/x", lambda _: an_error("transport", sent=False, target="b/x"))
    told = str(ending(down, gone, deadline_s=5.0))
    assert told.startswith("the deadline passed after ")
    assert "; the last errors were " in told
    assert (told.count("a/x: 503 overloaded: it was overloaded"), told.count("b/x: transport: it was transport")) == (
        1,
        1,
    )


def test_what_every_other_target_said_is_told_beside_a_last_refusal() -> None:
    locked = ScriptedTarget("a/x", lambda _: an_error("auth", status=401, target="a/x"))
    bad = ScriptedTarget("b/x", lambda _: an_error("bad_request", status=400, target="b/x"))
    told = str(ending(locked, bad))
    assert told == "b/x: 400 bad_request: it was bad_request; a/x: 401 auth: it was auth"


def test_silence_at_the_deadline_is_told() -> None:
    told = str(ending(ScriptedTarget("a/x", lambda _: SILENT), settings=ONCE, deadline_s=5.0))
    assert told == "the deadline passed after 1 attempt, the last one at a/x; a/x: timeout: silent until the deadline"
