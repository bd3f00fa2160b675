"""What the documentation shows works as it stands."""

import re
import tomllib
from pathlib import Path

import pytest

from penstock.config import parse_config

DOCS = Path(__file__).parent.parent.parent / "docs"


def blocks(name, language):
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / name).read_text(encoding="utf-8"), re.DOTALL)


def test_the_python_of_the_page_runs_from_top_to_bottom(capfd):
    names = {"__name__": "page"}
    for code in blocks("python.md", "python"):
        exec(compile(code, "docs/python.md", "exec"), names)
    assert capfd.readouterr().out.startswith("sim:")
    assert Path("in.jsonl").exists()


@pytest.mark.parametrize("text", blocks("configuration.md", "toml"))
def test_every_configuration_of_the_page_is_read(text):
    config = parse_config(tomllib.loads(text), environ={})
    assert config.providers or config.routes
