"""`penstock prompts`: what is printed, and what bad input says."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from penstock.cli.main import run

ONE = """---
name: translate
version: 1.0.0
description: Translates.
defaults: {language: German}
settings: {temperature: 0.2}
weight: 50
---
To {{ language }}: {{ text }}
"""
TWO = """---
name: translate
version: 1.1.0
weight: 50
---
system:
You translate.

user:
{{ text }}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "a.md").write_text(ONE)
    (tmp_path / "prompts" / "b.md").write_text(TWO)
    return tmp_path


def test_list_shows_each_version_with_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prompts", "list"]) == 0
    one, two = capsys.readouterr().out.splitlines()
    assert one.split(maxsplit=1) == ["translate@1.0.0", "weight 50  ([language], text)  Translates."]
    assert two.endswith("(text)")


def test_list_as_json_has_a_line_for_each_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prompts", "list", "--json"]) == 0
    told = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    assert [(one["name"], one["version"], one["required"]) for one in told] == [
        ("translate", "1.0.0", ["text"]),
        ("translate", "1.1.0", ["text"]),
    ]


def test_show_tells_settings_and_templates(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prompts", "show", "translate@1.0"]) == 0
    out = capsys.readouterr().out
    assert 'settings           {"temperature":0.2}' in out
    assert out.endswith("\nuser:\nTo {{ language }}: {{ text }}\n")


def test_render_prints_the_messages_and_counts_their_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prompts", "render", "translate", "--var", "text=moon", "-m", "openai/gpt-4o"]) == 0
    out, err = capsys.readouterr()
    assert out == "system:\nYou translate.\n\nuser:\nmoon\n\n"
    assert err.startswith("translate@1.1.0: ")
    assert err.endswith(" tokens as openai/gpt-4o counts\n")


def test_render_for_a_user_is_the_users_version(capsys: pytest.CaptureFixture[str]) -> None:
    for user in ("u1", "u1", "u2"):
        assert run(["prompts", "render", "translate", "--user", user, "--var", "text=x", "--json"]) == 0
    told = [msgspec.json.decode(line)["source"]["version"] for line in capsys.readouterr().out.splitlines()]
    assert told[0] == told[1]


def test_diff_shows_what_changed_and_says_so_with_its_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prompts", "diff", "translate", "1.0.0"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["--- translate@1.0.0", "+++ translate@1.1.0"]
    assert {"-settings.temperature: 0.2", "+You translate.", "-To {{ language }}: {{ text }}"} <= set(lines)
    assert run(["prompts", "diff", "translate", "1.0.0", "1.0.0"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["show", "nope"], 'prompts: no prompt "nope"; there is: "translate"'),
        (["show", "translate@"], "expected NAME or NAME@VERSION"),
        (["show", "translate@9"], 'no version "9"'),
        (["list", "--library", "nowhere"], "nowhere: no such folder of prompts"),
        (["render", "translate"], 'translate@1.1.0: missing "text"'),
        (["render", "translate", "--var", "text"], "expected NAME=VALUE"),
        (["render", "translate@1.0", "--user", "u"], "leave @VERSION out"),
        (["diff", "translate", "1.0.0", "x"], "expected a version"),
    ],
)
def test_bad_input_is_told_and_is_exit_2(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["prompts", *args]) == 2
    assert message in capsys.readouterr().err


def test_a_bad_file_is_told_with_its_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "prompts" / "c.md").write_text("---\nname: c\nwheight: 3\n---\nx")
    assert run(["prompts", "list"]) == 2
    assert "c.md:3: unknown field" in capsys.readouterr().err


def test_rules_of_a_file_are_known(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "prompts" / "loud.md").write_text("Say {{ text | shout }}")
    (folder / "rules.py").write_text("def shout(text):\n    return text.upper()\n")
    assert run(["prompts", "render", "loud", "--var", "text=moon", "--rules", "rules.py"]) == 0
    assert capsys.readouterr().out == "user:\nSay MOON\n\n"
    assert run(["prompts", "list", "--rules", "rules.py"]) == 0
    assert run(["prompts", "show", "loud", "--rules", "rules.py"]) == 0
    assert run(["prompts", "list"]) == 2
    assert "No filter named 'shout'" in capsys.readouterr().err
