"""The hedge budget of a route, in the race."""

from __future__ import annotations

import pytest
from tests.race.given import a_call, an_answer, build

from penstock.call import Started
from penstock.race import Hedges, RaceSettings, Route
from penstock.testing import Chunks, ScriptedTarget, run


@pytest.mark.parametrize(("hedge", "paid"), [("auto", 1.0), ("off", 0.0)])
def test_hedges_give_way_to_what_silence_makes_necessary(hedge: str, paid: float) -> None:
    route = Route(hedges=Hedges(0.05))
    before = route.hedges.budget.level
    silent, quick = ScriptedTarget("a/x", [Chunks([Started(), 1000])]), ScriptedTarget("b/x", [an_answer()])
    settings = RaceSettings(hedge=hedge, stream_inside="on")  # type: ignore[arg-type]

    async def main() -> None:
        await build(silent, quick, settings=settings, route=route)(a_call())

    run(main)
    assert before - route.hedges.budget.level == pytest.approx(paid, abs=0.06)
