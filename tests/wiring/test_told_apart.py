"""What differs in anything but its words is never answered for one another, and nothing drops the difference."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from penstock import Client
from penstock.cli.main import run
from penstock.stores.memory import MemoryStore


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "penstock.toml").write_text("[cache]\n")
    return tmp_path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def said(line: dict[str, Any]) -> str:
    return str(line["response"]["body"]["choices"][0]["message"]["content"])


def test_templates_that_two_targets_exchange_are_other_questions() -> None:
    store = MemoryStore()

    def ask(first: str, second: str) -> tuple[bool, str]:
        prompts = {"sim/fast": {"template": first}, "sim/typical": {"template": second}}
        routes = {"default": {"targets": ["sim/fast", "sim/typical"], "prompts": prompts, "deadline": 20}}
        with Client(config={"routes": routes}, cache=store) as client:
            answer = client.generate("How big?")
            return answer.cached, answer.text

    assert ask("one {{ prompt }}", "two {{ prompt }}")[0] is False
    cached, text = ask("two {{ prompt }}", "one {{ prompt }}")
    assert (cached, text.endswith("two How big?")) == (False, True)
    assert ask("two {{ prompt }}", "one {{ prompt }}")[0] is True


def test_samples_of_a_pipes_rows_are_asked_each_for_itself(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def piped(out: str, *options: str) -> int:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"prompt": "the same"}\n' * 2)))
        assert run(["run", "-", "-m", "sim/fast", "--json", "--quiet", "-o", out, *options]) == 0
        return int(json.loads(capsys.readouterr().out)["attempts"])

    assert piped("a.jsonl", "--samples", "3") == 3
    assert piped("b.jsonl", "--samples", "3") == 0
    assert piped("c.jsonl", "--no-dedup") == 2


def test_a_runs_columns_reach_a_targets_own_template_with_a_cache_too(place: Path) -> None:
    (place / "penstock.toml").write_text(
        '[cache]\n[routes.r]\ntargets = ["sim/fast"]\n[routes.r.prompts."sim/fast"]\ntemplate = "Tell of {{ topic }}"\n'
    )
    (place / "in.csv").write_text("topic\nthe moon\nthe sun\n")
    asked = ["run", "in.csv", "-m", "r", "--prompt", "About {{ topic }}", "--quiet", "-o"]
    assert run([*asked, "a.jsonl"]) == 0
    assert run([*asked, "b.jsonl"]) == 0
    for name in ("a.jsonl", "b.jsonl"):
        assert [said(line).partition("Tell")[1:] for line in lines(place / name)] == [
            ("Tell", " of the moon"),
            ("Tell", " of the sun"),
        ]


def test_a_long_table_of_which_the_cache_knows_a_part_is_read_once_more(place: Path) -> None:
    def table(name: str, numbers: range) -> None:
        prompts = pyarrow.table({"prompt": [f"question {number}" for number in numbers]})
        pyarrow.parquet.write_table(prompts, place / name, row_group_size=700)

    table("some.parquet", range(0, 3000, 3))
    table("all.parquet", range(3000))
    asked = ["-m", "sim/fast", "--quiet", "--prompt", "{{ prompt }}"]
    assert run(["run", "some.parquet", *asked, "-o", "a.jsonl"]) == 0
    assert run(["run", "all.parquet", *asked, "-o", "b.jsonl"]) == 0
    found = lines(place / "b.jsonl")
    assert [said(line).rpartition(" ")[2] for line in found] == [str(number) for number in range(3000)]
    assert [line["penstock"]["cached"] for line in found] == [not number % 3 for number in range(3000)]
