from __future__ import annotations

import asyncio

import pytest

from penstock.transport.patrol import Patrol, Wait


async def _waiting(wait: Wait, patrol: Patrol, limit_s: float | None) -> bool:
    """Wait for ever; True when the patrol interrupted it."""
    wait.start()
    patrol.add(wait, limit_s)
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        if wait.stop():
            return True
        raise
    finally:
        patrol.drop(wait)
    raise AssertionError


def test_wait_beyond_its_limit_is_interrupted_and_the_task_goes_on() -> None:
    async def main() -> None:
        patrol = Patrol()
        assert await asyncio.wait_for(_waiting(Wait(0.02), patrol, 0.02), 2)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert len(patrol) == 0

    asyncio.run(main())


def test_shorter_limit_makes_the_patrol_look_more_often() -> None:
    async def main() -> None:
        patrol = Patrol()
        long = asyncio.ensure_future(_waiting(Wait(60.0), patrol, 60.0))
        await asyncio.sleep(0)
        assert await asyncio.wait_for(_waiting(Wait(0.02), patrol, 0.02), 0.5)
        assert not long.done()
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long

    asyncio.run(main())


def test_cancel_that_came_first_stays_a_cancel() -> None:
    async def main() -> None:
        patrol = Patrol()
        wait = Wait(0.0)
        task = asyncio.ensure_future(_waiting(wait, patrol, None))
        await asyncio.sleep(0)
        task.cancel()
        wait.interrupt()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_cancel_that_comes_after_the_interruption_is_not_lost() -> None:
    async def main() -> None:
        patrol = Patrol()
        wait = Wait(0.0)
        task = asyncio.ensure_future(_waiting(wait, patrol, None))
        await asyncio.sleep(0)
        wait.interrupt()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_closing_interrupts_every_wait() -> None:
    async def main() -> None:
        patrol = Patrol()
        tasks = [asyncio.ensure_future(_waiting(Wait(None), patrol, None)) for _ in range(3)]
        await asyncio.sleep(0)
        patrol.close()
        assert await asyncio.gather(*tasks) == [True] * 3

    asyncio.run(main())


def test_interruption_of_a_wait_that_is_over_does_nothing() -> None:
    async def main() -> None:
        wait = Wait(0.0)
        wait.start()
        wait.stop()
        wait.interrupt()
        await asyncio.sleep(0)

    asyncio.run(main())
