from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from penstock.config import parse_config

PAGE = (Path(__file__).parents[2] / "docs" / "costs.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_python_of_the_page_runs_and_the_client_stays_within_its_budget(capfd: pytest.CaptureFixture[str]) -> None:
    for code in blocks("python"):
        exec(compile(code, "docs/costs.md", "exec"), {"__name__": "page"})
    said = capfd.readouterr().out
    assert "the budget of $0.001 for the tag team=search leaves too little" in said
    assert said.rstrip().endswith("tag")


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_configuration_of_the_page_is_read(text: str) -> None:
    config = parse_config(tomllib.loads(text), environ={})
    assert config.budget or config.providers
