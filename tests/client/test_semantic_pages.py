"""What the page on the semantic cache shows works as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from penstock.config import parse_config

PAGE = (Path(__file__).parents[2] / "docs" / "semantic-cache.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_python_of_the_page_runs(capfd: pytest.CaptureFixture[str]) -> None:
    for code in blocks("python"):
        exec(compile(code, "docs/semantic-cache.md", "exec"), {"__name__": "page"})
    said = capfd.readouterr().out.splitlines()
    assert said[0] == "False True False"
    assert said[1].startswith("True 0.")
    assert said[2] == "False"


@pytest.mark.parametrize("text", blocks("toml"))
def test_every_configuration_of_the_page_is_read(text: str) -> None:
    config = parse_config(tomllib.loads(text), environ={})
    assert config.cache is not None
    assert config.cache.semantic is not None
