from __future__ import annotations

import asyncio
import random

import pytest

from penstock.errors import CallError
from penstock.testing import run
from penstock.transport.permits import Permits


def test_taking_needs_no_wait_until_the_bound() -> None:
    permits = Permits(2)
    assert [permits.take() for _ in range(3)] == [True, True, False]


def test_permit_goes_to_the_longest_waiter() -> None:
    async def main() -> list[int]:
        permits = Permits(1)
        permits.take()
        order: list[int] = []

        async def waiter(number: int) -> None:
            await permits.wait()
            order.append(number)
            permits.give()

        tasks = [asyncio.ensure_future(waiter(number)) for number in range(4)]
        await asyncio.sleep(0)
        permits.give()
        await asyncio.gather(*tasks)
        assert (permits.free, permits.waiting) == (1, 0)
        return order

    assert run(main()) == [0, 1, 2, 3]


def test_newcomer_does_not_overtake_a_waiter() -> None:
    async def main() -> None:
        permits = Permits(1)
        permits.take()
        task = asyncio.ensure_future(permits.wait())
        await asyncio.sleep(0)
        permits.give()
        assert not permits.take()
        await task

    run(main())


def test_waiter_cancelled_at_its_turn_hands_on() -> None:
    async def main() -> None:
        permits = Permits(1)
        permits.take()
        first, second = (asyncio.ensure_future(permits.wait()) for _ in range(2))
        await asyncio.sleep(0)
        permits.give()
        first.cancel()
        await second
        assert first.cancelled()

    run(main())


def test_wait_ends_at_its_limit_unsent() -> None:
    async def main() -> CallError:
        permits = Permits(1)
        permits.take()
        with pytest.raises(CallError) as failure:
            await permits.wait(2.0)
        permits.give()
        assert (permits.free, permits.waiting) == (1, 0)
        return failure.value

    error = run(main())
    assert (error.kind, error.code, error.sent) == ("timeout", "total", False)


def test_closing_refuses_those_who_wait_and_those_who_come() -> None:
    async def main() -> None:
        permits = Permits(1)
        permits.take()
        task = asyncio.ensure_future(permits.wait())
        await asyncio.sleep(0)
        permits.close()
        for waiting in (task, permits.wait()):
            with pytest.raises(CallError, match="closed"):
                await waiting

    run(main())


@pytest.mark.parametrize("seed", range(20))
def test_no_permit_is_lost_or_made_whatever_is_cancelled(seed: int) -> None:
    async def main() -> None:
        rng = random.Random(seed)
        permits = Permits(3)
        held = most = 0

        async def holder() -> None:
            nonlocal held, most
            if not permits.take():
                await permits.wait(rng.choice((None, 0.5)))
            held += 1
            most = max(most, held)
            try:
                await asyncio.sleep(rng.random())
            finally:
                held -= 1
                permits.give()

        tasks = [asyncio.ensure_future(holder()) for _ in range(200)]
        while pending := [task for task in tasks if not task.done()]:
            await asyncio.sleep(rng.random() / 10)
            if rng.random() < 0.5:
                rng.choice(pending).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (permits.free, permits.waiting, held, most) == (3, 0, 0, 3)

    run(main())
