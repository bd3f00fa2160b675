"""A server that knows no streams, on real sockets: a client that asks for one has its answer, by one request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.wire.whole_given import ERRORS, RICH

from penstock import AsyncClient
from penstock.errors import Unanswered

_AWS = {"region": "us-east-1"}
_GOOGLE = {"project": "p1"}
TARGETS: list[tuple[str, str, dict[str, Any]]] = [
    ("openai", "openai/gpt-4o-mini", {}),
    ("azure", "azure/my-deployment", {}),
    ("mistral", "mistral/mistral-large-latest", {}),
    ("responses", "openai/gpt-4.1", {"wire": "responses"}),
    ("anthropic", "anthropic/claude-sonnet-4-5", {}),
    ("anthropic on vertex", "vertex/claude-sonnet-4-5@20250929", _GOOGLE),
    ("anthropic on bedrock", "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", _AWS),
    ("bedrock converse", "bedrock/amazon.nova-pro-v1:0", _AWS),
    ("gemini", "gemini/gemini-2.5-flash", {}),
    ("gemini on vertex", "vertex/gemini-2.5-flash", _GOOGLE),
    ("open models on vertex", "vertex/meta/llama-3.3-70b-instruct-maas", _GOOGLE),
    ("cohere", "cohere/command-a-03-2025", {}),
    ("ollama", "ollama/llama3.2", {}),
]
each_place = pytest.mark.parametrize(("place", "target", "more"), TARGETS, ids=[place for place, *_ in TARGETS])


@asynccontextmanager
async def stubborn(
    target: str, more: dict[str, Any], body: bytes, **options: Any
) -> AsyncIterator[tuple[AsyncClient, list[str]]]:
    """A client of a server that answers everything with `body`, whatever it calls it; and what it was asked."""
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split()[1].decode())
        size = next(line.split(b":")[1] for line in head.lower().splitlines() if line.startswith(b"content-length"))
        await reader.readexactly(int(size))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for piece in (body[:7], body[7:]):
            writer.write(piece)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    settings = {"base_url": base_url, "api_key": "sk-test-not-a-key", **more}
    try:
        async with AsyncClient(target, config={"providers": {target.partition("/")[0]: settings}}, **options) as client:
            yield client, asked
    finally:
        server.close()


@each_place
def test_a_stream_tells_the_answer_and_asks_once(place: str, target: str, more: dict[str, Any]) -> None:
    async def main() -> None:
        async with stubborn(target, more, json.dumps(RICH[place], indent=2).encode()) as (client, asked):
            async with client.stream("?", max_tokens=9, deadline=20) as stream:
                said = "".join([chunk.text async for chunk in stream])
            assert said.startswith(stream.answer.text)
            assert stream.answer.text == "Hé 🙂"
            assert [len(stream.answer.attempts), len(asked)] == [1, 1]
            assert stream.answer.tool_calls[0]["function"]["name"] == "f"
            assert stream.answer.message["reasoning_content"] == "hm"
            assert stream.answer.usage is not None

    asyncio.run(main())


@each_place
def test_a_stream_inside_does_too(place: str, target: str, more: dict[str, Any]) -> None:
    async def main() -> None:
        async with stubborn(target, more, json.dumps(RICH[place]).encode()) as (client, asked):
            whole = await client.generate("?", max_tokens=9)
            inside = await client.generate("?", max_tokens=9, deadline=20)
            assert [len(inside.attempts), len(asked)] == [1, 2]
            assert (inside.text, inside.message, inside.usage) == (whole.text, whole.message, whole.usage)
            assert (inside.status, inside.finish_reason) == (whole.status, whole.finish_reason)

    asyncio.run(main())


@each_place
def test_an_error_is_of_its_class(place: str, target: str, more: dict[str, Any]) -> None:
    async def main() -> None:
        kinds, body = [], json.dumps(ERRORS[place][-1]).encode()
        for inside in ("off", "on"):
            async with stubborn(target, more, body, stream_inside=inside) as (client, _):
                with pytest.raises(Unanswered) as caught:
                    await client.generate("?", max_tokens=9, deadline=0.2)
                kinds.append(caught.value.attempts[0].error_kind)
        assert kinds[0] == kinds[1] != "transport"

    asyncio.run(main())
