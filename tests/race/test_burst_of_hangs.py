"""Many calls at once and no more after them, at targets that hang now and then: what others' answers teach and pay."""

from __future__ import annotations

import asyncio
import math
import random

import pytest
from tests.race.given import a_call, build, now

from penstock.call import Completion, Finished, Started, TextDelta
from penstock.errors import Unanswered
from penstock.handler import Handler
from penstock.policies.breaker import Breaker
from penstock.race import RaceSettings
from penstock.testing import Chunks, ScriptedTarget, run

DEADLINE_S = 30.0


def played(seed: int, callers: int, hangs: float) -> tuple[int, int]:
    """How many were not answered in time, and the requests that were sent. Answers come whole after 2 s, typically."""
    rng = random.Random(seed)

    def answer(_: object) -> Chunks:
        if rng.random() < hangs:
            return Chunks([100_000.0])
        return Chunks([2.0 * math.exp(rng.gauss(0.0, 0.4)), Started(), TextDelta("x"), Finished("stop")])

    targets = [ScriptedTarget(f"{name}/x", answer) for name in "abc"]
    for place, target in enumerate(targets):
        target.breaker = Breaker(random.Random(place))  # type: ignore[assignment]

    async def one(handler: Handler, number: int) -> bool:
        try:
            return isinstance(await handler(a_call(id=str(number), deadline_s=now() + DEADLINE_S)), Completion)
        except Unanswered:
            return False

    async def main() -> list[bool]:
        handler = build(*targets, settings=RaceSettings(stream_inside="auto", deadline_after_s=None))
        return list(await asyncio.gather(*(one(handler, number) for number in range(callers))))

    answered = run(main())
    return answered.count(False), sum(len(target.permits) for target in targets)


def test_a_burst_at_targets_that_hang_a_third_of_the_time_is_answered_in_time() -> None:
    found = [played(seed, 300, 0.3) for seed in range(8)]
    assert sum(lost for lost, _ in found) <= 1
    assert max(sent for _, sent in found) <= 1.6 * 300


@pytest.mark.parametrize("callers", [30, 300])
def test_a_burst_at_targets_that_always_hang_costs_a_budget_and_no_more(callers: int) -> None:
    lost, sent = played(1, callers, 1.0)
    assert lost == callers
    assert sent <= 1.25 * callers + 60
