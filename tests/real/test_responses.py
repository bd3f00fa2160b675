"""The Responses wire against llama.cpp's server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import penstock
from penstock.errors import ContextTooLong

pytestmark = pytest.mark.real_server

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello!"},
    {"role": "user", "content": "And again"},
]


@pytest.fixture
def client(llama_url: str, llama_key: str) -> Iterator[penstock.Client]:
    settings = {"wire": "responses", "base_url": llama_url, "api_key": llama_key}
    with penstock.Client("mine/tiny-random", config={"providers": {"mine": settings}}, deadline=30) as client:
        yield client


def test_a_conversation_is_answered_whole_and_streamed_alike(client: penstock.Client) -> None:
    whole = client.generate(TURNS, max_tokens=12, temperature=0)
    with client.stream(TURNS, max_tokens=12, temperature=0) as stream:
        assert "".join(chunk.text for chunk in stream) == whole.text
    assert len(whole.text) == 12
    assert stream.answer.usage.output_tokens == whole.usage.output_tokens == 12


def test_a_prompt_that_is_too_long_is_an_error_of_its_class(client: penstock.Client) -> None:
    with pytest.raises(ContextTooLong):
        client.generate("many words " * 5000, max_tokens=8)
