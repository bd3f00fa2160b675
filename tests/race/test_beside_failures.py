"""Attempts beside each other when some of them fail: what runs may still answer, and who is asked next."""

from __future__ import annotations

from typing import Any

import pytest
from tests.race.given import a_call, an_answer, an_error, build

from penstock.call import Completion, Started, TextDelta
from penstock.errors import BadRequest, Unanswered
from penstock.race import RaceSettings
from penstock.testing import Chunks, Delayed, ScriptedTarget, run

HEDGED = RaceSettings(hedge=2.0, stream_inside="off")
STREAMED = RaceSettings(stream_inside="on", first_token_s=1.0)
SILENT = Chunks([Started(), 1000])


def outcome(*targets: Any, settings: RaceSettings, **call: Any) -> Completion | Unanswered:
    async def main() -> Completion | Unanswered:
        try:
            reply = await build(*targets, settings=settings)(a_call(**call))
        except Unanswered as error:
            return error
        assert isinstance(reply, Completion)
        return reply

    end = run(main)
    for target in targets:
        assert (target.in_flight, target.breaker.in_flight, target.handler.open) == (0, 0, 0)
    return end


@pytest.mark.parametrize("kind", ["bad_request", "context_too_long", "content_filtered"])
def test_a_hedge_that_is_refused_for_good_leaves_the_first_attempt_running(kind: Any) -> None:
    first = ScriptedTarget("a/x", [Delayed(5, an_answer())])
    answer = outcome(first, ScriptedTarget("b/x", [an_error(kind)]), settings=HEDGED)
    assert isinstance(answer, Completion)
    assert [(attempt.target, attempt.outcome) for attempt in answer.attempts] == [
        ("a/x", "answered"),
        ("b/x", "failed"),
    ]


def test_the_hedge_of_a_refused_request_may_still_answer() -> None:
    first = ScriptedTarget("a/x", [Delayed(3, an_error("context_too_long"))])
    answer = outcome(first, ScriptedTarget("b/x", [Delayed(4, an_answer())]), settings=HEDGED)
    assert isinstance(answer, Completion)
    assert answer.target == "b/x"


def test_a_refusal_for_good_starts_nothing_at_another_target_and_is_told_in_the_end() -> None:
    first = ScriptedTarget("a/x", [Delayed(5, an_error("server_error")), an_error("too_big_for_limit")])
    third = ScriptedTarget("c/x", [])
    end = outcome(first, ScriptedTarget("b/x", [an_error("bad_request")]), third, settings=HEDGED)
    assert isinstance(end, Unanswered)
    assert end.last is not None
    assert (end.last.kind, end.requests_sent) == ("bad_request", 3)


def test_a_request_refused_for_good_everywhere_is_a_bad_request() -> None:
    first = ScriptedTarget("a/x", [Delayed(5, an_error("bad_request"))])
    end = outcome(first, ScriptedTarget("b/x", [an_error("bad_request")]), settings=HEDGED)
    assert isinstance(end, BadRequest)


def test_a_hedge_keeps_away_from_a_target_that_asked_for_it() -> None:
    first = ScriptedTarget("a/x", [an_error("overloaded", retry_after_s=60.0)])
    second = ScriptedTarget("b/x", [Delayed(10, an_answer())])
    answer = outcome(first, second, settings=HEDGED)
    assert isinstance(answer, Completion)
    assert (answer.target, answer.requests_sent) == ("b/x", 2)


def test_a_hedge_prefers_a_target_that_was_not_silent() -> None:
    first = ScriptedTarget("a/x", [an_error("timeout"), an_answer()])
    second = ScriptedTarget("b/x", [Delayed(60, an_answer())])
    answer = outcome(first, second, ScriptedTarget("c/x", [an_answer()]), settings=HEDGED)
    assert isinstance(answer, Completion)
    assert answer.target == "c/x"


def test_a_silent_target_is_asked_again_before_one_whose_limit_lets_nobody_in_for_long() -> None:
    first = ScriptedTarget("a/x", [SILENT, Chunks([Started(), TextDelta("hello")])])
    answer = outcome(first, ScriptedTarget("b/x", [], free_at_s=1000.0), settings=STREAMED, deadline_s=30.0)
    assert isinstance(answer, Completion)
    assert (answer.target, answer.text) == ("a/x", "hello")


def test_a_silent_target_comes_after_one_that_is_ready_soon() -> None:
    first, second = ScriptedTarget("a/x", [SILENT]), ScriptedTarget("b/x", [an_answer()], free_at_s=4.0)
    answer = outcome(first, second, settings=STREAMED, deadline_s=30.0)
    assert isinstance(answer, Completion)
    assert answer.target == "b/x"


def test_a_stall_of_the_last_attempt_that_is_allowed_is_seen() -> None:
    settings = RaceSettings(stream_inside="on", between_tokens_s=5.0, max_attempts=1, deadline_after_s=None)
    stalls = ScriptedTarget("a/x", [Chunks([Started(), 3.0, TextDelta("he"), 1000])])
    end = outcome(stalls, settings=settings)
    assert isinstance(end, Unanswered)
    assert end.last is not None
    assert "5 s without a token" in str(end.last)
    assert end.attempts[0].ended_s == pytest.approx(8.0, abs=1.1)


@pytest.mark.parametrize("bound_s", [0.2, 0.6])
def test_a_bound_below_a_second_is_kept(bound_s: float) -> None:
    settings = RaceSettings(stream_inside="on", first_token_s=bound_s)
    answer = outcome(ScriptedTarget("a/x", [SILENT]), ScriptedTarget("b/x", [an_answer()]), settings=settings)
    assert isinstance(answer, Completion)
    assert answer.latency_s == pytest.approx(bound_s, abs=0.05)


def test_what_was_never_sent_is_none_of_the_attempts_allowed() -> None:
    first = ScriptedTarget("a/x", [], keys=0)
    first._last = an_error("too_big_for_limit")
    settings = RaceSettings(max_attempts=1)
    assert isinstance(outcome(first, ScriptedTarget("b/x", [an_answer()]), settings=settings), Completion)
