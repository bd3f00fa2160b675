"""A call that may be hedged is looked at when something can have changed, not again and again."""

from __future__ import annotations

import random

import pytest
from tests.race.given import a_call

from penstock.call import Attempt
from penstock.race import RaceSettings, Route
from penstock.race.moves import WaitUntil
from penstock.race.plan import Plan
from penstock.testing import ScriptedTarget


def looks(*, known_for_s: float, over_s: float) -> int:
    """How often a plan wants to be asked while its one attempt runs, where hedging has been planned for so long."""
    targets = [ScriptedTarget("a/x", []), ScriptedTarget("b/x", [])]
    settings = RaceSettings(hedge="auto", stream_inside="off", deadline_after_s=None)
    route = Route()

    def plan_at(began_s: float) -> Plan:
        rng = random.Random(1)
        plan = Plan(a_call(), targets, settings=settings, route=route, rng=rng, began_s=began_s)
        plan.started(Attempt(id="req-1", target="a/x"), 0, began_s)
        return plan

    plan_at(0.0).next(0.0)
    plan, now_s, count = plan_at(known_for_s), known_for_s, 0
    while now_s < known_for_s + over_s:
        move = plan.next(now_s)
        assert isinstance(move, WaitUntil)
        now_s, count = move.at_s, count + 1
    return count


@pytest.mark.parametrize(("known_for_s", "most"), [(0.0, 41), (50.0, 3), (1000.0, 3)])
def test_a_call_is_looked_at_when_the_plan_of_its_hedges_is_due(known_for_s: float, most: int) -> None:
    assert 1 <= looks(known_for_s=known_for_s, over_s=10.0) <= most
