"""What the examples promise to a newcomer: each runs as it stands, with no key and no network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_the_example_runs_without_a_key(script: Path, tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_readmes_ten_lines_run_as_they_stand(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (EXAMPLES.parent / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 21


@pytest.mark.parametrize(("page", "language"), [("README.md", "json"), ("docs/run.md", "jsonl")])
def test_the_lines_of_the_page_are_answered(page: str, language: str, tmp_path: Path) -> None:
    text = (EXAMPLES.parent / page).read_text(encoding="utf-8")
    (tmp_path / "in.jsonl").write_text(re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)[0])
    words = [sys.executable, "-m", "penstock", "run", "in.jsonl", "-o", "out.jsonl", "-m", "sim/fast"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_questions_mix_every_form_of_a_line() -> None:
    lines = [json.loads(line) for line in (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()]
    forms = {"batch" if "custom_id" in line else "body" if "messages" in line else "prompt" for line in lines}
    assert forms == {"batch", "body", "prompt"}
    assert 60 <= len(lines) <= 100
