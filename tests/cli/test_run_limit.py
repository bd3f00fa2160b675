"""`run --limit` leaves rows of the input out on purpose, and whoever looks at the run is told so."""

import json

import pytest
from tests.cli.given import penstock

ROWS = "".join(f'{{"custom_id": "r{n}", "prompt": "hi {n}"}}\n' for n in range(5))
LIMITED = ("-o", "out.jsonl", "-m", "sim/fast", "--limit", "2")


@pytest.mark.parametrize("pipe", [False, True])
def test_rows_beyond_a_limit_are_told_as_left(tmp_path, pipe):
    (tmp_path / "in.jsonl").write_text(ROWS)
    ended = penstock("run", "-" if pipe else "in.jsonl", *LIMITED, cwd=tmp_path, stdin=ROWS if pipe else None)
    assert (ended.code, "Answered all 2" in ended.err) == (0, True)
    assert ("left out   the rest of the pipe (--limit)" if pipe else "left out   3 (--limit)") in ended.err
    status = penstock("status", "out.jsonl", cwd=tmp_path).out
    left = "the rest of the pipe is left" if pipe else "3 of 5 are left"
    assert status.startswith(f"out.jsonl: stopped: --limit 2, {left}\n")
    assert "stopped" in penstock("runs", cwd=tmp_path).out


def test_a_run_is_finished_when_a_limit_leaves_nothing(tmp_path):
    (tmp_path / "in.jsonl").write_text(ROWS)
    assert penstock("run", "in.jsonl", *LIMITED, cwd=tmp_path).code == 0
    assert penstock("run", "in.jsonl", *LIMITED[:-2], cwd=tmp_path).code == 0
    assert penstock("run", "in.jsonl", *LIMITED, cwd=tmp_path).code == 0
    assert penstock("status", "out.jsonl", cwd=tmp_path).out.startswith("out.jsonl: finished\n")


def test_what_a_limit_left_out_is_in_the_summary(tmp_path):
    (tmp_path / "in.jsonl").write_text(ROWS)
    ended = penstock("run", "in.jsonl", *LIMITED, "--samples", "2", "--json", cwd=tmp_path)
    told = json.loads(ended.out)
    assert (told["total"], told["left_out"], told["stopped"], told["exit_code"]) == (4, 6, None, 0)
