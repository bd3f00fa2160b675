"""Single inputs share requests, and each caller has exactly its own vector, deadline, tokens and cost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wiring.embedder import Embedder, later, outcome, packed

from penstock.call import Attempt, Call, Completion, Usage
from penstock.clock import LoopClock
from penstock.errors import BadRequest, DeadlineExceeded
from penstock.packing import Packer, Packing, parts_of_count, shared
from penstock.splitting import EmbeddingLimit
from penstock.testing import run

CALLS = st.tuples(
    st.floats(0, 3),
    st.sampled_from(["good"] * 8 + ["bad"]),
    st.sampled_from([None, None, 0.05, 1.5, 50.0]),
    st.sampled_from([None, None, None, 0.05, 0.9]),
    st.sampled_from([4, 8]),
)


@given(st.lists(CALLS, max_size=40), st.integers(1, 12), st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([0.2, 2.0]))
def test_each_caller_has_its_own_outcome_in_any_interleaving(
    calls: list[tuple[float, str, float | None, float | None, int]], most: int, wait_s: float, takes_s: float
) -> None:
    embedder = Embedder(takes_s)

    async def play(ask: Any, packer: Packer) -> list[Any]:
        async def one(number: int) -> Any:
            start_s, word, within_s, leaves_s, dimensions = calls[number]
            text = f"{number}" if word == "good" else f"bad {number}"
            task = asyncio.ensure_future(later(start_s, ask(text, within_s, dimensions=dimensions)))
            if leaves_s is not None:
                await asyncio.wait([task], timeout=start_s + leaves_s)
                task.cancel()
            await asyncio.wait([task])
            return "left" if task.cancelled() else task.result()

        return list(await asyncio.gather(*map(one, range(len(calls)))))

    found = packed(embedder, play, max_size=most, max_wait_s=wait_s)
    for number, (_, word, within_s, leaves_s, _) in enumerate(calls):
        own = [float(number) if word == "good" else BadRequest]
        own += [DeadlineExceeded] if within_s is not None else []
        own += ["left"] if leaves_s is not None else []
        assert found[number] in own
    assert max(embedder.sizes, default=0) <= most
    for call in embedder.asked:
        texts = [str(text) for text in call.body["input"]]
        assert len({calls[int(text.split()[-1])][4] for text in texts}) == 1, "asked together, but not alike"


def test_inputs_wait_for_others_no_longer_than_they_may() -> None:
    embedder = Embedder(0.0)

    async def play(ask: Any, packer: Packer) -> float:
        await asyncio.gather(*(later(n / 100, ask(f"{n}")) for n in range(25)))
        return asyncio.get_running_loop().time()

    packed(embedder, play, max_wait_s=0.105)
    assert embedder.sizes == [11, 11, 3]


def test_a_full_request_waits_for_nobody() -> None:
    async def play(ask: Any, packer: Packer) -> float:
        began_s = asyncio.get_running_loop().time()
        await asyncio.gather(*(ask(f"{n}") for n in range(6)))
        return asyncio.get_running_loop().time() - began_s

    embedder = Embedder(1.0)
    assert packed(embedder, play, max_size=3, max_wait_s=60) == pytest.approx(1.0)
    assert embedder.sizes == [3, 3]


def test_requests_stay_within_what_the_provider_takes() -> None:
    async def play(ask: Any, packer: Packer) -> None:
        await asyncio.gather(*(ask("1" * 30) for _ in range(10)))

    embedder = Embedder()
    packed(embedder, play, limit=EmbeddingLimit(inputs=4))
    assert embedder.sizes == [4, 4, 2]
    embedder = Embedder()
    packed(embedder, play, limit=EmbeddingLimit(tokens=33))
    assert embedder.sizes == [3, 3, 3, 1]


def test_a_short_deadline_does_not_pass_while_others_are_waited_for() -> None:
    async def play(ask: Any, packer: Packer) -> Any:
        return await outcome(ask("5", within_s=4.0))

    assert packed(Embedder(1.0), play, max_wait_s=60) == 5.0


def test_a_short_deadline_hurries_a_request_that_others_wait_in() -> None:
    async def play(ask: Any, packer: Packer) -> list[Any]:
        return list(await asyncio.gather(outcome(ask("1", within_s=500)), outcome(ask("2", within_s=4.0))))

    embedder = Embedder(1.0)
    assert packed(embedder, play, max_wait_s=60) == [1.0, 2.0]
    assert embedder.sizes == [2]


def test_a_request_has_the_latest_deadline_of_its_calls_and_the_tokens_of_all() -> None:
    async def main() -> None:
        packer = Packer(embedder, Packing(100, 0.1), LoopClock())

        def call(text: str, deadline_s: float | None) -> Call:
            body = {"input": [text]}
            return Call(id=text, model="m", kind="embedding", body=body, deadline_s=deadline_s, estimate=int(text))

        began_s = asyncio.get_running_loop().time()
        calls = [call("1", began_s + 50), call("2", began_s + 90), call("4", began_s + 60), call("8", None)]
        await asyncio.gather(*map(packer, calls))
        told = {call.estimate: call.deadline_s for call in embedder.asked}
        assert told == {7: began_s + 90, 8: None}

    embedder = Embedder()
    run(main())


def test_a_deadline_that_the_request_shares_is_told_by_the_request() -> None:
    class Timed(Embedder):
        async def __call__(self, call: Call) -> Completion:
            assert call.deadline_s is not None
            await asyncio.sleep(call.deadline_s - asyncio.get_running_loop().time())
            raise DeadlineExceeded("late", [Attempt(id=call.id, target="a/m", outcome="cancelled")])

    async def play(ask: Any, packer: Packer) -> list[Any]:
        return list(await asyncio.gather(ask("1", within_s=1), ask("2", within_s=3), return_exceptions=True))

    early, late = packed(Timed(), play)
    assert (type(early), len(early.attempts)) == (DeadlineExceeded, 0)
    assert (type(late), len(late.attempts)) == (DeadlineExceeded, 1)


def test_a_request_that_never_comes_back_holds_nobody_beyond_the_deadline() -> None:
    async def play(ask: Any, packer: Packer) -> float:
        assert await outcome(ask("1", within_s=1)) is DeadlineExceeded
        return asyncio.get_running_loop().time()

    assert packed(Embedder(1e6), play) < 1.2


def test_after_a_flush_nothing_waits() -> None:
    async def play(ask: Any, packer: Packer) -> float:
        began_s = asyncio.get_running_loop().time()
        waiting = asyncio.ensure_future(ask("1"))
        await asyncio.sleep(0)
        packer.flush()
        await waiting
        await asyncio.gather(ask("2"), ask("3"))
        return asyncio.get_running_loop().time() - began_s

    embedder = Embedder(1.0)
    assert packed(embedder, play, max_wait_s=3600) == pytest.approx(2.0)
    assert embedder.sizes == [1, 2]


def test_a_caller_whose_deadline_passes_leaves_the_others_their_answers() -> None:
    async def play(ask: Any, packer: Packer) -> list[Any]:
        return list(await asyncio.gather(outcome(ask("1", within_s=0.5)), outcome(ask("2", within_s=5))))

    embedder = Embedder(1.0)
    assert packed(embedder, play) == [DeadlineExceeded, 2.0]
    assert len(embedder.asked) == 1


def test_who_leaves_before_it_is_sent_is_not_asked_for() -> None:
    async def play(ask: Any, packer: Packer) -> Any:
        gone = asyncio.ensure_future(ask("1"))
        stays = asyncio.ensure_future(ask("2"))
        await asyncio.sleep(0.05)
        gone.cancel()
        return (await stays).vectors

    embedder = Embedder()
    assert packed(embedder, play) == ((2.0,),)
    assert embedder.asked[0].body["input"] == ["2"]


def test_a_request_that_nobody_waits_for_any_more_is_cancelled() -> None:
    async def play(ask: Any, packer: Packer) -> None:
        tasks = [asyncio.ensure_future(ask(f"{n}")) for n in range(3)]
        await asyncio.sleep(0.5)
        tasks[0].cancel()
        await asyncio.sleep(0)
        assert not embedder.cancelled
        for task in tasks[1:]:
            task.cancel()
        await asyncio.sleep(0.01)
        assert embedder.cancelled == 1

    embedder = Embedder()
    packed(embedder, play)


def test_texts_and_token_ids_are_not_asked_together() -> None:
    class Taker(Embedder):
        async def __call__(self, call: Call) -> Completion:
            assert len({type(one) for one in call.body["input"]}) == 1
            numbers = [one if isinstance(one, str) else one[0] for one in call.body["input"]]
            return await super().__call__(Call(id="c", model="m", kind="embedding", body={"input": numbers}))

    async def both(ask: Any, packer: Packer) -> list[Any]:
        return list(await asyncio.gather(outcome(ask("1")), outcome(ask([2, 3])), outcome(ask("4"))))

    assert packed(Taker(), both) == [1.0, 2.0, 4.0]


@given(st.integers(0, 10**6), st.lists(st.integers(1, 10**4), min_size=1, max_size=50))
def test_shares_are_in_proportion_and_add_up(total: int, weights: list[int]) -> None:
    parts = parts_of_count(total, weights)
    assert sum(parts) == total
    assert all(abs(part - total * weight / sum(weights)) < 1 for part, weight in zip(parts, weights, strict=True))
    told = [one for one in shared(Usage(total, 0, total // 3), weights) if one is not None]
    assert sum(told, start=Usage()) == Usage(total, 0, total // 3)


def test_tokens_and_cost_are_shared_and_what_was_refused_before_is_told() -> None:
    async def play(ask: Any, packer: Packer) -> list[Any]:
        return list(await asyncio.gather(ask("1" * 6), ask("2" * 30), ask("bad"), ask("4"), return_exceptions=True))

    one, two, bad, four = packed(Embedder(), play)
    assert (one.usage, two.usage, four.usage) == (Usage(3), Usage(11), Usage(7))
    assert (one.cost_usd, two.cost_usd) == (pytest.approx(0.5 * 3 / 14), pytest.approx(0.5 * 11 / 14))
    assert four.cost_usd == 0.5
    assert [attempt.outcome for attempt in four.attempts] == ["failed", "failed", "answered"]
    assert [attempt.usage.input_tokens for attempt in two.attempts if attempt.usage] == [two.usage.input_tokens]
    assert (four.requests_sent, two.requests_sent) == (3, 2)
    assert (len(bad.attempts), bad.requests_sent) == (3, 3)
