"""The rate that is found from refusals, where the bench's table doesn't look."""

from __future__ import annotations

import asyncio
import math
import random

import pytest
from bench.quota_world import World, measured
from tests.policies.given import a_limiter, admitted, an_error, now

from penstock.call import RateLimits
from penstock.policies.limit.buckets import Ledger
from penstock.policies.limit.rate import RateFinder
from penstock.testing import run


@pytest.mark.parametrize("block", range(4))
def test_whatever_comes_back_it_goes_on_asking(block: int) -> None:
    """Refusals and answers in any order and at any time: the wait stays finite, the rate above nothing."""
    for seed in range(block * 50, block * 50 + 50):
        rng = random.Random(seed)
        ledger, now_s = Ledger(), 0.0
        finder = RateFinder(ledger, rng, rng.choice([None, 0.5, 100.0]))
        finder.refused(0.0, -0.1, None)
        for _ in range(300):
            finder.settle(now_s)
            wait_s = finder.wait_s(now_s)
            assert 0.0 <= wait_s <= 130.0, seed
            assert finder.rate(now_s) > 0, seed
            now_s += max(wait_s, rng.choice([0.0, 0.0, rng.expovariate(1.0), rng.uniform(0, 300)]))
            finder.settle(now_s)
            if finder.wait_s(now_s) > 0:
                continue
            sent_s = now_s
            ledger.send(now_s)
            finder.sent(now_s)
            now_s += rng.uniform(0.001, 2.0)
            ending = rng.random()
            if ending < 0.4:
                ledger.refused += 1
                finder.refused(now_s, sent_s, rng.choice([None, 0.0, 0.1, 60.0]))
            elif ending < 0.8:
                finder.accepted(now_s, sent_s)
            elif ending < 0.9:
                ledger.sent -= 1
                finder.unsent(now_s)
        assert math.isfinite(finder.rate(now_s)), seed


def test_a_limit_that_halves_is_found_and_one_that_doubles_is_used() -> None:
    for change in (0.5, 2.0):
        used = measured(World(kind="fixed", told="unknown", rpm=600, change=change, minutes=12))
        assert used.share >= 0.9
        assert used.per_1000 < 10


def test_who_shares_a_quota_with_others_isn_t_pushed_out() -> None:
    for told in ("known", "unknown"):
        used = measured(World(kind="sliding", told=told, rpm=600, tenants=0.25, minutes=6))  # type: ignore[arg-type]
        assert used.share >= 0.75
        assert used.per_1000 < 30


def test_each_key_has_a_rate_of_its_own() -> None:
    used = measured(World(kind="bucket", told="unknown", rpm=60, keys=3, minutes=6))
    assert used.share >= 0.95


def test_refusals_come_seldom_however_few_requests_a_minute_has() -> None:
    """Of a limit that nobody tells: two refusals in four minutes are under ten for each thousand answers, three not."""
    for kind in ("bucket", "small bucket", "fixed", "sliding"):
        for told, seed in (("unknown", 1), ("unknown, seconds", 2), ("unknown, silent", 3)):
            used = measured(World(kind=kind, told=told, rpm=60, seed=seed))  # type: ignore[arg-type]
            assert used.share >= 0.95, (kind, told)
            assert used.per_1000 < 10, (kind, told)


def test_a_limit_that_headers_tell_ends_the_search_for_it() -> None:
    async def main() -> None:
        limiter = a_limiter()
        permit = await admitted(limiter)
        permit.refused(an_error("rate_limited", retry_after_s=1), now())
        permit = await admitted(limiter)
        permit.learn(RateLimits(requests_limit=600))
        permit.settle(None)
        assert limiter.saturation().requests_per_s == pytest.approx(9.95)

    run(main)


def test_a_rate_that_was_found_is_kept_while_nobody_asks() -> None:
    """An idle hour is no measurement: what comes after it goes at the rate that was found before, or faster."""

    async def main() -> float:
        limiter, level, filled_s = a_limiter(), 600.0, 0.0

        async def ask() -> bool:
            nonlocal level, filled_s
            permit = await admitted(limiter)
            await asyncio.sleep(0.02)
            level, filled_s = min(600.0, level + 10.0 * (now() - filled_s)), now()
            if level < 1.0:
                permit.refused(an_error("rate_limited", retry_after_s=(1.0 - level) / 10.0), now())
                return False
            level -= 1.0
            permit.settle(None)
            return True

        while now() < 300:
            await ask()
        await asyncio.sleep(500)
        began_s, answers = now(), 0
        while answers < 2000:
            answers += await ask()
        return now() - began_s

    assert run(main) < 200
