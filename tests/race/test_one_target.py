"""One call, one target: what is tried again, when, and how it ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.race.given import a_call, an_answer, an_error, build, now

from penstock.call import Completion
from penstock.errors import (
    AuthenticationFailed,
    BadRequest,
    DeadlineExceeded,
    EmptyAnswer,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    TooBigForLimit,
    Unanswered,
)
from penstock.race import RaceSettings
from penstock.testing import Delayed, ScriptedTarget, run

BATCH = RaceSettings(patience="batch")


def answered(target: Any, *, settings: RaceSettings | None = None, **call: Any) -> Completion:
    async def main() -> Completion:
        reply = await build(target, settings=settings)(a_call(**call))
        assert isinstance(reply, Completion)
        return reply

    return run(main)


def ended(target: Any, *, settings: RaceSettings | None = None, **call: Any) -> tuple[Unanswered, float]:
    """The error, and when it came."""

    async def main() -> tuple[Unanswered, float]:
        with pytest.raises(Unanswered) as caught:
            await build(target, settings=settings)(a_call(**call))
        return caught.value, now()

    return run(main)


def test_the_first_answer_is_the_answer() -> None:
    target = ScriptedTarget("sim/fast", [Delayed(2, an_answer())])
    answer = answered(target)
    assert (answer.text, answer.target, answer.latency_s, answer.requests_sent) == ("hello", "sim/fast", 2, 1)
    assert [(attempt.id, attempt.outcome) for attempt in answer.attempts] == [("req-1", "answered")]
    assert [permit.ending for permit in target.permits] == ["settled"]


@pytest.mark.parametrize("kind", ["server_error", "overloaded", "transport", "timeout", "empty"])
def test_what_may_pass_is_tried_again(kind: Any) -> None:
    target = ScriptedTarget("sim/fast", [an_error(kind, status=500), an_answer()])
    answer = answered(target)
    assert [(attempt.id, attempt.outcome) for attempt in answer.attempts] == [
        ("req-1", "failed"),
        ("req-2", "answered"),
    ]
    assert answer.attempts[0].error_kind == kind
    assert [permit.ending for permit in target.permits] == ["refused", "settled"]


@pytest.mark.parametrize("kind", ["bad_request", "context_too_long", "content_filtered", "too_big_for_limit"])
def test_what_is_refused_for_good_is_never_tried_again(kind: Any) -> None:
    target = ScriptedTarget("sim/fast", [an_error(kind)])
    error, at_s = ended(target)
    assert error.kind == kind
    assert at_s == 0
    assert len(target.handler.calls) == 1


def test_the_narrow_error_is_raised_for_how_the_target_ended() -> None:
    error, _ = ended(ScriptedTarget("sim/fast", [an_error("overloaded"), an_error("bad_request")]))
    assert type(error) is BadRequest
    assert [attempt.error_kind for attempt in error.attempts] == ["overloaded", "bad_request"]


def test_an_empty_answer_is_asked_for_once_more() -> None:
    target = ScriptedTarget("sim/fast", [an_error("empty"), an_error("empty")])
    error, _ = ended(target, settings=BATCH)
    assert type(error) is EmptyAnswer
    assert error.requests_sent == 2


def test_the_server_s_own_wait_wins() -> None:
    answer = answered(ScriptedTarget("sim/fast", [an_error("overloaded", retry_after_s=20), an_answer()]))
    assert answer.latency_s >= 20


def test_a_server_that_asks_to_come_back_after_the_deadline_ends_it_at_once() -> None:
    error, at_s = ended(ScriptedTarget("sim/fast", [an_error("overloaded", retry_after_s=500)]))
    assert type(error) is Overloaded
    assert at_s == 0


def test_a_refusal_at_a_limit_is_a_wait_and_no_attempt() -> None:
    target = ScriptedTarget("sim/fast", [*(an_error("rate_limited", retry_after_s=5) for _ in range(10)), an_answer()])
    answer = answered(target, settings=RaceSettings(patience="batch", max_attempts=1))
    assert answer.requests_sent == 11
    assert answer.latency_s == pytest.approx(50, abs=0.2)


def test_refusals_until_the_deadline_end_as_rate_limited() -> None:
    target = ScriptedTarget("sim/fast", lambda _: an_error("rate_limited", retry_after_s=1))
    error, at_s = ended(target, deadline_s=10.0)
    assert type(error) is RateLimited
    assert 8 <= at_s <= 10.1


def test_a_limit_that_never_lets_it_in_ends_as_rate_limited_without_an_attempt() -> None:
    error, at_s = ended(ScriptedTarget("sim/fast", [], free_at_s=500), deadline_s=10.0)
    assert type(error) is RateLimited
    assert error.attempts == ()
    assert at_s == pytest.approx(10, abs=0.06)


def test_a_target_whose_limit_forgets_its_refusals_is_not_hammered() -> None:
    target = ScriptedTarget("sim/fast", lambda _: an_error("rate_limited"))
    target.refuse = lambda error, now_s: None  # type: ignore[method-assign]
    error, _ = ended(target, deadline_s=60.0)
    assert error.requests_sent < 40


def test_a_refused_key_s_wait_is_not_the_next_key_s() -> None:
    target = ScriptedTarget("sim/fast", [an_error("rate_limited", retry_after_s=60), an_answer()])
    target.refuse = lambda error, now_s: None  # type: ignore[method-assign]
    assert answered(target).latency_s == 0


def test_a_bad_key_gives_way_to_the_next_at_once() -> None:
    target = ScriptedTarget("sim/fast", [an_error("auth"), an_error("quota_exhausted"), an_answer()], keys=3)
    answer = answered(target, settings=RaceSettings(max_attempts=1))
    assert answer.requests_sent == 3
    assert answer.latency_s == 0


@pytest.mark.parametrize(("kind", "cls"), [("auth", AuthenticationFailed), ("quota_exhausted", QuotaExhausted)])
def test_without_a_key_left_it_ends_at_once(kind: Any, cls: type[Unanswered]) -> None:
    target = ScriptedTarget("sim/fast", [an_error(kind), an_error(kind)], keys=2)
    error, at_s = ended(target, settings=BATCH)
    assert type(error) is cls
    assert at_s == 0


def test_the_next_call_learns_from_the_last_one_s_keys_and_sends_nothing() -> None:
    target = ScriptedTarget("sim/fast", [an_error("auth")])

    async def main() -> None:
        handler = build(target)
        for _ in range(2):
            with pytest.raises(AuthenticationFailed):
                await handler(a_call())

    run(main)
    assert len(target.handler.calls) == 1


def test_a_request_too_big_for_the_limit_ends_without_an_attempt() -> None:
    target = ScriptedTarget("sim/fast", [])

    def refuse(call: Any, now_s: float) -> None:
        raise an_error("too_big_for_limit", sent=False)

    target.try_admit = refuse  # type: ignore[method-assign, assignment]
    error, _ = ended(target)
    assert type(error) is TooBigForLimit
    assert error.attempts == ()


def test_the_deadline_interrupts_a_silent_target() -> None:
    target = ScriptedTarget("sim/fast", lambda _: Delayed(1000, an_answer()))
    error, at_s = ended(target, deadline_s=20.0)
    assert type(error) is DeadlineExceeded
    assert at_s == pytest.approx(20, abs=0.06)
    assert [(attempt.outcome, attempt.error) for attempt in error.attempts] == [
        ("cancelled", "the deadline passed"),
        ("cancelled", "the deadline passed"),
    ]
    assert [permit.ending for permit in target.permits] == ["released", "released"]
    assert target.handler.open == 0


def test_an_interactive_call_without_a_deadline_gets_the_route_s() -> None:
    error, at_s = ended(ScriptedTarget("sim/fast", lambda _: Delayed(1000, an_answer())))
    assert type(error) is DeadlineExceeded
    assert at_s == pytest.approx(120, abs=0.06)


def test_a_deadline_that_has_passed_sends_nothing() -> None:
    error, at_s = ended(ScriptedTarget("sim/fast", []), deadline_s=0.0)
    assert type(error) is DeadlineExceeded
    assert at_s == 0


def test_a_batch_tries_for_hours() -> None:
    def script(call: Any) -> Any:
        return an_error("server_error") if asyncio.get_running_loop().time() < 3 * 3600 else an_answer()

    answer = answered(ScriptedTarget("sim/fast", script), settings=BATCH)
    assert answer.latency_s >= 3 * 3600
    assert answer.requests_sent < 1500
    assert len(answer.attempts) == 64
    assert answer.attempts[0].id == "req-1"
    assert answer.attempts[-1].outcome == "answered"


def test_attempts_of_the_same_call_before_this_race_count_among_the_most() -> None:
    target = ScriptedTarget("sim/fast", lambda _: an_error("server_error"))
    error, _ = ended(target, settings=RaceSettings(max_attempts=5), attempts_before=3)
    assert error.requests_sent == 2


def test_max_attempts_bounds_a_batch() -> None:
    target = ScriptedTarget("sim/fast", lambda _: an_error("server_error"))
    error, _ = ended(target, settings=RaceSettings(patience="batch", max_attempts=4))
    assert error.requests_sent == 4
    assert error.kind == "server_error"


def test_a_batch_s_deadline_counts_from_the_first_send() -> None:
    target = ScriptedTarget("sim/fast", lambda _: Delayed(1000, an_answer()), free_at_s=300)
    error, at_s = ended(target, settings=RaceSettings(patience="batch", deadline_after_send_s=50))
    assert type(error) is DeadlineExceeded
    assert at_s == pytest.approx(350, abs=0.1)


def test_a_batch_s_deadline_doesn_t_count_waits_for_a_limit() -> None:
    steps = [an_error("rate_limited", retry_after_s=500), Delayed(40, an_answer()), Delayed(40, an_answer())]
    answer = answered(
        ScriptedTarget("sim/fast", steps), settings=RaceSettings(patience="batch", deadline_after_send_s=50)
    )
    assert answer.latency_s == pytest.approx(540, abs=0.1)


def test_a_bug_in_a_target_passes_and_gives_its_permit_back() -> None:
    target = ScriptedTarget("sim/fast", [KeyError("a bug")])

    async def main() -> None:
        with pytest.raises(KeyError):
            await build(target)(a_call())

    run(main)
    assert [permit.ending for permit in target.permits] == ["released"]
