"""Limiters against providers that enforce what they don't tell, and against waiters that leave at any moment."""

from __future__ import annotations

import asyncio
import random
from collections import deque

import pytest
from tests.policies.given import KEY, a_limiter, admitted, an_error, now

from penstock.credentials import KeyPool, Secret
from penstock.errors import CallError
from penstock.policies.limit import Limiter, Permit
from penstock.testing import run


class TokenBucketServer:
    """Starts full, with a minute's worth."""

    def __init__(self, rpm: int) -> None:
        self.rate, self.cap, self.level, self.at_s = rpm / 60, rpm, float(rpm), 0.0

    def refuses_for_s(self, now_s: float) -> float:
        self.level = min(self.cap, self.level + (now_s - self.at_s) * self.rate)
        self.at_s = now_s
        if self.level >= 1:
            self.level -= 1
            return 0.0
        return (1 - self.level) / self.rate


class FixedWindowServer:
    def __init__(self, rpm: int) -> None:
        self.rpm, self.window, self.count = rpm, -1, 0

    def refuses_for_s(self, now_s: float) -> float:
        window = int(now_s // 60)
        if window != self.window:
            self.window, self.count = window, 0
        self.count += 1
        return 0.0 if self.count <= self.rpm else (window + 1) * 60 - now_s


class SlidingWindowServer:
    def __init__(self, rpm: int) -> None:
        self.rpm, self.sent = rpm, deque[float]()

    def refuses_for_s(self, now_s: float) -> float:
        while self.sent and self.sent[0] <= now_s - 60:
            self.sent.popleft()
        if len(self.sent) < self.rpm:
            self.sent.append(now_s)
            return 0.0
        return self.sent[0] + 60 - now_s


@pytest.mark.parametrize("says_when", [True, False])
@pytest.mark.parametrize("server", [TokenBucketServer, FixedWindowServer, SlidingWindowServer])
def test_an_untold_rate_is_found_with_few_refusals(server, says_when: bool) -> None:  # type: ignore[no-untyped-def]
    minutes, rpm = 10, 240

    async def main() -> tuple[int, int]:
        rng, provider, limiter = random.Random(1), server(rpm), a_limiter()
        accepted = refused = 0

        async def worker() -> None:
            nonlocal accepted, refused
            while True:
                permit = await admitted(limiter)
                await asyncio.sleep(0.04)
                wait_s = provider.refuses_for_s(now())
                if wait_s:
                    refused += 1
                    permit.refused(an_error("rate_limited", retry_after_s=wait_s if says_when else None), now())
                else:
                    accepted += 1
                    await asyncio.sleep(rng.uniform(0.5, 1.5))
                    permit.settle(None)

        workers = [asyncio.create_task(worker()) for _ in range(60)]
        await asyncio.sleep(minutes * 60)
        for task in workers:
            task.cancel()
        await asyncio.wait(workers)
        return accepted, refused

    accepted, refused = run(main)
    assert accepted >= 0.85 * minutes * rpm
    assert refused <= 0.04 * accepted


def test_a_known_rate_is_used_whole_without_a_refusal() -> None:
    async def main() -> int:
        provider, limiter, accepted = SlidingWindowServer(600), a_limiter(rpm=600), 0
        loop = asyncio.get_running_loop()
        while loop.time() < 600:
            permit = await admitted(limiter)
            assert provider.refuses_for_s(now()) == 0
            permit.settle(None)
            accepted += 1
        return accepted

    assert run(main) >= 0.99 * 6000


async def _crowd(seed: int) -> None:
    """Calls that come, are cancelled, answered, refused; keys that go bad and are replaced."""
    rng = random.Random(seed)
    pool = KeyPool([Secret(f"{KEY}-{n}") for n in range(rng.choice([1, 1, 3]))])
    limits = rng.choice([{}, {"rpm": 600}, {"max_in_flight": 2}, {"rpm": 1200, "tpm": 60_000}])
    limiter = Limiter(pool, clock=a_limiter()._clock, name="x", limits=a_limiter(**limits)._limits, rng=rng)
    endings = ["settle", "settle", "settle", "release", "rate_limited", "overloaded", "server_error"]

    async def one() -> None:
        await asyncio.sleep(rng.choice([0.0, 0.1, rng.random() * 3]))
        permit: Permit = await admitted(limiter, estimate=rng.choice([0, 10, 900]), priority=rng.choice([0, 1]))
        try:
            await asyncio.sleep(rng.choice([0.0, 0.1, rng.random()]))
        except asyncio.CancelledError:
            permit.release()
            raise
        ending = rng.choice([*endings, *(["auth"] if rng.random() < 0.1 else [])])
        if ending in ("settle", "release"):
            permit.settle(None) if ending == "settle" else permit.release()
        else:
            permit.refused(an_error(ending, retry_after_s=rng.choice([None, 0.1, 2.0])), now())  # type: ignore[arg-type]

    tasks = [asyncio.create_task(one()) for _ in range(40)]
    for task in tasks:
        if rng.random() < 0.3:
            asyncio.get_running_loop().call_later(rng.choice([0.0, 0.1, rng.random() * 5]), task.cancel)
    asyncio.get_running_loop().call_later(
        rng.random() * 3, pool.replace, [Secret(f"{KEY}-new"), *(key.secret for key in pool.keys if key.secret)]
    )
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        assert ended is None or isinstance(ended, asyncio.CancelledError | CallError), ended
    seen = limiter.saturation()
    assert (seen.in_flight, seen.waiting) == (0, 0)
    permit = await asyncio.wait_for(admitted(limiter), 60) if limiter.wait_s(now(), 0) < 1e9 else None
    assert permit is None or limiter.saturation().in_flight == 1


@pytest.mark.parametrize("block", range(4))
def test_no_permit_is_lost_and_nobody_waits_for_ever(block: int) -> None:
    for seed in range(block * 75, block * 75 + 75):
        try:
            run(_crowd(seed))
        except BaseException:
            print(f"seed {seed}")
            raise
