"""Every target down for a minute, played by the real race on virtual time: what it costs, and how soon it is over."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from tests.race.given import a_call, now

from penstock.call import Call, Completion, Finished, Started, TextDelta
from penstock.clock import LoopClock
from penstock.errors import CallError, Unanswered
from penstock.policies.breaker import Breaker
from penstock.race import RaceSettings, RaceStats, race
from penstock.testing import Chunks, Delayed, ScriptedTarget, run

BEGINS_S, ENDS_S, LENGTH_S = 30.0, 90.0, 120.0
CALLERS = 200


class Told:
    """What happened, by second."""

    def __init__(self) -> None:
        self.extra = 0
        """Attempts beyond the first of each caller."""
        self.callers = 0
        self.answers: Counter[int] = Counter()
        self.starts: Counter[int] = Counter()
        self.unanswered: Counter[int] = Counter()


def _target(name: str, fault: str, rng: random.Random, told: Told) -> ScriptedTarget:
    def script(_: Call) -> Any:
        at_s = now()
        told.starts[int(at_s * 10)] += 1
        if not BEGINS_S <= at_s < ENDS_S:
            return Delayed(rng.lognormvariate(0, 0.3), Chunks([Started(), TextDelta("hello"), Finished("stop")]))
        if fault == "hang":
            return Chunks([Started(), 10_000])
        return Delayed(0.05, CallError("overloaded" if fault == "503" else "transport", "down", sent=fault == "503"))

    target = ScriptedTarget(name, script)
    target.breaker = Breaker(rng)  # type: ignore[assignment]
    return target


def outage(fault: str, *, targets: int, seed: int) -> Told:
    rng, told = random.Random(seed), Told()

    async def main() -> None:
        handler = race(
            [_target(f"t{place}/x", fault, rng, told) for place in range(targets)],
            RaceSettings(deadline_after_s=30.0, stream_inside="auto"),
            clock=LoopClock(),
            rng=rng,
            stats=RaceStats(),
        )

        async def caller() -> None:
            while now() < LENGTH_S:
                began_s, attempts = now(), 0
                try:
                    reply = await handler(a_call())
                    assert isinstance(reply, Completion)
                    told.answers[int(now())] += 1
                    attempts = reply.requests_sent
                except Unanswered as error:
                    told.unanswered[int(now())] += 1
                    attempts = error.requests_sent
                if now() >= BEGINS_S and began_s < ENDS_S:
                    told.callers += 1
                    told.extra += max(0, attempts - 1)

        await asyncio.gather(*(caller() for _ in range(CALLERS)))

    run(main)
    return told


@pytest.mark.parametrize("fault", ["503", "refused", "hang"])
@pytest.mark.parametrize("targets", [1, 3])
def test_a_minute_s_outage_costs_a_quarter_more_at_most_and_is_over_in_seconds(fault: str, targets: int) -> None:
    told = outage(fault, targets=targets, seed=1)
    before = sum(told.answers[second] for second in range(20, 30)) / 10
    back_s = next((second for second in range(int(ENDS_S), int(LENGTH_S)) if told.answers[second] >= 0.9 * before), 999)
    figures = {"extra": told.extra, "callers": told.callers, "before": before, "back at": back_s}
    assert told.extra <= 0.25 * told.callers, figures
    print(fault, targets, figures)
    assert back_s - ENDS_S <= 10.0, figures
    usual = max(told.starts[tenth] for tenth in range(200, 300))
    assert max(told.starts[tenth] for tenth in range(900, 1100)) <= max(60, 2 * usual), figures
