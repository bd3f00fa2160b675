"""The OpenAI wire and both transports against llama.cpp's server: what it says is what penstock reads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from penstock.call import Call, Completion, Event, Kind, Usage
from penstock.catalog import vendor
from penstock.endpoint import Endpoint
from penstock.errors import CallError
from penstock.fold import fold
from penstock.transport import open_transport
from penstock.wire.openai import OpenAICodec

pytestmark = pytest.mark.real_server

T = TypeVar("T")
Ask = Callable[[Callable[[Endpoint], Awaitable[T]]], T]

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 12, "temperature": 0}
TEXT: dict[str, Any] = {"prompt": "Once upon a time", "max_tokens": 12, "temperature": 0}


def call(body: dict[str, Any], *, kind: Kind = "chat", stream: bool = False) -> Call:
    return Call(id="r1", model="llamacpp/tiny-random", body=body, kind=kind, stream=stream)


@pytest.fixture(params=["wreq", "aiohttp"])
def at_endpoint(request: pytest.FixtureRequest, llama_url: str) -> Ask[Any]:
    """Runs a coroutine function with an endpoint at the server."""

    async def opened(ask: Callable[[Endpoint], Awaitable[T]]) -> T:
        transport = open_transport(request.param)
        codec = OpenAICodec(vendor("llamacpp"), llama_url)
        try:
            clock = asyncio.get_running_loop().time
            return await ask(Endpoint(codec, transport, model="tiny-random", name="llamacpp/tiny-random", now=clock))
        finally:
            await transport.aclose()

    return lambda ask: asyncio.run(opened(ask))


async def whole(endpoint: Endpoint, asked: Call, key: str) -> Completion:
    reply = await endpoint.send(asked, key)
    assert isinstance(reply, Completion)
    return reply


async def streamed(endpoint: Endpoint, asked: Call, key: str) -> list[Event]:
    reply = await endpoint.send(asked, key)
    assert not isinstance(reply, Completion)
    async with reply as stream:
        return [event async for event in stream]


def test_a_chat_completion_is_read_whole(at_endpoint: Ask[Completion], llama_key: str) -> None:
    answer = at_endpoint(lambda endpoint: whole(endpoint, call(HELLO), llama_key))
    assert (len(answer.text), answer.finish, answer.model) == (12, "length", "tiny-random")
    assert answer.usage is not None
    assert answer.usage.output_tokens == 12


def test_a_streamed_chat_folds_to_the_same_answer(at_endpoint: Ask[Any], llama_key: str) -> None:
    async def both(endpoint: Endpoint) -> tuple[Completion, Completion]:
        events = await streamed(endpoint, call(HELLO, stream=True), llama_key)
        return await whole(endpoint, call(HELLO), llama_key), fold(events)

    unary, folded = at_endpoint(both)
    assert folded.message == unary.message
    assert (folded.finish, folded.usage.output_tokens) == (unary.finish, unary.usage.output_tokens)


def test_a_text_completion_is_read_whole_and_streamed(at_endpoint: Ask[Any], llama_key: str) -> None:
    async def both(endpoint: Endpoint) -> tuple[Completion, list[Event]]:
        unary = await whole(endpoint, call(TEXT, kind="completion"), llama_key)
        return unary, await streamed(endpoint, call(TEXT, kind="completion", stream=True), llama_key)

    unary, events = at_endpoint(both)
    assert len(unary.text) == 12
    assert fold(events, kind="completion").text == unary.text


def test_embeddings_come_in_the_order_of_their_inputs(at_endpoint: Ask[Any], llama_key: str) -> None:
    async def both(endpoint: Endpoint) -> tuple[Completion, Completion]:
        forth = await whole(endpoint, call({"input": ["one", "another"]}, kind="embedding"), llama_key)
        return forth, await whole(endpoint, call({"input": ["another", "one"]}, kind="embedding"), llama_key)

    forth, back = at_endpoint(both)
    assert [len(vector) for vector in forth.vectors] == [64, 64]
    assert forth.vectors[0] == pytest.approx(back.vectors[1], abs=1e-4)
    assert isinstance(forth.usage, Usage)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("key", "body", "kind", "status"),
    [
        ("sk-test-wrong", HELLO, "auth", 401),
        (None, {"messages": "not a list"}, "bad_request", 400),
        (None, {"messages": [{"role": "user", "content": "long " * 2000}]}, "context_too_long", 400),
    ],
    ids=["a wrong key", "a bad body", "a long prompt"],
)
def test_refusals_are_told_apart(
    at_endpoint: Ask[Any],
    llama_key: str,
    *,
    key: str | None,
    body: dict[str, Any],
    kind: str,
    status: int,
    stream: bool,
) -> None:
    with pytest.raises(CallError) as caught:
        at_endpoint(lambda endpoint: endpoint.send(call(body, stream=stream), key or llama_key))
    assert (caught.value.kind, caught.value.status, caught.value.target) == (kind, status, "llamacpp/tiny-random")
    assert "sk-test" not in str(caught.value)


def test_a_stream_left_early_frees_the_server_for_the_next_call(at_endpoint: Ask[Any], llama_key: str) -> None:
    async def leave_and_ask(endpoint: Endpoint) -> Completion:
        for _ in range(8):  # twice the server's slots
            reply = await endpoint.send(call({**HELLO, "max_tokens": 900}, stream=True), llama_key)
            assert not isinstance(reply, Completion)
            async with reply as stream:
                await anext(aiter(stream))
        return await whole(endpoint, call(HELLO), llama_key)

    assert at_endpoint(leave_and_ask).finish == "length"
