"""Refusals that come of no rate: a start into an outage, one in ten at random, each request's first try."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from tests.policies.given import a_limiter, admitted, an_error, now

from penstock.testing import run

Refuses = Callable[[int, int], bool]
"""(request, try, from 0) -> refused now?"""


def seconds_for(
    requests: int, refuses: Refuses, *, retry_after_s: float | None = None, latency_s: float = 0.2
) -> float:
    """How long 64 workers take until each of so many requests is answered."""

    async def main() -> float:
        limiter, left = a_limiter(), iter(range(requests))

        async def worker() -> None:
            for request in left:
                tries = 0
                while True:
                    permit = await admitted(limiter)
                    await asyncio.sleep(0.01)
                    if not refuses(request, tries):
                        break
                    tries += 1
                    permit.refused(an_error("rate_limited", retry_after_s=retry_after_s), now())
                await asyncio.sleep(latency_s)
                permit.settle(None)

        await asyncio.gather(*(worker() for _ in range(64)))
        return now()

    return run(main)


@pytest.mark.parametrize("retry_after_s", [None, 1.0])
def test_refusals_before_anything_was_admitted_say_nothing_of_the_rate(retry_after_s: float | None) -> None:
    assert seconds_for(300, lambda _, __: now() < 2, retry_after_s=retry_after_s) < 20


def test_refusals_at_random_do_not_bring_a_run_to_a_halt() -> None:
    rng = random.Random(1)
    assert seconds_for(2000, lambda _, __: rng.random() < 0.1) < 200  # it took 23 hours


def test_a_server_that_refuses_every_first_try_is_no_slow_one() -> None:
    assert seconds_for(50, lambda _, tries: tries == 0) < 20
