from __future__ import annotations

import re
from pathlib import Path

from tests.crash.given import lines, penstock

PAGE = Path(__file__).parents[2] / "docs" / "run.md"


def test_the_lines_on_the_page_are_answered(tmp_path: Path) -> None:
    (block,) = re.findall(r"```jsonl\n(.*?)```", PAGE.read_text(), re.DOTALL)
    (tmp_path / "prompts.jsonl").write_text(block)
    done = penstock(None, "run", "prompts.jsonl", "-o", "answers.jsonl", "-m", "sim/fast", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    answers = lines(tmp_path / "answers.jsonl")
    assert [line["custom_id"] for line in answers] == ["a", "b", "line-3", "d"]
    assert answers[3]["response"]["body"]["object"] == "list"


def test_every_option_the_page_names_is_one(tmp_path: Path) -> None:
    known = penstock(None, "run", "--help").stdout
    named = set(re.findall(r"`(--[a-z-]+)", PAGE.read_text()))
    assert {option for option in named if option not in known} == set()
