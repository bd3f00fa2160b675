"""What the command tells people to do next once lacked what they needed for it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from penstock.cli.main import run

LINES = '{"custom_id": "a", "prompt": "one"}\n{"custom_id": "b", "prompt": "two", "model": "opnai/x"}\n'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.jsonl").write_text('{"custom_id": "a", "prompt": "one"}\n')
    return tmp_path


def test_the_command_that_goes_on_names_the_journal_the_server_and_the_configuration(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "mine.toml").write_text(
        '[routes.r]\ntargets = ["mine/x"]\n[providers.mine]\nbase_url = "http://a.invalid"\n'
    )
    words = ["--journal", "j.db", "--base-url", "http://127.0.0.1:9/v1", "--config", "mine.toml"]
    begun = ["run", "in.jsonl", "-o", "out.jsonl", "-m", "r", *words]
    assert run([*begun, "--max-elapsed", "200ms"]) == 3
    capsys.readouterr()
    assert run(["status", "j.db"]) == 0
    said = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert said[:7] == ["penstock", *begun[:6]]
    for option, value in zip(words[::2], words[1::2], strict=True):
        assert said[said.index(option) + 1] == value


def test_a_password_in_an_address_is_not_kept(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address = "http://me:not-a-password@127.0.0.1:9/v1"
    words = ["run", "in.jsonl", "-o", "out.jsonl", "-m", "openai/x", "--base-url", address, "--max-elapsed", "200ms"]
    run(words)
    capsys.readouterr()
    assert run(["status", "out.jsonl"]) == 0
    assert "not-a-password" not in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["run", "ask"])
def test_a_model_among_the_parameters_is_refused_instead_of_ignored(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"run": ["in.jsonl", "-o", "out.jsonl"], "ask": ["hi"]}[verb]
    assert run([verb, *words, "-m", "sim/fast", "--param", "model=sim/down"]) == 2
    assert "--param: model: name it with -m" in capsys.readouterr().err


def test_an_unknown_provider_in_a_row_is_told_with_its_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "in.jsonl").write_text(LINES)
    (here / "in.jsonl").write_text(LINES.replace('"one"}', '"one", "model": "sim/fast"}'))
    capsys.readouterr()
    assert run(["run", "in.jsonl", "-o", "out.jsonl"]) == 2
    assert 'in.jsonl:2: unknown provider "opnai" in "opnai/x"; did you mean openai' in capsys.readouterr().err


def test_a_changed_parameter_is_told_by_its_name_and_what_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["run", "in.jsonl", "-o", "out.jsonl", "-m", "sim/fast"]
    assert run([*words, "--temperature", "0.5", "--param", "top_k=3"]) == 0
    assert run([*words, "--temperature", "0.7", "--param", "top_k=3", "--seed", "1"]) == 2
    told = capsys.readouterr().err
    assert "--param and sampling options (temperature was 0.5, seed was not set): not what this run began with" in told
    assert "top_k" not in told


def test_the_command_that_goes_on_does_not_begin_anew(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "in.jsonl", "-o", "out.jsonl", "-m", "custom/x", "--fresh", "--base-url", "http://127.0.0.1:9/v1"]
    words += ["--max-elapsed", "200ms"]
    monkeypatch.setattr(sys, "argv", ["penstock", *words])
    assert run(words) == 3
    said = capsys.readouterr().err
    assert "penstock run in.jsonl" in said
    assert "--fresh" not in said
