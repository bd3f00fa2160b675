"""What a call has been through holds until its end, over all the streams that its answer takes; and what isn't used
is given back."""

from __future__ import annotations

import random

import pytest
from tests.race.given import a_call, an_answer, an_error, build
from tests.race.ladder import TEXT
from tests.race.test_plan import FakeReadiness
from tests.race.test_relay_in_the_race import answered, broken, target, whole

from penstock.call import Attempt
from penstock.errors import Unanswered
from penstock.race import RaceSettings, RaceStats, Route
from penstock.race.hedging import HedgeBudget
from penstock.race.moves import GiveUp, Start
from penstock.race.plan import Plan
from penstock.race.standing import Standings
from penstock.testing import Delayed, ScriptedTarget, run


def test_the_last_chance_without_budget_is_one_for_all_streams_of_an_answer() -> None:
    only, route = ScriptedTarget("a/m", lambda _: broken(TEXT[:40])), Route()
    route.budget.level = 0.0
    with pytest.raises(Unanswered):
        answered(only, route=route)
    assert len(only.permits) == 2


def test_a_request_that_another_target_refuses_when_asked_anew_goes_back_to_the_one_that_broke() -> None:
    first, refusing = target("a/m", broken(TEXT[:40]), whole(TEXT)), target("b/m", an_error("bad_request"))  # type: ignore[arg-type]
    assert answered(first, refusing)[0] == TEXT
    assert (len(first.permits), len(refusing.permits)) == (2, 1)


def test_a_refused_continuation_is_no_word_about_the_request() -> None:
    first = target("a/m", broken(TEXT[:40]))
    second = target("b/m", an_error("bad_request"), whole(TEXT), prefills=True)  # type: ignore[arg-type]
    text, stream = answered(first, second)
    assert (text, stream.target, len(second.permits)) == (TEXT, "b/m", 2)


def test_a_call_is_hedged_once_over_all_streams_of_its_answer() -> None:
    slow = target("a/m", *[Delayed(5, broken(TEXT[:40]))] * 3)  # type: ignore[list-item]
    hedge = target("b/m", broken(TEXT[:40]), *[Delayed(5, whole(TEXT))] * 2)  # type: ignore[list-item]
    stats = RaceStats()
    assert answered(slow, hedge, settings=RaceSettings(hedge=1.0), stats=stats)[0] == TEXT
    assert stats.hedges == 1


def standings(number: int) -> Standings:
    places, route = [FakeReadiness(f"t{place}/x", 1) for place in range(number)], Route()
    return Standings(places, RaceSettings(), estimate=1, rng=random.Random(1), turns=route.turns, too_late_s=None)


def test_an_attempt_beside_others_goes_where_nothing_failed() -> None:
    call = standings(3)
    call.failed(0, an_error("server_error"), 0.0)
    call.of[1].running = 1
    assert call.another(100.0) == 2
    call.of[2].failures = 2
    assert call.another(100.0) == 0


def test_a_target_that_asked_to_wait_is_left_alone_although_an_older_attempt_fails_there() -> None:
    call = standings(1)
    call.failed(0, an_error("server_error", retry_after_s=1000.0), 10.0)
    call.failed(0, an_error("timeout"), 15.0)
    call.failed(0, an_error("rate_limited"), 16.0)
    assert call.of[0].not_before_s >= 1010.0


def test_a_hedge_that_its_limit_lets_nobody_in_for_is_given_back() -> None:
    refusing = ScriptedTarget("b/x", [an_answer()])
    let_in, asked = refusing.try_admit, []

    def try_admit(call: object, now_s: float) -> object:
        asked.append(now_s)
        return None if len(asked) < 3 else let_in(call, now_s)  # type: ignore[arg-type]

    refusing.try_admit = try_admit  # type: ignore[method-assign, assignment]
    stats = RaceStats()

    async def main() -> str:
        first = ScriptedTarget("a/x", [Delayed(60, an_answer())])
        reply = await build(first, refusing, settings=RaceSettings(hedge=2.0), stats=stats)(a_call())
        return reply.target

    assert run(main) == "b/x"
    assert (len(asked), stats.hedges) == (3, 1)
    assert asked[-1] == pytest.approx(2.5, abs=0.1)


def test_a_budget_takes_back_what_was_not_used() -> None:
    budget = HedgeBudget(0.05)
    before = budget.level
    assert budget.withdraw()
    budget.give_back()
    assert budget.level == before


def test_attempts_of_all_streams_count() -> None:
    plan = Plan(
        a_call(),
        [FakeReadiness("a/x", 1)],
        settings=RaceSettings(max_attempts=2),
        route=Route(),
        rng=random.Random(1),
        began_s=0.0,
    )
    error = an_error("transport", target="a/x")
    for number in range(2):
        assert isinstance(plan.next(float(number)), Start)
        one = plan.started(Attempt(id=str(number), target="a/x"), 0, float(number))
        plan.answered(one.attempt, one)
        plan.broke(one, error, float(number))
        plan.go_on(error, places=frozenset((0,)), continues=False)
    assert isinstance(plan.next(2.0), GiveUp)
