"""A server of one's own that queues inside is asked for no more at once than it works on; nothing is lost by that."""

from __future__ import annotations

import asyncio
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policies.given import KEY, a_call, now

from penstock.clock import LoopClock
from penstock.credentials import KeyPool, Secret
from penstock.policies.limit import Limiter, Limits
from penstock.policies.limit.congestion import Congestion
from penstock.testing import run


class Clock:
    now_s = 0.0


def a_window(congestion: Congestion, first_s: float, in_flight: int, most: float) -> float:
    """A window of requests that were sent after all before it, in which every first token took as long."""
    Clock.now_s += first_s + 1.0
    for _ in range(min(max(20, in_flight), 64)):
        most = congestion.heard(first_s, Clock.now_s, in_flight=in_flight, most=most)
    return most


def test_first_tokens_that_stay_late_let_fewer_in() -> None:
    congestion = Congestion()
    assert a_window(congestion, 0.1, 100, math.inf) == math.inf
    assert a_window(congestion, 1.0, 100, math.inf) == math.inf, "once may be chance"
    assert a_window(congestion, 1.0, 100, math.inf) == 80.0


def test_a_few_times_slower_is_what_a_busy_server_is_for() -> None:
    congestion = Congestion()
    a_window(congestion, 0.5, 10, math.inf)
    for _ in range(20):
        assert a_window(congestion, 1.9, 300, math.inf) == math.inf


def test_what_fewer_requests_don_t_make_faster_is_no_queue() -> None:
    congestion, most, seen = Congestion(), math.inf, []
    a_window(congestion, 0.1, 100, most)
    for _ in range(8):
        in_flight = 100 if most == math.inf else int(most)
        most = a_window(congestion, 3.0, in_flight, most)
        seen.append(most)
    assert min(seen) >= 0.5 * 100
    assert most == math.inf


@given(st.lists(st.tuples(st.floats(0.001, 60.0), st.integers(1, 500)), max_size=300))
def test_one_at_least_is_let_in_and_never_more_than_were_before(heard: list[tuple[float, int]]) -> None:
    congestion, most, highest = Congestion(), 400.0, 400.0
    for at_s, (first_s, in_flight) in enumerate(heard):
        most = congestion.heard(first_s, float(at_s), in_flight=in_flight, most=most)
        assert 1.0 <= most <= highest


class Queueing:
    """`slots` requests at a time, each for about a second; the others wait inside for theirs."""

    def __init__(self, slots: int) -> None:
        self.slots = asyncio.Semaphore(slots)
        self.inside = 0
        self.answered = 0


async def _serve(limits: Limits, minutes: float, slots: int, workers: int) -> tuple[Queueing, list[int]]:
    """Workers that ask at once again, over a limiter; how many were inside in the last minute, now and then."""
    rng, server = random.Random(1), Queueing(slots)
    limiter = Limiter(KeyPool([Secret(KEY)]), clock=LoopClock(), name="mine/m", limits=limits, rng=rng)
    inside: list[int] = []

    async def worker() -> None:
        while True:
            permit = await limiter.admit(a_call())
            server.inside += 1
            sent_s = now()
            async with server.slots:
                await asyncio.sleep(0.05)
                permit.heard(now() - sent_s)
                await asyncio.sleep(rng.uniform(0.5, 1.5))
            server.inside -= 1
            server.answered += 1
            permit.settle(None)

    tasks: list[asyncio.Task[None]] = []
    for _ in range(workers):
        tasks.append(asyncio.create_task(worker()))
        await asyncio.sleep(0.2)  # it begins with few, as the day does
    for _ in range(int(minutes * 60)):
        await asyncio.sleep(1.0)
        inside.append(server.inside)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return server, inside[-60:]


@pytest.mark.parametrize("slots", [8, 32])
def test_a_server_that_queues_inside_is_kept_busy_and_no_more(slots: int) -> None:
    async def main() -> None:
        plain, crowd = await _serve(Limits(), 10, slots, 200)
        paced, few = await _serve(Limits(is_self_hosted=True), 10, slots, 200)
        assert sum(crowd) / len(crowd) > 190
        assert sum(few) / len(few) < 3 * slots
        assert paced.answered > 0.97 * plain.answered

    run(main)


def test_another_s_server_is_asked_for_as_much_as_ever() -> None:
    async def main() -> None:
        _, inside = await _serve(Limits(), 2, 8, 50)
        assert min(inside) == 50

    run(main)
