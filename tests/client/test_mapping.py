"""`map` takes prompts lazily, keeps their order when asked, and never holds more than its window."""

import asyncio
import itertools

import pytest

from penstock.client.mapping import Mapping, window_for
from penstock.testing import run


async def double(number):
    await asyncio.sleep(number % 7)
    return 2 * number


def test_answers_come_in_the_order_of_the_prompts():
    async def main():
        return [pair async for pair in Mapping(range(100), double, concurrency=5, ordered=True)]

    assert run(main()) == [(n, 2 * n) for n in range(100)]


def test_unordered_answers_come_as_they_are_ready():
    async def main():
        return [pair async for pair in Mapping([6, 1, 3], double, concurrency=3, ordered=False)]

    assert run(main()) == [(1, 2), (2, 6), (0, 12)]


def test_an_endless_input_is_taken_only_as_far_as_the_window():
    taken = []

    def prompts():
        for number in itertools.count():
            taken.append(number)
            yield 0

    async def main():
        mapping = Mapping(prompts(), double, concurrency=4, ordered=True)
        for _ in range(10):
            await mapping.__anext__()
        await asyncio.sleep(1000)
        await mapping.aclose()

    run(main())
    assert len(taken) == 10 + window_for(4)


def test_nothing_is_taken_before_the_first_answer_is_wanted():
    async def main():
        mapping = Mapping(iter(lambda: pytest.fail("taken"), None), double, concurrency=4, ordered=True)
        await asyncio.sleep(10)
        await mapping.aclose()

    run(main())


@pytest.mark.parametrize("ordered", [True, False])
def test_no_more_than_the_concurrency_is_asked_at_once(ordered):
    now, peak = 0, 0

    async def ask(_):
        nonlocal now, peak
        now += 1
        peak = max(peak, now)
        await asyncio.sleep(1)
        now -= 1

    async def main():
        return [pair async for pair in Mapping(range(50), ask, concurrency=7, ordered=ordered)]

    assert len(run(main())) == 50
    assert peak == 7


def test_a_slow_first_answer_holds_no_more_than_the_window():
    asked = []

    async def ask(number):
        asked.append(number)
        await asyncio.sleep(1000 if number == 0 else 0)

    async def main():
        mapping = Mapping(itertools.count(), ask, concurrency=2, ordered=True)
        await mapping.__anext__()
        await mapping.aclose()

    run(main())
    assert len(asked) <= window_for(2) + 2


def test_an_async_input_is_taken_in_its_order():
    async def prompts():
        for number in range(30):
            await asyncio.sleep(number % 3)
            yield number

    async def main():
        return [answer async for _, answer in Mapping(prompts(), double, concurrency=4, ordered=True)]

    assert run(main()) == [2 * n for n in range(30)]


def test_what_was_in_flight_when_the_input_broke_is_still_handed_over():
    def prompts():
        yield from range(5)
        raise ValueError("the input broke")

    async def main():
        got = []
        with pytest.raises(ValueError, match="the input broke"):
            async for pair in Mapping(prompts(), double, concurrency=8, ordered=True):
                got.append(pair)
        return got

    assert run(main()) == [(n, 2 * n) for n in range(5)]


def test_leaving_early_cancels_what_is_in_flight():
    async def main():
        mapping = Mapping(range(100), double, concurrency=5, ordered=True)
        await mapping.__anext__()
        await mapping.aclose()
        return len(asyncio.all_tasks())

    assert run(main()) == 1


def test_an_empty_input_ends_at_once():
    async def main():
        return [pair async for pair in Mapping([], double, concurrency=5, ordered=True)]

    assert run(main()) == []
