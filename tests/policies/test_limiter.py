from __future__ import annotations

import asyncio

import pytest
from tests.policies.given import a_call, a_limiter, admitted, an_error, now

from penstock.call import Call, RateLimits, Usage
from penstock.errors import CallError
from penstock.policies.limit import Permit
from penstock.testing import run


async def finish_times(limiter, calls: int, **call: object) -> list[float]:  # type: ignore[no-untyped-def]
    """When each of so many calls that come at once is admitted."""

    async def one() -> float:
        permit = await admitted(limiter, **call)
        at_s = now()
        permit.settle(None)
        return at_s

    return sorted(await asyncio.gather(*(one() for _ in range(calls))))


def test_without_a_limit_everything_passes_at_once() -> None:
    async def main() -> None:
        limiter = a_limiter()
        permits = [limiter.try_admit(a_call(), now()) for _ in range(1000)]
        assert all(permits)
        assert limiter.saturation().in_flight == 1000

    run(main)


def test_a_known_rate_is_kept_within_half_a_percent() -> None:
    async def main() -> None:
        times = await finish_times(a_limiter(rpm=600), 1200)
        within = [sum(start <= t < start + 60 for t in times) for start in times]
        assert max(within) <= 600
        assert times[-1] == pytest.approx(1200 / (10 * 0.995), rel=0.01)

    run(main)


def test_tokens_are_saved_up_before_a_big_request_is_sent() -> None:
    async def main() -> None:
        limiter = a_limiter(tpm=60_000, charges_max_tokens=True)
        (await admitted(limiter, estimate=10_000, max_tokens=1000)).settle(Usage(9000, 1000))
        await admitted(limiter, estimate=30_000, max_tokens=1000)
        assert now() == pytest.approx(30_000 / 1000 / 0.995, rel=0.01)

    run(main)


def test_a_request_above_the_whole_bucket_is_refused_at_once() -> None:
    async def main() -> None:
        limiter = a_limiter(tpm=1000)
        with pytest.raises(CallError) as caught:
            await admitted(limiter, estimate=5000)
        assert (caught.value.kind, caught.value.sent) == ("too_big_for_limit", False)
        assert now() == 0

    run(main)


def test_a_refusal_freezes_everyone_on_the_key_until_its_wait_is_over() -> None:
    async def main() -> list[float]:
        limiter = a_limiter(rpm=6000)
        first = await admitted(limiter)
        first.refused(an_error("rate_limited", retry_after_s=7), now())
        assert limiter.wait_s(now(), 0) == pytest.approx(7)
        assert limiter.try_admit(a_call(), now()) is None
        return await finish_times(limiter, 5)

    times = run(main)
    assert times[0] >= 7


def test_after_a_freeze_one_goes_first_and_then_the_others() -> None:
    async def main() -> None:
        limiter = a_limiter()
        permits = [limiter.try_admit(a_call(), now()) for _ in range(10)]
        for permit in permits:
            assert permit is not None
            permit.refused(an_error("rate_limited", retry_after_s=5), now())
        waiting = [asyncio.create_task(admitted(limiter)) for _ in range(10)]
        await asyncio.sleep(5.01)
        assert sum(task.done() for task in waiting) == 1
        await asyncio.gather(*waiting)

    run(main)


def test_interactive_goes_before_batch_and_each_in_its_order() -> None:
    async def main() -> list[str]:
        limiter = a_limiter(rpm=60)
        order: list[str] = []

        async def one(name: str, priority: int) -> None:
            permit = await limiter.admit(Call(id=name, model="m", body={}, priority=priority))
            order.append(name)
            permit.settle(None)

        await one("first", 1)
        tasks = [asyncio.create_task(one(f"batch{n}", 1)) for n in range(3)]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(one(f"person{n}", 0)) for n in range(2)]
        await asyncio.gather(*tasks)
        return order

    assert run(main) == ["first", "person0", "person1", "batch0", "batch1", "batch2"]


def test_a_waiter_cancelled_at_its_turn_passes_the_permit_on() -> None:
    async def main() -> None:
        limiter = a_limiter(max_in_flight=1)
        held = await admitted(limiter)
        first, second = (asyncio.create_task(admitted(limiter)) for _ in range(2))
        await asyncio.sleep(1)
        held.settle(None)  # the permit is the first waiter's now, which hasn't run yet
        first.cancel()
        await asyncio.wait([first, second])
        assert first.cancelled()
        second.result().settle(None)
        assert limiter.saturation().in_flight == 0

    run(main)


def test_a_permit_that_was_never_sent_costs_no_place_in_the_rate() -> None:
    async def main() -> None:
        limiter = a_limiter(rpm=60)
        (await admitted(limiter)).settle(None)
        first, second = (asyncio.create_task(admitted(limiter)) for _ in range(2))
        await asyncio.sleep(0.5)
        asyncio.get_running_loop().call_at(1.0 / 0.995 - 0.05, first.cancel)
        await asyncio.wait([first])
        await second
        assert now() < 1.1

    run(main)


def test_a_permit_ends_once() -> None:
    async def main() -> None:
        limiter = a_limiter()
        permit = await admitted(limiter)
        permit.settle(None)
        permit.release()
        permit.refused(an_error("rate_limited", retry_after_s=60), now())
        assert limiter.saturation().in_flight == 0
        assert limiter.wait_s(now(), 0) == 0

    run(main)


def test_a_long_line_of_waiters_costs_no_wake_ups_but_their_own() -> None:
    async def main() -> int:
        loop = asyncio.get_running_loop()
        limiter = a_limiter(rpm=60)
        tasks = [asyncio.create_task(admitted(limiter)) for _ in range(20_000)]
        await asyncio.sleep(0)
        turns = 0
        before = loop._run_once  # type: ignore[attr-defined]

        def counted() -> None:
            nonlocal turns
            turns += 1
            before()

        loop._run_once = counted  # type: ignore[attr-defined]
        await asyncio.sleep(100)
        assert 95 <= sum(task.done() for task in tasks) <= 101
        return turns

    assert run(main) < 1000


def test_a_header_s_limit_is_taken_at_once_in_both_directions() -> None:
    async def main() -> None:
        limiter = a_limiter()
        permit = await admitted(limiter)
        permit.learn(RateLimits(requests_limit=60, requests_remaining=59))
        permit.settle(None)
        await admitted(limiter)
        assert limiter.wait_s(now(), 0) == pytest.approx(1, rel=0.1)
        permit.learn(RateLimits(requests_limit=600, requests_remaining=0))
        assert limiter.wait_s(now(), 0) == pytest.approx(0.1, rel=0.6)

    run(main)


def test_a_header_never_lifts_the_user_s_own_limit() -> None:
    async def main() -> None:
        limiter = a_limiter(rpm=60)
        permit = await admitted(limiter)
        permit.learn(RateLimits(requests_limit=6000))
        assert limiter.saturation().requests_per_s == pytest.approx(0.995)

    run(main)


def test_a_daily_limit_isn_t_paced_but_waited_for_when_used_up() -> None:
    async def main() -> None:
        limiter = a_limiter()
        permit = await admitted(limiter)
        day = RateLimits(requests_limit=1000, requests_remaining=5, requests_window_s=86400)
        permit.learn(day)
        assert limiter.wait_s(now(), 0) == 0
        permit.learn(
            RateLimits(requests_limit=1000, requests_remaining=0, requests_reset_s=90, requests_window_s=86400)
        )
        assert limiter.wait_s(now(), 0) == pytest.approx(90)

    run(main)


def test_an_overloaded_server_is_asked_less_at_once() -> None:
    async def main() -> None:
        limiter = a_limiter()
        permits = [limiter.try_admit(a_call(), now()) for _ in range(20)]
        await asyncio.sleep(1)
        for permit in permits[:5]:
            assert permit is not None
            permit.refused(an_error("overloaded", status=503), now())
        assert limiter.saturation().max_in_flight == 14
        assert limiter.try_admit(a_call(), now()) is None
        waiting = asyncio.create_task(admitted(limiter))
        await asyncio.sleep(0)
        for permit in permits[5:7]:
            assert isinstance(permit, Permit)
            permit.settle(None)
        await waiting

    run(main)


def test_a_bad_key_gives_way_to_the_next_and_the_last_one_ends_it() -> None:
    async def main() -> None:
        limiter = a_limiter(keys=2)
        first = await admitted(limiter)
        first.refused(an_error("auth", status=401), now())
        second = await admitted(limiter)
        assert second.key != first.key
        second.refused(an_error("auth", status=401), now())
        with pytest.raises(CallError, match=r"all 2 keys were refused; 401 auth") as caught:
            await admitted(limiter)
        assert caught.value.sent is False
        assert limiter.wait_s(now(), 0) == float("inf")

    run(main)


def test_two_keys_share_the_work_and_double_the_rate() -> None:
    async def main() -> None:
        times = await finish_times(a_limiter(keys=2, rpm=60), 120)
        assert times[-1] == pytest.approx(60, rel=0.03)

    run(main)


def test_a_key_set_aside_fails_everyone_in_line_at_once() -> None:
    async def main() -> None:
        limiter = a_limiter(rpm=1)
        permit = await admitted(limiter)
        waiting = [asyncio.create_task(admitted(limiter)) for _ in range(3)]
        await asyncio.sleep(1)
        permit.refused(an_error("quota_exhausted", status=402), now())
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [result.kind for result in results] == ["quota_exhausted"] * 3  # type: ignore[union-attr]
        assert now() == 1

    run(main)


def test_a_key_at_its_limit_gives_way_to_the_next_at_once() -> None:
    async def main() -> None:
        limiter = a_limiter(keys=2)
        first = await admitted(limiter)
        first.refused(an_error("rate_limited", retry_after_s=60), now())
        second = await admitted(limiter)
        assert second.key != first.key
        assert now() == 0
        assert limiter.wait_s(now(), 0) == 0

    run(main)


def test_what_never_left_costs_nothing_and_what_was_refused_no_tokens() -> None:
    async def main() -> None:
        limiter = a_limiter(rpm=60, tpm=60_000)
        for error in (an_error("transport", sent=False), an_error("bad_request", status=400)):
            began_s = now()
            permit = await admitted(limiter, estimate=50_000)
            permit.refused(error, now())
            assert now() - began_s < 1.1

    run(main)


def test_each_limit_tells_what_it_lets_through_and_how_much_of_it_was_used() -> None:
    async def main() -> None:
        limiter = a_limiter(keys=2, rpm=60, tpm=60_000)
        assert (await admitted(limiter, estimate=0)) is not None
        await asyncio.sleep(1)
        for _ in range(2):
            (await admitted(limiter, estimate=10_000)).settle(Usage(10_000, 2_000))
        limits = limiter.saturation().limits
        assert (limits["requests"].per_minute, limits["tokens"].per_minute) == (120, 120_000)
        assert limits["requests"].used == pytest.approx(3 / 120)
        assert limits["tokens"].used == pytest.approx((24_000 + 256) / 120_000)

    run(main)


def test_a_limit_that_was_found_is_told_and_one_that_nobody_knows_is_not() -> None:
    async def main() -> None:
        limiter = a_limiter()
        permit = await admitted(limiter)
        assert limiter.saturation().limits == {}
        permit.refused(an_error("rate_limited", retry_after_s=1), now())
        (await admitted(limiter)).settle(None)
        assert limiter.saturation().limits["requests"].per_minute >= 60

    run(main)


def test_a_small_request_doesn_t_overtake_a_big_one_that_waits() -> None:
    async def main() -> None:
        limiter = a_limiter(tpm=60_000)
        (await admitted(limiter, estimate=10_000)).settle(None)
        big = asyncio.create_task(admitted(limiter, estimate=30_000))
        await asyncio.sleep(1)
        assert limiter.try_admit(a_call(estimate=10), now()) is None
        assert limiter.try_admit(a_call(estimate=10, priority=0), now()) is not None
        await big

    run(main)


def test_a_refused_call_keeps_its_turn() -> None:
    async def main() -> list[str]:
        limiter, order = a_limiter(rpm=60), list[str]()

        async def one(name: str) -> None:
            call = Call(id=name, model="m", body={}, priority=1)
            permit = await limiter.admit(call)
            order.append(name)
            await asyncio.sleep(0.02)
            if name == "second" and order.count(name) == 1:
                permit.refused(an_error("rate_limited", retry_after_s=0.5), now())
                permit = await limiter.admit(call)
                order.append(name)
            permit.settle(None)

        await asyncio.gather(*(one(name) for name in ("first", "second", "third", "fourth")))
        return order

    assert run(main) == ["first", "second", "second", "third", "fourth"]


def test_a_refused_call_keeps_its_turn_behind_people() -> None:
    async def main() -> list[int]:
        limiter, order = a_limiter(rpm=60), list[int]()
        refused = Call(id="refused", model="m", body={}, priority=1)
        (await limiter.admit(refused)).refused(an_error("rate_limited", retry_after_s=5), now())

        async def one(call: Call) -> None:
            permit = await limiter.admit(call)
            order.append(call.priority)
            permit.settle(None)

        calls = [Call(id="next", model="m", body={}, priority=2), refused, a_call(priority=0)]
        await asyncio.gather(*map(one, calls))
        return order

    assert run(main) == [0, 1, 2]


@pytest.mark.parametrize(("calls", "workers", "within_s"), [(20, 20, 8), (20, 4, 25), (200, 200, 15), (200, 50, 45)])
def test_a_server_that_refuses_each_first_try_isn_t_slow(calls: int, workers: int, within_s: float) -> None:
    async def main() -> float:
        limiter, numbers = a_limiter(), iter(range(calls))

        async def work() -> None:
            for number in numbers:
                call = Call(id=f"req-{number}", model="m", body={}, priority=1)
                for first_try in (True, False):
                    permit = await limiter.admit(call)
                    await asyncio.sleep(0.02)
                    if first_try:
                        permit.refused(an_error("rate_limited"), now())
                    else:
                        permit.settle(None)

        await asyncio.gather(*(work() for _ in range(workers)))
        return now()

    assert run(main) < within_s
