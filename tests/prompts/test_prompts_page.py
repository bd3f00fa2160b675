"""What docs/prompts.md shows works as it stands."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from penstock.cli.main import run
from penstock.config import parse_config

PAGE = (Path(__file__).parents[2] / "docs" / "prompts.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PENSTOCK_CONFIG", raising=False)
    names = re.findall(r"`prompts/([\w-]+\.md)`", PAGE)
    for where in ("prompts", "my/prompts"):
        (tmp_path / where).mkdir(parents=True)
        for name, text in zip(names, blocks("markdown"), strict=True):
            (tmp_path / where / name).write_text(text)
    (tmp_path / "rows.csv").write_text("text,user\nmoon,u1\nsun,u2\n")
    return tmp_path


def test_the_python_of_the_page_runs_from_top_to_bottom_and_prints_what_it_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    names: dict[str, object] = {"__name__": "page"}
    for code in blocks("python"):
        exec(compile(code, "docs/prompts.md", "exec"), names)
        printed = capsys.readouterr().out
        for said in re.findall(r"print\(.*\)  # (\S+)", code):
            assert said.rstrip(":") in printed
    assert names["answer"].prompt.version == "1.0.0"  # type: ignore[attr-defined]


def test_the_configuration_of_the_page_is_read() -> None:
    (text,) = blocks("toml")
    route = parse_config(tomllib.loads(text), environ={}).routes["mixed"]
    (own,) = route.prompts
    assert own.prompt.render(messages=[{"role": "user", "content": "hi"}]).text == "user: hi\nassistant:"


def test_the_commands_of_the_page_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^    penstock (.*)$", PAGE, re.M)
    assert len(commands) == 8
    for command in commands:
        for left in folder.glob("answers.jsonl*"):
            left.unlink()
        assert run(shlex.split(command)) == (1 if " diff " in command else 0), command
    assert "+++ translate@1.1.0" in capsys.readouterr().out
