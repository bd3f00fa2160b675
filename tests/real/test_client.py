"""The library against llama.cpp's server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

import penstock

pytestmark = pytest.mark.real_server

MODEL = "mine/tiny-random"


@pytest.fixture
def config(llama_url: str, llama_key: str) -> dict[str, Any]:
    return {"providers": {"mine": {"wire": "openai", "base_url": llama_url, "api_key": llama_key}}}


@pytest.fixture
def client(config: dict[str, Any]) -> Iterator[penstock.Client]:
    with penstock.Client(MODEL, config=config, deadline=30) as client:
        yield client


def test_generate_gives_text_usage_and_target(client: penstock.Client) -> None:
    answer = client.generate("Hello", max_tokens=12)
    assert (len(answer.text), answer.status, answer.finish_reason) == (12, "truncated", "length")
    assert (answer.usage.output_tokens, answer.target) == (12, MODEL)


def test_a_stream_brings_the_text_that_generate_brings(client: penstock.Client) -> None:
    whole = client.generate("Hello", max_tokens=12, temperature=0)
    with client.stream("Hello", max_tokens=12, temperature=0) as stream:
        assert "".join(chunk.text for chunk in stream) == whole.text
    assert stream.answer.text == whole.text


def test_map_answers_in_order(client: penstock.Client) -> None:
    bodies = [f"Number {number}" for number in range(30)]
    alone = client.generate(bodies[7], max_tokens=6, temperature=0).text
    answers = list(client.map(bodies, max_tokens=6, temperature=0))
    assert (len(answers), answers[7].text) == (30, alone)


def test_complete_and_embed_reach_the_older_endpoints(client: penstock.Client) -> None:
    assert len(client.complete("Once upon a time", max_tokens=9)) == 9
    assert [len(vector) for vector in client.embed(["one", "two"])] == [64, 64]


def test_what_the_server_refuses_is_raised_by_its_name(client: penstock.Client, config: dict[str, Any]) -> None:
    with pytest.raises(penstock.ContextTooLong, match="exceeds the available context size"):
        client.generate("long " * 2000)
    config["providers"]["mine"]["api_key"] = "sk-test-wrong"
    with penstock.Client(MODEL, config=config) as wrong, pytest.raises(penstock.AuthenticationFailed) as caught:
        wrong.generate("Hello")
    assert "sk-test" not in str(caught.value)


def test_a_hundred_at_once_share_the_servers_few_slots(config: dict[str, Any]) -> None:
    async def ask() -> list[penstock.Answer]:
        async with penstock.AsyncClient(MODEL, config=config) as client:
            return await asyncio.gather(*(client.generate(f"Number {n}", max_tokens=4) for n in range(100)))

    assert {answer.status for answer in asyncio.run(ask())} == {"truncated"}
