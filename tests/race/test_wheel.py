"""A wheel keeps what may ring, and little of what was hushed."""

from __future__ import annotations

import asyncio
import random

from penstock.clock import LoopClock
from penstock.race.alarm import TICK_S, Alarm, Wheel
from penstock.testing import run


class Ringing(Alarm):
    """Notes when it rang."""

    __slots__ = ("rang",)

    def __init__(self, wheel: Wheel) -> None:
        super().__init__(wheel)
        self.rang: list[float] = []

    def on_ring(self) -> None:
        self.rang.append(LoopClock().now())


def test_alarms_that_were_hushed_leave_nothing_behind_however_far_they_were() -> None:
    async def main() -> int:
        wheel = Wheel(LoopClock())
        alarm = Alarm(wheel)
        for number in range(20_000):
            alarm.ring_at(60.0 + number)
            alarm.hush()
        return wheel.slots

    assert run(main) <= 1000


def test_an_alarm_that_is_set_and_hushed_in_one_slot_again_and_again_takes_one_slot() -> None:
    async def main() -> int:
        wheel = Wheel(LoopClock())
        alarm = Alarm(wheel)
        for _ in range(10_000):
            alarm.ring_at(60.0)
            alarm.hush()
        return wheel.slots

    assert run(main) == 1


def test_what_is_swept_away_takes_no_ring_from_the_others() -> None:
    chance = random.Random(1)

    async def main() -> list[tuple[float, list[float]]]:
        wheel = Wheel(LoopClock())
        alarms = [Ringing(wheel) for _ in range(2000)]
        kept = []
        for alarm in alarms:
            at_s = chance.uniform(0.0, 600.0)
            alarm.ring_at(at_s)
            if chance.random() < 0.9:
                alarm.hush()
                at_s = chance.uniform(0.0, 600.0)
                if chance.random() < 0.5:
                    alarm.ring_at(at_s)
                    kept.append((at_s, alarm.rang))
            else:
                kept.append((at_s, alarm.rang))
        await asyncio.sleep(700.0)
        return kept

    for at_s, rang in run(main):
        assert len(rang) == 1
        assert at_s <= rang[0] <= at_s + 1.5 * TICK_S
