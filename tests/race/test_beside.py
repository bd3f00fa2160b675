"""Attempts beside one that runs: hedges, silence, the last moment; bounds that end an attempt; doors that are shut."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.race.given import a_call, an_answer, an_error, build, now

from penstock.call import Completion, Finished, Started, TextDelta, Usage, UsageUpdate
from penstock.errors import CallError, DeadlineExceeded, Unanswered
from penstock.race import Hedges, RaceSettings, RaceStats, Route
from penstock.testing import Chunks, Delayed, ScriptedTarget, run

HEDGED = RaceSettings(hedge=2.0, stream_inside="off")


def answered(*targets: Any, **parts: Any) -> Completion:
    call = parts.pop("call", {})

    async def main() -> Completion:
        reply = await build(*targets, **parts)(a_call(**call))
        assert isinstance(reply, Completion)
        return reply

    answer = run(main)
    for target in targets:
        assert (target.in_flight, target.breaker.in_flight, target.handler.open) == (0, 0, 0)
    return answer


def streamed(*pauses: Any, text: str = "hello") -> Chunks:
    """Events with the pauses before their letters."""
    pieces: list[Any] = [Started()]
    for place, letter in enumerate(text):
        pieces += [pauses[place]] if place < len(pauses) else []
        pieces.append(TextDelta(letter))
    return Chunks([*pieces, UsageUpdate(Usage(3, 5)), Finished("stop")])


def test_a_hedge_answers_for_a_slow_attempt_which_is_cancelled_at_once() -> None:
    slow, fast, stats = (
        ScriptedTarget("a/x", [Delayed(60, an_answer())]),
        ScriptedTarget("b/x", [an_answer()]),
        RaceStats(),
    )
    answer = answered(slow, fast, settings=HEDGED, stats=stats)
    assert (answer.target, answer.requests_sent) == ("b/x", 2)
    assert answer.latency_s == pytest.approx(2, abs=0.03)
    assert [(attempt.reason, attempt.outcome, attempt.hedge) for attempt in answer.attempts] == [
        ("first", "cancelled", False),
        ("hedge", "answered", True),
    ]
    assert [permit.ending for permit in slow.permits] == ["released"]
    assert (stats.hedges, stats.lost, stats.retries) == (1, 1, 0)


def test_the_first_attempt_may_win_against_its_hedge() -> None:
    first, second = ScriptedTarget("a/x", [Delayed(3, an_answer())]), ScriptedTarget("b/x", [Delayed(5, an_answer())])
    answer = answered(first, second, settings=HEDGED)
    assert (answer.target, answer.latency_s) == ("a/x", 3)
    assert second.breaker.endings == ["neutral"]


def test_a_call_is_hedged_once() -> None:
    targets = [ScriptedTarget(f"{name}/x", lambda _: Delayed(30, an_answer())) for name in "abc"]
    assert answered(*targets, settings=HEDGED, call={"deadline_s": 1000.0}).requests_sent == 2


def test_a_hedge_goes_to_a_target_that_is_free() -> None:
    slow, full = ScriptedTarget("a/x", [Delayed(5, an_answer())]), ScriptedTarget("b/x", [], free_at_s=100)
    answer = answered(slow, full, ScriptedTarget("c/x", [an_answer()]), settings=HEDGED)
    assert answer.target == "c/x"


def test_an_empty_budget_means_no_hedge() -> None:
    route = Route(hedges=Hedges(0.05))
    while route.hedges.budget.withdraw():
        pass
    targets = [ScriptedTarget(f"{name}/x", lambda _: Delayed(1, an_answer())) for name in "ab"]

    async def main() -> list[int]:
        handler = build(*targets, settings=RaceSettings(hedge="auto", stream_inside="off"), route=route)
        sent = []
        for number in range(60):
            targets[0].handler._next = lambda _, slow=number % 10 == 9: Delayed(10 if slow else 1, an_answer())
            reply = await handler(a_call())
            assert isinstance(reply, Completion)
            sent.append(reply.requests_sent)
        return sent

    assert sum(run(main)) <= 60 + 60 * 0.06


def test_silence_asks_the_next_target_and_the_silent_one_may_still_answer() -> None:
    slow = ScriptedTarget("a/x", lambda _: streamed(25))
    deaf = ScriptedTarget("b/x", lambda _: Chunks([Started(), 1000]))
    stats = RaceStats()
    answer = answered(slow, deaf, settings=RaceSettings(stream_inside="auto"), stats=stats, call={"deadline_s": 40.0})
    assert (answer.target, answer.text, answer.latency_s) == ("a/x", "hello", 25)
    assert [(attempt.target, attempt.reason) for attempt in answer.attempts][:2] == [
        ("a/x", "first"),
        ("b/x", "silent"),
    ]
    assert slow.breaker.silences == 1
    assert stats.reserves >= 1


def test_three_targets_that_hang_now_and_then_answer_in_time() -> None:
    hang = Chunks([Started(), 1000])
    scripts = {"a": [hang, hang, hang], "b": [hang, hang], "c": [hang, streamed(2)]}
    targets = [ScriptedTarget(f"{name}/x", steps) for name, steps in scripts.items()]

    async def main() -> float:
        for target in targets:
            for _ in range(50):
                target.latency.of(0).first_token.observe(2.0, now())
        reply = await build(*targets, settings=RaceSettings(stream_inside="auto"))(a_call(deadline_s=30.0))
        assert isinstance(reply, Completion)
        return now()

    assert run(main) < 20
    assert sum(len(target.permits) for target in targets) >= 5


def test_a_first_token_that_is_late_fails_over() -> None:
    settings = RaceSettings(stream_inside="on", first_token_s=3.0)
    silent, quick = ScriptedTarget("a/x", [Chunks([Started(), 1000])]), ScriptedTarget("b/x", [streamed(1)])
    answer = answered(silent, quick, settings=settings)
    assert answer.latency_s == pytest.approx(4, abs=0.05)
    first = answer.attempts[0]
    assert (first.outcome, first.error_kind, first.error) == (
        "failed",
        "timeout",
        "a/x: timeout: no first token within 3 s",
    )
    assert silent.breaker.endings == ["bad"]


def test_a_silent_target_isn_t_asked_again_while_another_is_usable() -> None:
    settings = RaceSettings(stream_inside="on", first_token_s=3.0)
    silent = ScriptedTarget("a/x", [Chunks([Started(), 1000])])
    second = ScriptedTarget("b/x", [an_error("server_error"), an_error("server_error"), streamed()])
    assert answered(silent, second, settings=settings).target == "b/x"


def test_a_stall_between_tokens_fails_over() -> None:
    settings = RaceSettings(stream_inside="on", between_tokens_s=5.0)
    stalls, quick = ScriptedTarget("a/x", [streamed(0, 0, 1000)]), ScriptedTarget("b/x", lambda _: streamed(10))
    answer = answered(stalls, quick, settings=settings)
    assert answer.target == "b/x"
    assert "the stream stalled: 5 s without a token" in str(answer.attempts[0].error)


def test_a_stream_that_is_too_slow_fails_over() -> None:
    settings = RaceSettings(stream_inside="on", min_tokens_per_s=5.0)
    slow = ScriptedTarget("a/x", [streamed(*[0.5] * 100, text="x" * 100)])
    answer = answered(slow, ScriptedTarget("b/x", [streamed()]), settings=settings)
    assert answer.latency_s == pytest.approx(10.5, abs=0.05)
    assert "tokens/s over 10 s" in str(answer.attempts[0].error)


def test_the_last_moment_before_the_deadline_is_used() -> None:
    slow, second = ScriptedTarget("a/x", [Delayed(1000, an_answer())]), ScriptedTarget("b/x", [Delayed(4, an_answer())])

    async def main() -> Completion:
        for target in (slow, second):
            for _ in range(50):
                target.latency.of(0).total.observe(5.0, now())
        reply = await build(slow, second, settings=RaceSettings(stream_inside="off"))(a_call(deadline_s=30.0))
        assert isinstance(reply, Completion)
        return reply

    answer = run(main)
    assert answer.attempts[1].reason == "late"
    assert 23.5 < answer.attempts[1].started_s < 25


def test_a_target_whose_breaker_is_open_is_passed_over() -> None:
    first = ScriptedTarget("a/x", [])
    first.breaker.shut_s = 3.0
    assert answered(first, ScriptedTarget("b/x", [an_answer()])).target == "b/x"


def test_where_every_breaker_is_open_the_callers_take_turns() -> None:
    target = ScriptedTarget("a/x", lambda _: an_error("overloaded"))
    target.breaker.shut_s = 5.0

    async def main() -> None:
        handler = build(target)
        calls = [handler(a_call(id=str(number), deadline_s=20.0)) for number in range(10)]
        for error in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(error, Unanswered)

    run(main)
    assert 10 <= len(target.permits) <= 21


def test_a_caller_that_goes_away_ends_every_attempt() -> None:
    targets = [ScriptedTarget(f"{name}/x", lambda _: Delayed(100, an_answer())) for name in "ab"]

    async def main() -> None:
        task = asyncio.ensure_future(build(*targets, settings=HEDGED)(a_call()))
        await asyncio.sleep(3)
        assert [target.in_flight for target in targets] == [1, 1]
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(main)
    assert [target.in_flight for target in targets] == [0, 0]


def test_a_bug_beside_the_first_attempt_passes_and_ends_the_rest() -> None:
    first, second = ScriptedTarget("a/x", [Delayed(100, an_answer())]), ScriptedTarget("b/x", [KeyError("a bug")])

    async def main() -> None:
        with pytest.raises(KeyError):
            await build(first, second, settings=HEDGED)(a_call())

    run(main)
    assert (first.in_flight, second.in_flight) == (0, 0)


def test_a_failed_attempt_leaves_the_call_to_its_hedge() -> None:
    first = ScriptedTarget("a/x", [Chunks([3, an_answer()]), an_error("server_error")])
    first.handler._next = lambda _: Delayed(3, CallError("server_error", "down"))
    answer = answered(first, ScriptedTarget("b/x", [Delayed(4, an_answer())]), settings=HEDGED)
    assert (answer.target, answer.requests_sent) == ("b/x", 2)


def test_all_targets_silent_until_the_deadline_is_told_with_every_attempt() -> None:
    targets = [ScriptedTarget(f"{name}/x", lambda _: Chunks([Started(), 1000])) for name in "ab"]

    async def main() -> None:
        with pytest.raises(DeadlineExceeded) as caught:
            await build(*targets, settings=RaceSettings(stream_inside="auto"))(a_call(deadline_s=30.0))
        assert now() <= 30.03
        assert {attempt.outcome for attempt in caught.value.attempts} == {"cancelled"}
        assert len(caught.value.attempts) >= 3

    run(main)
    assert [target.in_flight for target in targets] == [0, 0]
