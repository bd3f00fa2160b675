"""What the documentation shows works as it stands."""

import dataclasses
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


def test_the_python_of_the_routes_runs_from_top_to_bottom(capfd):
    names = {"__name__": "page"}
    for code in blocks("routes.md", "python"):
        exec(compile(code, "docs/routes.md", "exec"), names)
    assert capfd.readouterr().out.startswith("sim/down failed overloaded\nsim/fast answered None\n")


def test_the_python_of_guards_runs_from_top_to_bottom(capfd):
    names = {"__name__": "page"}
    for code in blocks("guards.md", "python"):
        exec(compile(code, "docs/guards.md", "exec"), names)
    names["client"].close()
    said = capfd.readouterr().out.splitlines()
    assert said[0].endswith("Write to anna@example.com")
    assert said[1] == "redact email messages[0] restored"
    sign, score = said[2].split()
    assert sign == "override"
    assert float(score) > 0.8
    assert said[-1].startswith("check lambda refused the answer of sim/echo")


def test_the_python_of_broken_streams_runs(capfd):
    for code in blocks("streams.md", "python"):
        exec(compile(code, "docs/streams.md", "exec"), {"__name__": "page"})
    assert capfd.readouterr().out.startswith("sim:")


@pytest.mark.parametrize(
    "text", [*blocks("configuration.md", "toml"), *blocks("routes.md", "toml"), *blocks("guards.md", "toml")]
)
def test_every_configuration_of_the_page_is_read(text):
    config = parse_config(tomllib.loads(text), environ={})
    assert config.providers or config.routes


def test_the_configuration_of_the_examples_names_every_setting_of_a_route():
    text = (DOCS.parent / "examples" / "penstock.toml").read_text(encoding="utf-8")
    config = parse_config(tomllib.loads(text), environ={})
    said = {
        field
        for route in config.routes.values()
        for field in route.__dataclass_fields__
        if getattr(route, field) not in (None, ())
    }
    assert said == set(config.routes["default"].__dataclass_fields__)
    assert None not in dataclasses.astuple(config.routes["default"].timeouts)
