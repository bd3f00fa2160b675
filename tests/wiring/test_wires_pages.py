"""What the pages of Cohere's, Ollama's and Mistral's wires show works as it stands there."""

from __future__ import annotations

import asyncio
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.wiring.given import KEY, Spoken, served

from penstock.config import parse_config
from penstock.wire.ollama import OllamaCodec
from penstock.wire.openai import OpenAICodec
from penstock.wiring import plan_provider
from penstock.wiring.wires import dialect_of

PAGES = Path(__file__).parents[2] / "docs" / "providers"


def code_of(page: str) -> dict[str, Any]:
    (code,) = re.findall(r"```python\n(.*?)```", (PAGES / page).read_text(encoding="utf-8"), re.DOTALL)
    namespace: dict[str, Any] = {"__name__": "page"}
    exec(compile(code, page, "exec"), namespace)
    return namespace


def test_the_nearest_text_is_found_by_cohere() -> None:
    async def main() -> None:
        async with served(Spoken("cohere/command-a-03-2025", "/cohere")) as (client, simulator):
            texts = ["the moon", "the sun"]
            assert await code_of("cohere.md")["nearest"](client, "the sun", texts) == "the sun"
            assert simulator.ledger.served == 2

    asyncio.run(main())


def test_a_text_is_summed_up_by_ollama() -> None:
    async def main() -> None:
        async with served(Spoken("ollama/llama3.2", "/ollama")) as (client, _):
            assert await code_of("ollama.md")["summary"](client, "a long text")

    asyncio.run(main())


def codec(provider: dict[str, Any]) -> Any:
    plan = plan_provider(parse_config({"providers": {"ollama": provider}}, environ={}), "ollama")
    plan.check()
    return dialect_of(plan, "m").open(plan, plan.base_url or "")


def test_ollama_is_spoken_to_in_its_own_wire_unless_its_address_is_its_openai_sides() -> None:
    page = (PAGES / "ollama.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    table = tomllib.loads(shown)["providers"]["ollama"]
    assert isinstance(codec({}), OllamaCodec)
    assert isinstance(codec(table), OllamaCodec)
    assert isinstance(codec({"base_url": table["base_url"] + "/v1"}), OpenAICodec)


@pytest.mark.parametrize(("wire", "expected"), [("openai", OpenAICodec), ("ollama", OllamaCodec)])
def test_a_wire_that_was_named_is_spoken(wire: str, expected: type) -> None:
    assert isinstance(codec({"wire": wire}), expected)
    assert isinstance(codec({"wire": wire, "base_url": "http://a.test/v1", "api_key": KEY}), expected)
