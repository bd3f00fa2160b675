from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.race.given import a_call, an_answer, an_error, build, now

from penstock.call import Completion
from penstock.errors import BadRequest, Unanswered
from penstock.race import RaceSettings, RaceStats, RetryBudget, Route
from penstock.testing import Delayed, ScriptedTarget, run


def answered(*targets: Any, **parts: Any) -> Completion:
    async def main() -> Completion:
        reply = await build(*targets, **parts)(a_call())
        assert isinstance(reply, Completion)
        return reply

    return run(main)


def test_the_first_target_is_preferred() -> None:
    assert answered(ScriptedTarget("a/x", [an_answer()]), ScriptedTarget("b/x", [])).target == "a/x"


@pytest.mark.parametrize("kind", ["server_error", "timeout", "empty", "quota_exhausted", "too_big_for_limit"])
def test_a_failure_goes_to_the_next_target_at_once(kind: Any) -> None:
    answer = answered(ScriptedTarget("a/x", [an_error(kind)]), ScriptedTarget("b/x", [an_answer()]))
    assert (answer.target, answer.latency_s, answer.requests_sent) == ("b/x", 0, 2)


def test_who_hasn_t_failed_comes_before_who_has_however_long_ago() -> None:
    first, second = (ScriptedTarget(f"{name}/x", [Delayed(3.0, an_error("server_error"))]) for name in "ab")
    answer = answered(first, second, ScriptedTarget("c/x", [an_answer()]))
    assert [attempt.target for attempt in answer.attempts] == ["a/x", "b/x", "c/x"]


def test_a_call_without_budget_spends_its_last_chance_where_it_hasn_t_failed() -> None:
    route = Route(budget=RetryBudget(level=0.0))
    first = ScriptedTarget("a/x", lambda _: an_error("overloaded"))

    async def main() -> Completion:
        reply = await build(first, ScriptedTarget("b/x", [an_answer()]), route=route)(a_call(deadline_s=30.0))
        assert isinstance(reply, Completion)
        return reply

    assert [attempt.target for attempt in run(main).attempts] == ["a/x", "b/x"]


def test_a_full_limit_spills_over_to_the_next_target() -> None:
    answer = answered(ScriptedTarget("a/x", [], free_at_s=60), ScriptedTarget("b/x", [an_answer()]))
    assert (answer.target, answer.requests_sent) == ("b/x", 1)


def test_an_interactive_call_waits_half_a_second_for_the_preferred_target() -> None:
    answer = answered(ScriptedTarget("a/x", [an_answer()], free_at_s=0.4), ScriptedTarget("b/x", []))
    assert answer.target == "a/x"


def test_a_batch_call_takes_the_target_that_is_free_now() -> None:
    targets = ScriptedTarget("a/x", [], free_at_s=0.4), ScriptedTarget("b/x", [an_answer()])
    assert answered(*targets, settings=RaceSettings(patience="batch")).target == "b/x"


def test_a_bad_request_stops_at_the_first_target() -> None:
    async def main() -> None:
        with pytest.raises(BadRequest):
            await build(ScriptedTarget("a/x", [an_error("bad_request")]), ScriptedTarget("b/x", []))(a_call())

    run(main)


def test_a_named_class_goes_on_to_the_next_target() -> None:
    settings = RaceSettings(fallback_on=frozenset({"context_too_long"}))
    first = ScriptedTarget("a/x", [an_error("context_too_long")])
    assert answered(first, ScriptedTarget("b/x", [an_answer()]), settings=settings).target == "b/x"


def test_targets_that_end_differently_raise_the_plain_error() -> None:
    targets = ScriptedTarget("a/x", [an_error("auth")]), ScriptedTarget("b/x", [an_error("too_big_for_limit")])

    async def main() -> Unanswered:
        with pytest.raises(Unanswered) as caught:
            await build(*targets)(a_call())
        return caught.value

    error = run(main)
    assert type(error) is Unanswered
    assert [attempt.target for attempt in error.attempts] == ["a/x", "b/x"]


def test_both_targets_are_tried_again_until_one_answers() -> None:
    first = ScriptedTarget("a/x", [an_error("server_error")] * 3 + [an_answer()])
    second = ScriptedTarget("b/x", lambda _: an_error("overloaded"))
    assert answered(first, second).target == "a/x"


def test_a_total_outage_adds_no_more_load_than_the_budget_allows() -> None:
    stats, callers = RaceStats(), 200
    target = ScriptedTarget("a/x", lambda _: Delayed(0.05, an_error("server_error")))

    async def main() -> None:
        handler = build(target, route=Route(budget=RetryBudget()), stats=stats)
        for _ in range(callers):
            with pytest.raises(Unanswered):
                await handler(a_call(deadline_s=now() + 10))

    run(main)
    exempt = callers
    assert stats.retries <= 10 + exempt
    assert stats.targets["a/x"].started == callers + stats.retries


def test_the_budget_lets_a_retry_wait_for_others_successes() -> None:
    route = Route(budget=RetryBudget(level=0.0))
    steps = iter([an_error("server_error"), an_answer(), an_answer(), an_answer()])
    target = ScriptedTarget("a/x", lambda _: next(steps))

    async def main() -> float:
        handler = build(target, route=route)
        task = asyncio.ensure_future(handler(a_call(deadline_s=1000.0)))
        await asyncio.sleep(0.01)
        for _ in range(2):
            await handler(a_call())
        await task
        return now()

    assert run(main) < 60


def test_the_counts_tell_what_happened() -> None:
    stats = RaceStats()
    first = ScriptedTarget("a/x", [an_error("rate_limited", retry_after_s=60)])
    second = ScriptedTarget("b/x", [an_error("server_error"), an_answer()])
    answered(first, second, stats=stats)
    assert (stats.answered, stats.retries, stats.refusals, stats.gave_up, stats.waiting) == (1, 1, 1, 0, 0)
    assert stats.targets["a/x"].errors == {"rate_limited": 1}
    assert (stats.targets["b/x"].answered, stats.targets["b/x"].started) == (1, 2)
