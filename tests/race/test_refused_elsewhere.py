"""A request that one target refuses for good, while another has only failed for now, isn't over."""

from __future__ import annotations

from typing import Any

import pytest
from tests.race.given import a_call, an_answer, an_error, build

from penstock.call import Completion
from penstock.errors import BadRequest, Unanswered
from penstock.race import RaceSettings
from penstock.testing import Delayed, ScriptedTarget, run


def outcome(*targets: Any, settings: RaceSettings | None = None, **call: Any) -> Completion | Unanswered:
    async def main() -> Completion | Unanswered:
        try:
            reply = await build(*targets, settings=settings)(a_call(**call))
        except Unanswered as error:
            return error
        assert isinstance(reply, Completion)
        return reply

    return run(main)


@pytest.mark.parametrize("kind", ["bad_request", "context_too_long", "content_filtered"])
@pytest.mark.parametrize("transient", ["server_error", "overloaded", "transport", "timeout", "rate_limited", "empty"])
def test_a_target_that_failed_for_now_is_asked_again_after_another_refused(kind: Any, transient: Any) -> None:
    first = ScriptedTarget("a/x", [an_error(transient), an_answer()])
    answer = outcome(first, ScriptedTarget("b/x", [an_error(kind)]))
    assert isinstance(answer, Completion)
    assert [attempt.target for attempt in answer.attempts] == ["a/x", "b/x", "a/x"]


def test_in_a_batch_it_is_asked_until_it_answers() -> None:
    first = ScriptedTarget("a/x", [*[an_error("server_error")] * 5, an_answer()])
    answer = outcome(first, ScriptedTarget("b/x", [an_error("bad_request")]), settings=RaceSettings(patience="batch"))
    assert isinstance(answer, Completion)
    assert len(answer.attempts) == 7


def test_a_target_that_doesn_t_know_the_request_isn_t_brought_one_that_was_refused() -> None:
    first = ScriptedTarget("a/x", [an_error("server_error"), an_answer()])
    third = ScriptedTarget("c/x", [])
    answer = outcome(first, ScriptedTarget("b/x", [an_error("bad_request")]), third)
    assert isinstance(answer, Completion)
    assert answer.target == "a/x"


def test_when_the_first_one_refuses_too_the_call_is_over() -> None:
    first = ScriptedTarget("a/x", [an_error("server_error"), an_error("bad_request")])
    error = outcome(first, ScriptedTarget("b/x", [an_error("bad_request")]))
    assert type(error) is BadRequest
    assert len(error.attempts) == 3


def test_until_the_deadline_and_then_the_error_tells_of_the_refusal() -> None:
    first = ScriptedTarget("a/x", lambda _: an_error("server_error"))
    error = outcome(first, ScriptedTarget("b/x", [an_error("bad_request")]), deadline_s=5.0)
    assert isinstance(error, Unanswered)
    assert "b/x: bad_request: it was bad_request" in str(error)


def test_no_more_than_max_attempts_are_made() -> None:
    first = ScriptedTarget("a/x", lambda _: an_error("server_error"))
    second = ScriptedTarget("b/x", [an_error("bad_request")])
    error = outcome(first, second, settings=RaceSettings(max_attempts=4))
    assert isinstance(error, Unanswered)
    assert len(error.attempts) == 4


def test_a_refusal_beside_a_silent_attempt_leaves_it_time_to_answer() -> None:
    first = ScriptedTarget("a/x", [Delayed(15.0, an_error("server_error")), an_answer()])
    settings = RaceSettings(hedge=1.0)
    answer = outcome(first, ScriptedTarget("b/x", [an_error("bad_request")]), settings=settings)
    assert isinstance(answer, Completion)
    assert answer.target == "a/x"
