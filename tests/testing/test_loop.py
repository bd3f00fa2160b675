from __future__ import annotations

import asyncio
import socket
import threading
import time

import pytest

from penstock.clock import LoopClock
from penstock.testing import Deadlock, VirtualLoop, run


def test_an_hour_passes_at_once() -> None:
    async def hour() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run(hour()) == 3600
    assert time.monotonic() - began < 5


def test_a_month_passes_although_selectors_wait_a_day_at_most() -> None:
    async def month() -> float:
        await asyncio.sleep(30 * 86400)
        return asyncio.get_running_loop().time()

    assert run(month()) == 30 * 86400


def test_timers_run_in_the_order_of_their_times() -> None:
    async def main() -> list[int]:
        seen: list[int] = []

        async def at(delay: int) -> None:
            await asyncio.sleep(delay)
            seen.append(delay)

        await asyncio.gather(*(at(delay) for delay in (5, 1, 3, 2, 4)))
        return seen

    assert run(main) == [1, 2, 3, 4, 5]


def test_the_same_seed_takes_the_same_steps() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        times = []
        for _ in range(20):
            await asyncio.sleep(loop.rng.random())
            times.append(loop.time())
        return times

    assert run(main, seed=7) == run(main, seed=7)
    assert run(main, seed=7) != run(main, seed=8)


def test_a_deadlock_names_who_waits() -> None:
    async def stuck() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock, match=r"at 0 s.*\n.*stuck"):
        run(stuck)


def test_a_timeout_ends_a_wait_that_nobody_would() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.get_running_loop().create_future(), 90)
        return asyncio.get_running_loop().time()

    assert run(main) == 90


def test_real_sockets_are_refused_with_advice() -> None:
    async def main() -> None:
        with socket.socket() as sock:
            asyncio.get_running_loop().add_reader(sock, print)

    with pytest.raises(RuntimeError, match="FakeTransport"):
        run(main)


def test_an_exception_that_nobody_retrieved_is_raised_at_the_end() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_soon(lambda: 1 // 0)
        await asyncio.sleep(1)

    with pytest.raises(ZeroDivisionError):
        run(main)


def test_tasks_left_over_are_cancelled() -> None:
    ended: list[str] = []

    async def forever() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ended.append("cancelled")

    async def main() -> None:
        task = asyncio.create_task(forever())
        await asyncio.sleep(1)
        assert not task.done()

    run(main)
    assert ended == ["cancelled"]


def test_another_thread_can_wake_the_loop() -> None:
    async def main() -> str:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        threading.Thread(target=lambda: loop.call_soon_threadsafe(future.set_result, "woken")).start()
        return await future

    assert run(main) == "woken"


def test_an_executor_runs_at_once() -> None:
    async def main() -> tuple[int, float]:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(None, sum, [1, 2]), loop.time()

    assert run(main) == (3, 0.0)


def test_a_plain_function_runs_inside_the_loop() -> None:
    assert run(lambda: asyncio.get_running_loop().time()) == 0.0


def test_the_loop_clock_reads_virtual_time() -> None:
    async def main() -> list[float]:
        clock, rang = LoopClock(), []
        clock.call_later(5, lambda: rang.append(clock.now()))
        cancelled = clock.call_later(6, lambda: rang.append(-1))
        cancelled.cancel()
        await clock.sleep(10)
        await clock.sleep(-3)
        return [*rang, clock.now()]

    assert run(main) == [5, 10]
