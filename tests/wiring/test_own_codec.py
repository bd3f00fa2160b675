"""What docs/adding-a-provider.md shows works as it stands there."""

from __future__ import annotations

import asyncio
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.wiring.given import KEY, Spoken, served

from penstock.catalog import vendor
from penstock.config import parse_config
from penstock.errors import ConfigError
from penstock.testing import exercise_codec
from penstock.wiring import build, plan_provider

PAGE = (Path(__file__).parents[2] / "docs" / "adding-a-provider.md").read_text(encoding="utf-8")
CODEC, EXAM = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
EXAMPLES = Path(__file__).parents[2] / "examples"
WIRE = "acme_penstock:AcmeCodec"


@pytest.fixture
def _acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "acme_penstock.py").write_text(CODEC)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("acme_penstock", None)


@pytest.mark.usefixtures("_acme")
def test_the_pages_codec_passes_the_exam() -> None:
    exec(compile(EXAM, "docs/adding-a-provider.md", "exec"), {})


@pytest.mark.usefixtures("_acme")
def test_the_pages_codec_answers() -> None:
    async def main() -> None:
        async with served(Spoken("acme/m", "/acme/v1", {"wire": WIRE})) as (client, simulator):
            assert (await client.generate("How big is the moon?")).text
            (row,) = simulator.ledger.rows()
            assert (row["status"], row["key"]) == (200, "")  # the simulator knows no x-acme-key

    asyncio.run(main())


def test_the_example_of_a_wire_of_its_own_passes_the_exam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    codec = importlib.import_module("wren_penstock").WrenCodec(vendor("custom"), "https://api.wren.example")
    exercise_codec(codec, kinds=("chat",), most_choices=1)


@pytest.mark.parametrize("wire", ["nowhere_at_all:Codec", "json:Codec"])
def test_a_codec_that_is_not_there_is_said(wire: str) -> None:
    table = {"providers": {"x": {"wire": wire, "base_url": "http://127.0.0.1:1", "api_key": KEY}}}
    with pytest.raises(ConfigError, match=f'x: the wire "{wire}" cannot be imported'):
        build(parse_config(table, environ={})).check("x/m")


def test_the_pages_first_table_is_a_provider() -> None:
    table = {"providers": {"sambanova": {"base_url": "https://api.sambanova.ai/v1"}}}
    plan = plan_provider(parse_config(table, environ={"SAMBANOVA_API_KEY": KEY}), "sambanova")
    plan.check()
    assert plan.keys.origins == ("env:SAMBANOVA_API_KEY",)
