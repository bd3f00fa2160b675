"""The user's bound on requests at once, with nothing else to restrain anyone."""

from __future__ import annotations

import asyncio
import random

from tests.policies.given import a_call, a_limiter, admitted, an_error, now

from penstock.policies.limit import Limiter, Permit
from penstock.testing import run


def filled(limiter: Limiter, count: int) -> list[Permit]:
    permits = [limiter.try_admit(a_call(), now()) for _ in range(count)]
    assert None not in permits
    return [permit for permit in permits if permit is not None]


def test_no_more_than_the_bound_are_out_again_and_again() -> None:
    async def main() -> None:
        limiter = a_limiter(max_in_flight=3)
        for _ in range(3):
            permits = filled(limiter, 3)
            assert limiter.wait_s(now(), 0) > 0.0
            assert limiter.try_admit(a_call(), now()) is None
            permits.pop().settle(None)
            assert limiter.wait_s(now(), 0) == 0.0
            permits += filled(limiter, 1)
            assert limiter.try_admit(a_call(), now()) is None
            for permit in permits:
                permit.settle(None)
            assert limiter.saturation().in_flight == 0

    run(main)


def test_whoever_waits_at_the_bound_gets_the_next_place_however_one_becomes_free() -> None:
    async def main() -> None:
        limiter = a_limiter(max_in_flight=3)
        permits = filled(limiter, 3)
        waiting = [asyncio.create_task(admitted(limiter)) for _ in range(3)]
        await asyncio.sleep(1)
        permits[0].settle(None)
        permits[1].release()
        permits[2].refused(an_error("transport"), now())
        for permit in await asyncio.gather(*waiting):
            permit.settle(None)
        assert limiter.saturation().in_flight == 0
        filled(limiter, 3)

    run(main)


def test_many_calls_through_a_small_bound_all_end_and_never_are_too_many() -> None:
    chance, most = random.Random(1), 0

    async def main() -> int:
        limiter, out = a_limiter(max_in_flight=7), 0

        async def one() -> None:
            nonlocal out, most
            await asyncio.sleep(chance.uniform(0.0, 5.0))
            permit = limiter.try_admit(a_call(), now()) or await admitted(limiter)
            out += 1
            most = max(most, out)
            await asyncio.sleep(chance.uniform(0.0, 0.1))
            out -= 1
            chance.choice([permit.release, permit.hand_back, lambda: permit.settle(None)])()

        await asyncio.gather(*(one() for _ in range(500)))
        return limiter.saturation().in_flight

    assert run(main) == 0
    assert most == 7


def test_a_server_that_bears_less_than_the_bound_is_asked_less() -> None:
    async def main() -> None:
        limiter = a_limiter(max_in_flight=20)
        permits = filled(limiter, 20)
        await asyncio.sleep(1)
        for permit in permits[:8]:
            permit.refused(an_error("overloaded", status=503), now())
        assert (limiter.saturation().max_in_flight or 0) < 20
        assert limiter.try_admit(a_call(), now()) is not None
        assert limiter.try_admit(a_call(), now()) is not None
        assert limiter.try_admit(a_call(), now()) is None

    run(main)


def test_answers_speak_for_a_server_that_refuses_now_and_then() -> None:
    async def main() -> None:
        limiter = a_limiter(max_in_flight=20)
        for number in range(400):
            permit = filled(limiter, 1)[0]
            if number % 25:
                permit.settle(None)
            else:
                permit.refused(an_error("overloaded", status=503), now())
        assert limiter.saturation().max_in_flight == 20

    run(main)
