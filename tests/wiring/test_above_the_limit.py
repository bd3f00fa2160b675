"""A row that is above a whole minute's limit fails at once, though the provider says to wait; the others go on."""

from __future__ import annotations

from pathlib import Path

from tests.crash.given import lines, penstock, simulator

LIMITS = {"models": {"*": {"output_tokens": 20, "limits": {"tpm": 2000}}}}
CONFIG = '[providers.gemini]\nbase_url = "{url}/gemini"\n'


def test_a_run_waits_for_no_row_that_can_never_pass(tmp_path: Path) -> None:
    rows = ["prompt"] + [f'"{text}"' for text in ("hello", "word " * 4000, "hello again")]
    (tmp_path / "rows.csv").write_text("\n".join(rows))
    with simulator(LIMITS) as sim:
        (tmp_path / "penstock.toml").write_text(CONFIG.format(url=sim.url))
        done = penstock(
            None, "run", "rows.csv", "-o", "a.jsonl", "-m", "gemini/m", cwd=tmp_path, GEMINI_API_KEY="sk-test-not-a-key"
        )
    assert done.returncode == 1, done.stderr
    assert "too_big_for_limit 1" in done.stderr
    assert len(lines(tmp_path / "a.jsonl")) == 2
    (failed,) = lines(tmp_path / "a.jsonl.errors.jsonl")
    assert "the limit lets 2000 through at most" in failed["error"]["message"]
