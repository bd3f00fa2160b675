"""Every wire from end to end: a client, real sockets, and the provider's own form on the other side."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.wiring.given import KEY, TOOL, Spoken, served

from penstock.errors import TooBigForLimit, Unanswered

WIRES = [
    Spoken("openai/gpt-4o-mini", "/openai/v1", embeds="text-embedding-3-small"),
    Spoken("anthropic/claude-sonnet-4-5", "/anthropic"),
    Spoken("vertex/claude-sonnet-4-5@20250929", "/vertex", {"project": "p1"}),
    Spoken("azure/my-deployment", "/azure", embeds="my-embedder"),
    Spoken("azure/gpt-4o", "/azure/openai/v1"),
    Spoken("openai/gpt-4.1", "/openai/v1", {"wire": "responses"}),
    Spoken("azure/my-reasoner", "/azure", {"wire": "responses"}),
    Spoken("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", "/bedrock", {"region": "us-east-1"}),
    Spoken("bedrock/amazon.nova-pro-v1:0", "/bedrock", {"region": "us-east-1"}, embeds="cohere.embed-english-v3"),
    Spoken("gemini/gemini-2.5-flash", "/gemini", embeds="gemini-embedding-001"),
    Spoken("vertex/gemini-2.5-flash", "/vertex", {"project": "p1"}, embeds="text-embedding-005"),
    Spoken("cohere/command-a-03-2025", "/cohere", embeds="embed-v4.0"),
    Spoken("ollama/llama3.2", "/ollama", embeds="nomic-embed-text", tools=False),
    Spoken("ollama/llama3.1", "/ollama/v1"),
    Spoken("vertex/meta/llama-3.3-70b-instruct-maas", "/vertex", {"project": "p1", "location": "us-east5"}),
]
EMBEDDERS = [spoken for spoken in WIRES if spoken.embeds]
each_wire = pytest.mark.parametrize("spoken", WIRES, ids=str)
_SAY_NO_NUMBER = ("bedrock/", "cohere/", "ollama/llama3.2", "vertex/claude", "vertex/gemini")
"""Their refusals at a limit don't say how high it is."""


@each_wire
def test_a_question_is_answered(spoken: Spoken) -> None:
    async def main() -> None:
        async with served(spoken, output_tokens=20) as (client, simulator):
            answer = await client.generate("How big is the moon?", max_tokens=64)
            assert answer.text
            assert (answer.status, answer.finish_reason, answer.target) == ("success", "stop", spoken.target)
            assert answer.usage is not None
            assert answer.usage.output_tokens > 0
            assert answer.raw
            (entry,) = simulator.ledger.rows()
            assert (entry["model"], entry["key"]) == (spoken.model, KEY)

    asyncio.run(main())


@each_wire
def test_a_stream_tells_the_same_as_the_answer_in_one_piece(spoken: Spoken) -> None:
    async def main() -> None:
        async with served(spoken, output_tokens=60, tokens_per_s=1000) as (client, _):
            whole = await client.generate("How big is the moon?", max_tokens=64)
            async with client.stream("How big is the moon?", max_tokens=64) as stream:
                pieces = [chunk.text async for chunk in stream]
            assert "".join(pieces) == whole.text == stream.answer.text
            assert sum(map(bool, pieces)) > 2
            assert (stream.answer.usage, stream.answer.finish_reason) == (whole.usage, whole.finish_reason)

    asyncio.run(main())


@pytest.mark.parametrize("spoken", [spoken for spoken in WIRES if spoken.tools], ids=str)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called(spoken: Spoken, streamed: bool) -> None:
    async def main() -> None:
        async with served(spoken) as (client, _):
            asked = {"tools": [TOOL], "tool_choice": "required", "max_tokens": 64}
            if streamed:
                async with client.stream("Weather in Kyiv?", **asked) as stream:
                    async for _ in stream:
                        pass
                answer = stream.answer
            else:
                answer = await client.generate("Weather in Kyiv?", **asked)
            (call,) = answer.tool_calls
            assert call["id"]
            assert call["function"]["name"] == "weather"
            assert set(json.loads(call["function"]["arguments"])) == {"city"}
            assert answer.finish_reason == "tool_calls"

    asyncio.run(main())


@each_wire
@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ({"keys": ["sk-another"]}, "auth"),
        ({"faults": [{"fault": "status", "status": 429, "retry_after_s": 60}]}, "rate_limited"),
        ({"faults": [{"fault": "status", "status": 500}]}, "server_error"),
        ({"faults": [{"fault": "status", "status": 503}]}, "overloaded"),
    ],
)
def test_a_refusal_is_an_error_of_its_class(spoken: Spoken, behaviour: dict[str, Any], kind: str) -> None:
    async def main() -> None:
        async with served(spoken, **behaviour) as (client, simulator):
            with pytest.raises(Unanswered) as caught:
                await client.generate("How big is the moon?", deadline=0.5, max_tokens=64)
            assert caught.value.attempts[0].error_kind == kind
            assert simulator.ledger.served > 0

    asyncio.run(main())


@each_wire
def test_a_limit_is_waited_for(spoken: Spoken) -> None:
    async def main() -> None:
        limit = {"fault": "status", "status": 429, "retry_after_s": 0.2, "first_tries": 1}
        async with served(spoken, faults=[limit]) as (client, simulator):
            answer = await client.generate("How big is the moon?", max_tokens=64)
            assert answer.text
            assert [entry["status"] for entry in simulator.ledger.rows()] == [429, 200]

    asyncio.run(main())


@pytest.mark.parametrize("spoken", EMBEDDERS, ids=str)
def test_inputs_are_embedded_in_their_order(spoken: Spoken) -> None:
    async def main() -> None:
        async with served(spoken) as (client, _):
            model = f"{spoken.provider}/{spoken.embeds}"
            texts = [f"text {n}" for n in range(5)]
            together = await client.embed(texts, model=model)
            alone = [(await client.embed([text], model=model))[0] for text in texts]
            assert together == alone
            assert len({tuple(vector) for vector in together}) == len(texts)

    asyncio.run(main())


@pytest.mark.parametrize(
    "spoken", [spoken for spoken in WIRES if not spoken.target.startswith(_SAY_NO_NUMBER)], ids=str
)
def test_what_is_above_a_whole_minutes_limit_is_told_so_and_not_waited_for(spoken: Spoken) -> None:
    async def main() -> None:
        async with served(spoken, limits={"tpm": 2000}) as (client, simulator):
            with pytest.raises(TooBigForLimit):
                await client.generate("word " * 4000, max_tokens=64)
            assert (await client.generate("How big is the moon?", max_tokens=64)).text
            assert [entry["status"] for entry in simulator.ledger.rows()] == [429, 200]

    asyncio.run(main())
