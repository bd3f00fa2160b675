"""What docs/migrating shows works: the new code always, the old code where the other tool is installed."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.client.given import KEY

FOLDER = Path(__file__).parents[2] / "docs" / "migrating"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")
PRICES = """
[providers.openai.prices]
"gpt-4o-mini" = { input = 0.15, output = 0.60 }
"gpt-4.1-mini" = { input = 0.40, output = 1.60 }
"text-embedding-3-small" = { input = 0.02, output = 0.0 }
"""


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def names(page):
    return page.stem


@pytest.fixture(autouse=True)
def provider(sim_url, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", f"{sim_url}/openai/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_the_new_code_runs_from_top_to_bottom(page, capfd):
    # The simulator's address is nobody's own, so its prices are said.
    Path("penstock.toml").write_text("\n".join([*blocks(page, "toml"), PRICES]), encoding="utf-8")
    said = {"__name__": "page"}
    for code in blocks(page, "python"):
        exec(compile(code, str(page), "exec"), said)
    assert "sim:" in capfd.readouterr().out


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_the_old_code_is_code_and_runs_where_its_tool_is_there(page):
    for code in blocks(page, "python old"):
        tree = ast.parse(code)
        imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert "penstock" not in imported
        if all(importlib.util.find_spec(name) for name in imported):
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
            assert done.returncode == 0, done.stderr
            assert "sim:" in done.stdout


def test_the_lines_of_a_batch_file_are_answered():
    (lines,) = blocks(FOLDER / "openai.md", "jsonl")
    Path("requests.jsonl").write_text(lines, encoding="utf-8")
    (command,) = re.findall(r"^    penstock (run .*)$", (FOLDER / "openai.md").read_text(encoding="utf-8"), re.M)
    words = [sys.executable, "-m", "penstock", *command.split()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert len(Path("answers.jsonl").read_text(encoding="utf-8").splitlines()) == 2
