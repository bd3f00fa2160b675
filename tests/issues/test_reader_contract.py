"""Promises of the commands that only read a run, once broken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.crash.given import penstock, questions

from penstock.batch.journal import Journal
from penstock.batch.reader import open_run

FAST = ("-m", "sim/fast")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    done = penstock(None, "run", questions(tmp_path / "in.jsonl", 3), "-o", tmp_path / "out.jsonl", *FAST)
    assert done.returncode == 0, done.stderr
    return tmp_path / "out.jsonl"


@pytest.mark.parametrize("verb", ["status", "export", "runs"])
def test_reading_a_run_leaves_nothing_beside_it(out: Path, verb: str) -> None:
    before = sorted(out.parent.iterdir())
    done = penstock(None, verb, out.parent if verb == "runs" else out)
    assert done.returncode == 0, done.stderr
    assert sorted(out.parent.iterdir()) == before


def test_a_reader_leaves_what_a_running_run_needs(out: Path) -> None:
    with Journal(out.with_name("out.jsonl.penstock")) as journal:
        journal.begin_session()
        needed = sorted(path.name for path in out.parent.iterdir())
        with open_run(out) as run:
            assert run.info.state == "running"
        assert sorted(path.name for path in out.parent.iterdir()) == needed
        journal.end_session(stopped=None, exit_code=0)
    with open_run(out) as run:
        assert len(run.info.sessions) == 2


def test_two_readers_at_once_leave_nothing_either(out: Path) -> None:
    before = sorted(out.parent.iterdir())
    with open_run(out) as first:
        with open_run(out) as second:
            assert second.counts().answered == 3
        assert first.counts().answered == 3
    assert sorted(out.parent.iterdir()) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_run_in_a_read_only_folder_can_be_read(out: Path) -> None:
    out.parent.chmod(0o555)
    try:
        assert "3 of 3" in penstock(None, "status", out).stdout
    finally:
        out.parent.chmod(0o755)


def test_a_run_that_was_set_aside_is_not_exported_over_the_one_that_took_its_place(out: Path) -> None:
    old = out.with_name("out.jsonl.penstock.bak")
    assert penstock(None, "run", out.with_name("in.jsonl"), "-o", out, *FAST, "--limit", "1", "--fresh").returncode == 0
    before = out.read_bytes()
    done = penstock(None, "export", old)
    assert (done.returncode, out.read_bytes()) == (2, before)
    assert "-o" in done.stderr
    assert penstock(None, "export", old, "-o", out.with_name("old.jsonl")).returncode == 0
    assert len(out.with_name("old.jsonl").read_text().splitlines()) == 3


def test_the_report_of_a_run_that_was_set_aside_is_a_file_of_its_own(out: Path) -> None:
    assert penstock(None, "run", out.with_name("in.jsonl"), "-o", out, *FAST, "--fresh").returncode == 0
    assert penstock(None, "report", out).returncode == 0
    before = out.with_name("out.jsonl.report.html").read_bytes()
    told = penstock(None, "report", out.with_name("out.jsonl.penstock.bak"))
    assert told.stdout.strip().endswith("out.jsonl.penstock.bak.report.html")
    assert out.with_name("out.jsonl.report.html").read_bytes() == before


def test_a_journal_elsewhere_that_was_set_aside_is_not_exported_over_out_either(tmp_path: Path) -> None:
    words = ("run", questions(tmp_path / "in.jsonl", 2), "-o", tmp_path / "o.jsonl", "--journal", tmp_path / "j.db")
    assert penstock(None, *words, *FAST).returncode == 0
    assert penstock(None, *words, *FAST, "--fresh").returncode == 0
    assert penstock(None, "export", tmp_path / "j.db.bak").returncode == 2
    assert penstock(None, "export", tmp_path / "j.db").returncode == 0
