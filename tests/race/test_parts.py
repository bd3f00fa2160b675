"""The small parts of a race: backoff, budget, alarms, what is told."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.race.given import a_call, an_answer, an_error, build, now

from penstock.call import Completion
from penstock.clock import LoopClock
from penstock.errors import Unanswered
from penstock.race import RetryBudget
from penstock.race.alarm import TICK_S, Alarm, Wheel
from penstock.race.backoff import full_jitter_s
from penstock.testing import ScriptedTarget, run


@given(st.integers(1, 10**9), st.integers())
def test_backoff_stays_below_its_cap_however_often_it_failed(failures: int, seed: int) -> None:
    wait_s = full_jitter_s(failures, random.Random(seed))
    assert 0 <= wait_s <= min(30.0, 0.5 * 2.0 ** min(failures - 1, 10))


def test_backoff_spreads_over_the_whole_interval() -> None:
    rng = random.Random(1)
    waits = [full_jitter_s(4, rng) for _ in range(1000)]
    assert min(waits) < 0.1
    assert max(waits) > 3.9


@given(st.lists(st.booleans()))
def test_a_budget_never_grants_more_than_it_was_filled_with(successes: list[bool]) -> None:
    budget, granted = RetryBudget(), 0
    for success in successes:
        if success:
            budget.deposit()
        else:
            granted += budget.withdraw()
        assert 0 <= budget.level <= 10
    assert granted <= 10 + 0.5 * sum(successes)


@given(st.lists(st.floats(0.001, 10), min_size=1, max_size=30))
def test_alarms_ring_once_within_a_tick_and_never_early(times: list[float]) -> None:
    rang: list[tuple[float, float]] = []

    async def wait(wheel: Wheel, at_s: float) -> None:
        alarm = Alarm(wheel)
        alarm.ring_at(at_s)
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            assert alarm.hush()
            assert alarm.is_mine()
            rang.append((at_s, now()))

    async def main() -> None:
        wheel = Wheel(LoopClock())
        await asyncio.gather(*(wait(wheel, at_s) for at_s in times))

    run(main)
    assert len(rang) == len(times)
    assert all(at_s - 1e-6 <= rang_s <= at_s + TICK_S + 1e-6 for at_s, rang_s in rang)


def test_a_cleared_alarm_doesn_t_ring() -> None:
    async def main() -> None:
        alarm = Alarm(Wheel(LoopClock()))
        alarm.ring_at(1.0)
        alarm.hush()
        await asyncio.sleep(5)
        assert not alarm.hush()

    run(main)


def test_an_alarm_that_rang_in_vain_leaves_no_cancellation_behind() -> None:
    async def main() -> None:
        alarm = Alarm(Wheel(LoopClock()))
        alarm.ring_at(1.0)
        with contextlib.suppress(asyncio.CancelledError):  # as what was awaited might
            await asyncio.sleep(5)
        alarm.hush()
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    run(main)


class Watcher:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def attempt_started(self, call: Any, attempt: Any) -> None:
        self.told.append(f"started {attempt.id}")

    def attempt_failed(self, call: Any, attempt: Any, error: Any) -> None:
        self.told.append(f"failed {attempt.id} {error.kind}")

    def answered(self, call: Any, attempt: Any) -> None:
        self.told.append(f"answered {attempt.id}")

    def gave_up(self, call: Any, error: Any) -> None:
        self.told.append(f"gave up {error.kind}")

    def waiting(self, call: Any, target: Any, until_s: float) -> None:
        self.told.append(f"waiting {target}")


def test_an_observer_is_told_the_whole_story() -> None:
    watcher = Watcher()
    target = ScriptedTarget("a/x", [an_error("server_error"), an_answer(), an_error("bad_request")], free_at_s=1)

    async def main() -> None:
        handler = build(target, observe=watcher)
        assert isinstance(await handler(a_call()), Completion)
        with pytest.raises(Unanswered):
            await handler(a_call(id="next"))

    run(main)
    assert watcher.told == [
        "waiting a/x",
        "started req-1",
        "failed req-1 server_error",
        "waiting None",
        "started req-2",
        "answered req-2",
        "started next-1",
        "failed next-1 bad_request",
        "gave up bad_request",
    ]


def test_the_log_has_ids_and_never_a_prompt(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "penstock.race")
    target = ScriptedTarget("a/x", [an_error("server_error"), an_answer()], free_at_s=1)

    async def main() -> None:
        await build(target)(a_call(body={"messages": [{"role": "user", "content": "the prompt"}]}))

    run(main)
    assert "request req: attempt req-1 failed: a/x: server_error: it was server_error" in caplog.text
    assert "request req: attempt req-2 answered" in caplog.text
    assert "the prompt" not in caplog.text


def test_a_race_that_goes_well_logs_nothing_above_debug(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "penstock.race")

    async def main() -> None:
        await build(ScriptedTarget("a/x", [an_answer()]))(a_call())

    run(main)
    assert caplog.records == []
