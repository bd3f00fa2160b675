"""A known limit that is enforced second by second: jitter, and what isn't jitter."""

from __future__ import annotations

import asyncio
import math
import random

import pytest
from bench.quota_world import World, measured
from tests.policies.given import a_limiter, admitted, an_error, now

from penstock.call import RateLimits
from penstock.policies.limit.seconds import SecondWindow
from penstock.testing import run


@pytest.mark.parametrize("told", ["known", "headers"])
@pytest.mark.parametrize("rpm", [600, 3000])
def test_a_limit_of_single_seconds_is_used_up_to_jitter(told, rpm: int) -> None:  # type: ignore[no-untyped-def]
    for kind in ("fixed 1 s", "sliding 1 s"):
        used = measured(World(kind=kind, told=told, rpm=rpm, minutes=3, seed=rpm))  # type: ignore[arg-type]
        assert used.share >= 0.98, kind
        assert used.per_1000 < 10, kind


@pytest.mark.parametrize("kind", ["bucket", "small bucket", "fixed", "sliding", "fixed 1 s", "sliding 1 s"])
def test_a_limit_that_halves_behind_a_promise_is_found(kind) -> None:  # type: ignore[no-untyped-def]
    used = measured(World(kind=kind, told="known", rpm=600, change=0.5, minutes=8, seed=3))
    assert used.share >= 0.96
    assert used.per_1000 < 12


def test_a_refusal_by_jitter_delays_one_request_and_not_the_rate() -> None:
    async def main() -> None:
        limiter = a_limiter(rpm=6000)
        for number in range(400):
            permit = await admitted(limiter)
            if number in (100, 250):
                permit.refused(an_error("rate_limited", retry_after_s=0.01), now())
            else:
                permit.settle(None)
        rate = limiter.saturation().requests_per_s
        assert rate is not None
        assert 98 <= rate < 99.5
        assert now() < 4.1

    run(main)


def test_refusals_of_what_was_sent_before_the_limit_was_told_say_nothing_of_it() -> None:
    async def main() -> None:
        limiter = a_limiter()
        permits = [await admitted(limiter) for _ in range(100)]
        permits[0].learn(RateLimits(requests_limit=600))
        await asyncio.sleep(0.1)
        for permit in permits:
            permit.refused(an_error("rate_limited", retry_after_s=0.5), now())
        saturation = limiter.saturation()
        assert saturation.requests_per_s == pytest.approx(9.95)
        assert saturation.frozen_s >= 0.5

    run(main)


def test_more_refusals_than_jitter_brings_are_not_taken_for_jitter() -> None:
    window, now_s, refusals = SecondWindow(50.0), 0.0, 0
    until_s = 0.0
    for number in range(400):
        now_s += max(0.02, window.wait_s(now_s))
        window.sent(now_s)
        if number % 4:
            window.accepted()
        else:
            refusals += 1
            until_s = window.refused(now_s, 0.01)
            if until_s == math.inf:
                break
    assert until_s == math.inf
    assert refusals <= 15


@pytest.mark.parametrize("block", range(4))
def test_no_second_sees_more_than_its_number_whatever_comes_back(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        rng = random.Random(seed)
        rate = rng.uniform(2, 40)
        window, now_s, sent = SecondWindow(rate), 0.0, []
        for _ in range(400):
            now_s += window.wait_s(now_s) + rng.choice([0.0, 0.0, rng.expovariate(rate)])
            assert window.wait_s(now_s) <= 1e-6, seed
            window.sent(now_s)
            sent.append(now_s)
            ending = rng.random()
            if ending < 0.1:
                until_s = window.refused(now_s, rng.random())
                sent.pop()
                assert until_s > now_s, seed
                if until_s == math.inf:
                    window = SecondWindow(rate)
                    sent = []
            elif ending < 0.2:
                window.unsent()
                sent.pop()
            elif ending < 0.9:
                window.accepted()
            assert sum(at_s > now_s - 1.0 for at_s in sent) <= math.floor(rate), seed
            assert 0.0 < window.rate_per_s <= rate, seed
