"""Answers in a form, from a client to every wire and back."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.wiring.given import Spoken, served
from tests.wiring.test_wires import WIRES

from penstock import AsyncClient, BudgetExceeded, Client, ConfigError, InvalidAnswer, Request
from penstock.stores.memory import MemoryStore


@dataclass
class Bill:
    number: str
    lines: list[str]
    total: float = 0.0


UNFIT = {"fault": "unfit_answer", "prompt_contains": "bill"}
"""What asks again has another last message than the prompt, so that only the first answer is unlike."""
ALWAYS_UNFIT = {"fault": "unfit_answer"}
OPENAI = Spoken("openai/gpt-4o-mini", "/openai/v1")


@pytest.mark.parametrize("spoken", WIRES, ids=str)
def test_every_wire_answers_in_the_form(spoken: Spoken) -> None:
    async def main() -> None:
        async with served(spoken) as (client, simulator):
            answer = await client.generate("the bill", schema=Bill, max_tokens=500)
            assert isinstance(answer.parsed, Bill)
            assert simulator.ledger.served == 1
            async with client.stream("the bill", schema=Bill, max_tokens=500) as stream:
                partials = [chunk.partial async for chunk in stream]
            assert stream.answer.parsed == answer.parsed
            assert partials[-1] == json.loads(stream.answer.text)

    asyncio.run(main())


@pytest.mark.parametrize("spoken", WIRES, ids=str)
def test_every_wire_is_asked_again(spoken: Spoken) -> None:
    async def main() -> None:
        async with served(spoken, faults=[UNFIT]) as (client, simulator):
            answer = await client.generate("the bill", schema=Bill, max_tokens=500)
            assert isinstance(answer.parsed, Bill)
            assert (simulator.ledger.served, len(answer.attempts)) == (2, 2)
            assert answer.usage.output_tokens > 12

    asyncio.run(main())


@pytest.mark.parametrize("model", ["deepseek/deepseek-chat", "groq/llama-3.3-70b-versatile", "openai/gpt-4-turbo"])
def test_json_mode_and_the_prompt_do_where_there_is_no_more(model: str) -> None:
    async def main() -> None:
        # What the simulator says in JSON mode fits no schema, but for one that asks for that.
        async with served(Spoken(model, f"/{model.partition('/')[0]}/v1")) as (client, _):
            schema = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
            answer = await client.generate("the bill", schema=schema)
            assert answer.parsed["answer"].startswith("sim:")

    asyncio.run(main())


def test_a_fence_and_words_around_are_read() -> None:
    async def main() -> None:
        async with served(OPENAI, faults=[{"fault": "fenced_answer"}]) as (client, simulator):
            assert isinstance((await client.generate("the bill", schema=Bill)).parsed, Bill)
            async with client.stream("the bill", schema=Bill) as stream:
                partials = [chunk.partial async for chunk in stream]
            assert (partials[0], partials[-1]["number"]) == (None, stream.answer.parsed.number)
            assert simulator.ledger.served == 2

    asyncio.run(main())


def test_an_answer_that_never_fits_is_told_with_its_text() -> None:
    async def main() -> None:
        async with served(OPENAI, faults=[ALWAYS_UNFIT]) as (client, simulator):
            with pytest.raises(InvalidAnswer, match="missing required field `number`") as caught:
                await client.generate("the bill", schema=Bill, reasks=1)
            assert (caught.value.text, len(caught.value.attempts)) == ('{"unexpected":true}', 2)
            with pytest.raises(InvalidAnswer):
                await client.stream("the bill", schema=Bill).finish()
            assert simulator.ledger.served == 3

    asyncio.run(main())


def test_asking_again_is_within_the_budget() -> None:
    async def main() -> None:
        settings = {"prices": {"*": {"input": 0.0, "output": 1e6}}}  # a dollar for each token
        async with served(Spoken(OPENAI.target, OPENAI.path, settings), faults=[ALWAYS_UNFIT]) as (client, simulator):
            url = client._engine.plan("openai").base_url
            config = {"providers": {"openai": {"base_url": url, "api_key": "sk-test-not-a-key", **settings}}}
            async with AsyncClient("openai/gpt-4o-mini", config=config, budget=12.0) as bounded:
                # The most it could cost is held before each request: 10, and 10 again with 5 of 12 spent.
                with pytest.raises(BudgetExceeded):
                    await bounded.generate("the bill", schema=Bill, max_tokens=10)
            assert simulator.ledger.served == 1

    asyncio.run(main())


def test_one_that_is_cut_off_says_so() -> None:
    with Client("sim/fast") as client, pytest.raises(InvalidAnswer, match="cut off at its token limit"):
        client.generate("the bill", schema=Bill, max_tokens=5, reasks=0)


def test_map_and_run_answer_in_the_form_and_each_may_have_its_own(tmp_path: Path) -> None:
    with Client("sim/fast") as client:
        prompts = ["one", Request("two", schema=list[int]), Request("three", max_tokens=3)]
        first, second, third = client.map(prompts, schema=Bill, reasks=0)
        assert (type(first.parsed), second.parsed) == (Bill, [1])
        assert (type(third.error), third.parsed) == (InvalidAnswer, None)
        ran = client.run(prompts, schema=Bill, reasks=0, journal=tmp_path / "j")
        again = client.run(prompts, schema=Bill, reasks=0, journal=tmp_path / "j")
        assert [one.parsed for one in ran] == [one.parsed for one in again] == [first.parsed, [1], None]
        assert type(again[2].error) is InvalidAnswer
        assert client.stats().requests == 3 + 3


def test_a_cache_keeps_what_fits_and_nothing_else() -> None:
    async def main() -> None:
        store = MemoryStore(max_bytes=10**6)
        async with served(OPENAI, faults=[UNFIT]) as (client, simulator):
            url = client._engine.plan("openai").base_url
            config = {"providers": {"openai": {"base_url": url, "api_key": "sk-test-not-a-key"}}}
            async with AsyncClient("openai/gpt-4o-mini", config=config, cache=store) as cached:
                first = await cached.generate("the bill", schema=Bill)
                again = await cached.generate("the bill", schema=Bill)
                assert (first.cached, again.cached, again.parsed) == (False, True, first.parsed)
                assert simulator.ledger.served == 2
                with pytest.raises(InvalidAnswer):
                    await cached.stream("a second bill", schema=Bill).finish()
                assert (await cached.generate("a second bill", schema=Bill)).cached is False

    asyncio.run(main())


def test_an_answer_that_was_kept_without_a_form_is_held_against_it() -> None:
    async def main() -> None:
        async with served(OPENAI, faults=[UNFIT]) as (client, simulator):
            url = client._engine.plan("openai").base_url
            config = {"providers": {"openai": {"base_url": url, "api_key": "sk-test-not-a-key"}}}
            async with AsyncClient("openai/gpt-4o-mini", config=config, cache="memory") as cached:
                from penstock.schema import form_of

                plain: Any = form_of(Bill).response_format
                assert (await cached.generate("the bill", response_format=plain)).text == '{"unexpected":true}'
                assert (await cached.generate("the bill", response_format=plain)).cached
                answer = await cached.generate("the bill", schema=Bill)
                assert isinstance(answer.parsed, Bill)
                assert (await cached.generate("the bill", response_format=plain)).text != '{"unexpected":true}'
                assert (cached.stats().cached, simulator.ledger.served) == (2, 3)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"schema": Bill, "response_format": {"type": "json_object"}}, "exclude each other"),
        ({"reasks": 1}, "only an answer with a schema"),
        ({"schema": Bill, "reasks": -1}, "a whole number from 0 to 20"),
        ({"schema": "Bill"}, "expected a type"),
    ],
)
def test_what_cant_be_meant_is_refused_before_anything_is_sent(options: dict[str, Any], says: str) -> None:
    with Client("sim/fast") as client:
        with pytest.raises(ConfigError, match=says):
            client.generate("the bill", **options)
        assert client.stats().requests == 0
