"""What a long line costs: next to nothing but its own turns."""

from __future__ import annotations

import asyncio
import time

from tests.policies.given import a_call, a_limiter, now

from penstock.policies.limit import Limiter
from penstock.testing import run

WAITING = 100_000


async def _a_minute_with(waiting: int) -> tuple[int, int, float]:
    """Callbacks, admitted calls and seconds of CPU in the last minute of a line at 600 requests a minute."""
    loop = asyncio.get_running_loop()
    limiter = a_limiter(rpm=600)
    admitted = 0

    async def one(limiter: Limiter) -> None:
        nonlocal admitted
        permit = await limiter.admit(a_call())
        admitted += 1
        loop.call_later(2.0, permit.settle, None)

    tasks = [asyncio.create_task(one(limiter)) for _ in range(waiting)]
    await asyncio.sleep(5)
    before, callbacks = admitted, 0
    began_s = time.process_time()
    original = loop._run_once  # type: ignore[attr-defined]

    def counted() -> None:
        nonlocal callbacks
        original()
        callbacks += 1

    loop._run_once = counted  # type: ignore[attr-defined]
    await asyncio.sleep(60)
    spent_s = time.process_time() - began_s
    del loop._run_once  # type: ignore[attr-defined]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    assert limiter.saturation().waiting == 0
    return callbacks, admitted - before, spent_s


def test_a_hundred_thousand_waiters_cost_no_more_than_those_whose_turn_it_is() -> None:
    callbacks, admitted, spent_s = run(_a_minute_with(WAITING))
    assert 595 <= admitted <= 600
    # A turn of the loop for the timer, one for the waiter, one for its answer.
    assert callbacks <= 4 * admitted
    assert spent_s < 0.6, "more than 1 % of a core"


def test_cancelling_most_of_a_long_line_costs_nobody_else_a_turn() -> None:
    async def main() -> float:
        limiter = a_limiter(rpm=600)
        tasks = [asyncio.create_task(limiter.admit(a_call())) for _ in range(20_000)]
        await asyncio.sleep(0)
        for number, task in enumerate(tasks):
            if number % 200 != 199:
                task.cancel()
        await asyncio.wait(tasks)
        return now()

    assert run(main) < 100 / 10 * 1.05
