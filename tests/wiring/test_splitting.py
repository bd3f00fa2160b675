"""More inputs than a provider takes are embedded all the same: in order, by one model, with their usage summed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wiring.given import Spoken, served

from penstock.call import Call, Completion, Usage
from penstock.clock import LoopClock
from penstock.errors import CallError
from penstock.handler import Handler
from penstock.splitting import EmbeddingLimit, Split
from penstock.testing import run


class Embedder:
    """Embeds each text as its number; fails for one that says so. The targets take turns."""

    def __init__(self, *targets: str) -> None:
        self.targets = targets or ("a/m",)
        self.asked: list[tuple[str, list[Any]]] = []
        self.at_once = self.most_at_once = 0

    def only(self, target: str) -> Handler:
        async def handle(call: Call) -> Completion:
            inputs = call.body["input"]
            self.asked.append((target, inputs))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(1)
            self.at_once -= 1
            if "bad" in inputs:
                raise CallError("bad_request", "bad")
            return Completion(
                kind="embedding",
                vectors=tuple((float(text),) for text in inputs),
                usage=Usage(len(inputs)),
                target=target,
                requests_sent=1,
            )

        return handle

    async def __call__(self, call: Call) -> Completion:
        target = self.targets[len(self.asked) % len(self.targets)]
        reply = await self.only(target)(call)
        assert isinstance(reply, Completion)
        return reply


def embedded(texts: Any, embedder: Embedder, **limit: int) -> Completion:
    async def main() -> Completion:
        handler = Split(EmbeddingLimit(**limit), embedder.only, LoopClock())(embedder)
        reply = await handler(Call(id="c", model="m", kind="embedding", body={"input": texts}))
        assert isinstance(reply, Completion)
        return reply

    return run(main())


@given(st.integers(2, 60), st.integers(1, 20))
def test_vectors_come_in_the_order_of_the_inputs_and_usage_is_summed(count: int, most: int) -> None:
    embedder = Embedder()
    whole = embedded([str(n) for n in range(count)], embedder, inputs=most)
    assert whole.vectors == tuple((float(n),) for n in range(count))
    assert whole.usage == Usage(count)
    assert whole.requests_sent == len(embedder.asked) == -(-count // most)
    assert max(len(part) for _, part in embedder.asked) <= most
    assert embedder.most_at_once <= 8


@given(st.lists(st.text(min_size=1, max_size=50), min_size=1, max_size=30), st.integers(1, 40))
def test_parts_stay_below_the_tokens_that_fit(inputs: list[str], most: int) -> None:
    parts = EmbeddingLimit(tokens=most).parts_of(inputs)
    assert [text for part in parts for text in part] == inputs
    assert all(len(part) == 1 or sum(len(text) // 3 + 1 for text in part) <= most for part in parts)


def test_alphabets_with_more_tokens_a_letter_weigh_more() -> None:
    assert [EmbeddingLimit.weight_of(300 * letter) for letter in "aж漢"] == [101, 201, 301]


def test_all_vectors_are_of_the_target_that_answered_first() -> None:
    embedder = Embedder("a/m", "b/m")
    whole = embedded([str(n) for n in range(9)], embedder, inputs=2)
    assert {target for target, _ in embedder.asked} == {whole.target} == {"a/m"}


@pytest.mark.parametrize("inputs", ["one text", ["1", "2"], [5, 6, 7, 8], ["1"]])
def test_what_fits_is_one_request(inputs: Any) -> None:
    async def main() -> int:
        asked = 0

        async def handle(_: Call) -> Completion:
            nonlocal asked
            asked += 1
            return Completion(kind="embedding")

        handler = Split(EmbeddingLimit(2), lambda _: handle, LoopClock())(handle)
        await handler(Call(id="c", model="m", kind="embedding", body={"input": inputs}))
        return asked

    assert run(main()) == 1


def test_one_part_that_fails_is_the_error_and_ends_the_others() -> None:
    embedder = Embedder()
    with pytest.raises(CallError, match="bad"):
        embedded(["1", "bad", *map(str, range(40))], embedder, inputs=1)
    assert len(embedder.asked) < 42
    assert embedder.at_once <= 8


@pytest.mark.parametrize(
    ("spoken", "texts", "requests"),
    [
        (Spoken("bedrock/amazon.titan-embed-text-v2:0", "/bedrock", {"region": "us-east-1"}), 5, 5),
        (Spoken("bedrock/cohere.embed-english-v3", "/bedrock", {"region": "us-east-1"}), 100, 2),
        (Spoken("gemini/gemini-embedding-001", "/gemini"), 150, 2),
        (Spoken("vertex/gemini-embedding-001", "/vertex", {"project": "p1"}), 4, 4),
        (Spoken("azure/embedder", "/azure"), 2050, 2),
    ],
    ids=str,
)
def test_each_providers_limit_is_kept(spoken: Spoken, texts: int, requests: int) -> None:
    async def main() -> None:
        async with served(spoken) as (client, simulator):
            vectors = await client.embed([f"text {n}" for n in range(texts)])
            assert len({tuple(vector) for vector in vectors}) == texts
            assert [row["status"] for row in simulator.ledger.rows()] == [200] * requests

    asyncio.run(main())
