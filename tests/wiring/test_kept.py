"""An answer of any wire that a journal kept is the same answer when it is read again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.wiring.given import TOOL, Spoken, served

WIRES = [
    Spoken("anthropic/claude-sonnet-4-5", "/anthropic"),
    Spoken("gemini/gemini-2.5-flash", "/gemini"),
    Spoken("openai/gpt-4.1", "/openai/v1", {"wire": "responses"}),
    Spoken("bedrock/amazon.nova-pro-v1:0", "/bedrock", {"region": "us-east-1"}),
    Spoken("vertex/meta/llama-3.3-70b-instruct-maas", "/vertex", {"project": "p1"}),
]


@pytest.mark.parametrize("spoken", WIRES, ids=str)
def test_a_resumed_run_reads_what_was_answered(tmp_path: Path, spoken: Spoken) -> None:
    async def main() -> None:
        async with served(spoken) as (client, simulator):
            prompts = [f"question {n}" for n in range(3)]
            asked = {"journal": tmp_path / "run.penstock", "max_tokens": 64}
            first = await client.run(prompts, **asked)
            again = await client.run(prompts, **asked)
            assert simulator.ledger.served == 3
            for answer, kept in zip(first, again, strict=True):
                assert kept.text == answer.text != ""
                assert (kept.usage, kept.finish_reason, kept.target) == (
                    answer.usage, answer.finish_reason, spoken.target,
                )  # fmt: skip

    asyncio.run(main())


@pytest.mark.parametrize("spoken", WIRES, ids=str)
def test_a_call_of_a_tool_is_kept(tmp_path: Path, spoken: Spoken) -> None:
    async def main() -> None:
        async with served(spoken) as (client, _):
            asked = {"tools": [TOOL], "tool_choice": "required", "max_tokens": 64}
            (first,) = await client.run(["Weather?"], journal=tmp_path / "run.penstock", **asked)
            (again,) = await client.run(["Weather?"], journal=tmp_path / "run.penstock", **asked)
            assert again.tool_calls == first.tool_calls
            assert first.tool_calls[0]["function"]["name"] == "weather"
            assert again.finish_reason == "tool_calls"

    asyncio.run(main())
