"""A preferred target that goes down and comes back, again and again, played by the real race on virtual time."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from tests.race.given import a_call, an_answer, now

from penstock.call import Call, Completion
from penstock.clock import LoopClock
from penstock.errors import CallError
from penstock.policies.breaker import Breaker
from penstock.race import RaceSettings, race
from penstock.testing import Delayed, ScriptedTarget, run

UP_S, DOWN_S, ROUNDS = 40.0, 10.0, 4


class Flapping:
    """Starts at the preferred target and elsewhere by second, and the most probes that ran at once."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.starts: dict[str, Counter[int]] = {"a/x": Counter(), "b/x": Counter()}
        self.answered = 0
        self.most_probes = 0
        probes = 0

        def script(name: str) -> Any:
            def step(_: Call) -> Any:
                self.starts[name][int(now())] += 1
                if name == "a/x" and now() % (UP_S + DOWN_S) >= UP_S:
                    return Delayed(0.2, CallError("overloaded", "down"))
                return Delayed(rng.lognormvariate(-0.7, 0.3), an_answer())

            return step

        self.targets = [ScriptedTarget(name, script(name)) for name in self.starts]
        for target in self.targets:
            target.breaker = Breaker(random.Random(seed))  # type: ignore[assignment]
        first = self.targets[0]
        send, breaker = first.send, first.breaker

        async def counted(call: Call, permit: Any) -> Any:
            nonlocal probes
            is_probe = breaker.is_open
            probes += is_probe
            self.most_probes = max(self.most_probes, probes)
            try:
                return await send(call, permit)
            finally:
                probes -= is_probe

        first.send = counted  # type: ignore[method-assign]
        run(self._main(rng))

    async def _main(self, rng: random.Random) -> None:
        handler = race(self.targets, RaceSettings(stream_inside="off"), clock=LoopClock(), rng=rng)

        async def caller() -> None:
            while now() < ROUNDS * (UP_S + DOWN_S):
                assert isinstance(await handler(a_call()), Completion)
                self.answered += 1

        await asyncio.gather(*(caller() for _ in range(40)))


@pytest.mark.parametrize("seed", range(3))
def test_a_flapping_target_gets_its_traffic_back_within_30_s_and_one_probe_at_a_time(seed: int) -> None:
    world = Flapping(seed)
    first, second = world.starts.values()
    for number in range(1, ROUNDS):
        back_s = int(number * (UP_S + DOWN_S))
        shares = (
            second_s - back_s
            for second_s in range(back_s, back_s + 30)
            if first[second_s] >= 0.9 * (first[second_s] + second[second_s])
        )
        assert next(shares, 99) <= 30
    assert world.most_probes <= 1
    assert world.answered > 1000
