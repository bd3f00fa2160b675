"""The verbs that look at a run afterwards: runs, status, export, report."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.batch.given import meta, record, write

import penstock
from penstock.batch.journal import Journal
from penstock.batch.record import Record
from penstock.batch.schema import FAILED
from penstock.cli.main import run
from penstock.cli.status import resume_command

RAW = b'{"choices":[{"message":{"role":"assistant","content":"yes"}}]}'
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes the journal of a run of three rows: one answered, one failed, one not asked. Returns its OUT."""
    monkeypatch.chdir(tmp_path)

    def made(out: str = "a.jsonl", *, end: str | None = "Ctrl-C", created_s: float = 1e9, **remembered: Any) -> Path:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        Path("in.jsonl").write_text('{"custom_id":"id-0","prompt":"p"}\n{"custom_id":"id-1","prompt":"q"}\n')
        settings = {"models": ["sim/fast"], "prompt": None, "system": None, "params": {"seed": 1}}
        values = {"input": "in.jsonl", "output": out, "total": 3, "settings": settings, "samples": 1, "id_column": None}
        with Journal(Path(out + ".penstock")) as journal:
            journal.remember(id="r1", created_s=created_s, **{**values, **remembered})
            journal.begin_session()
            failed = meta(error_code="timeout", error_message="silent", status="failed", attempts=3)
            write(journal, record(0), Record(1, "id-1", b"d", FAILED, 2, None, failed), raw=RAW)
            if end is not None:
                journal.end_session(stopped=end or None, exit_code=3 if end else 1)
        return Path(out)

    return made


@pytest.fixture
def python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The journal of a list that was answered by `Client.run`."""
    monkeypatch.chdir(tmp_path)
    with penstock.Client("sim/fast") as client:
        client.run(["one", "two"], journal="numbers.penstock")
    return Path("numbers.penstock")


def test_a_list_in_python_is_a_run_like_others(python_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [run(["runs"]), run(["status", "numbers"]), run(["report", "numbers"])] == [0, 0, 0]
    told = capsys.readouterr().out
    assert "numbers  finished   2/2" in told
    assert "answered          2 of 2 (100 %)" in told
    assert "penstock run" not in told
    assert Path("numbers.report.html").exists()


def test_a_list_in_python_is_exported_under_a_name_that_is_given(
    python_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["export", "numbers.penstock"]) == 2
    assert run(["export", "numbers.penstock", "-o", "out.csv"]) == 2
    assert "this was a list in Python; name a .jsonl" in capsys.readouterr().err
    assert run(["export", "numbers.penstock", "-o", "out.jsonl"]) == 0
    assert len(Path("out.jsonl").read_text().splitlines()) == 2


def test_the_command_leaves_a_programs_journal_alone(python_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("in.txt").write_text("one\n")
    assert run(["run", "in.txt", "-o", "out.jsonl", "-m", "sim/fast", "--journal", "numbers.penstock"]) == 2
    assert "name another file with --journal" in capsys.readouterr().err


def test_runs_lists_what_is_below_newest_first(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    make("old.jsonl")
    make("deep/er/new.jsonl", created_s=2e9, end="", total=2)
    make(".hidden/x.jsonl")
    Path("broken.jsonl.penstock").write_text("hello")
    assert run(["runs"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["RUN", "STATE", "DONE", "FAILED", "BEGUN"]
    assert [row.split()[:4] for row in rows[:2]] == [
        ["deep/er/new.jsonl", "finished", "2/2", "1"],
        ["old.jsonl", "stopped", "2/3", "1"],
    ]
    assert rows[2].startswith("broken.jsonl       unreadable")
    assert "the journal is damaged" in rows[2]
    assert len(rows) == 3


def test_runs_as_json_is_a_line_each(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    make()
    assert run(["runs", ".", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "run": "a.jsonl", "state": "stopped", "total": 3, "answered": 1, "failed": 1, "begun_s": 1e9, "problem": None,
    }  # fmt: skip


def test_a_folder_without_runs_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["runs", str(tmp_path)]) == 0
    assert capsys.readouterr() == ("", f"no runs in {tmp_path}\n")


@pytest.mark.parametrize("named", ["a.jsonl", "a.jsonl.penstock"])
def test_status_tells_how_a_run_stands_and_goes_on(make: Make, capsys: pytest.CaptureFixture[str], named: str) -> None:
    make()
    assert run(["status", named]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "a.jsonl: stopped: Ctrl-C"
    assert [line.split() for line in lines[1:5]] == [
        ["answered", "1", "of", "3", "(33.3", "%)"],
        ["failed", "1"],
        ["timeout", "1"],
        ["not", "asked", "1"],
    ]
    assert lines[-1] == "  penstock run in.jsonl -o a.jsonl -m sim/fast --param seed=1"


def test_status_of_a_finished_run_offers_the_failed_ones(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    make(end="", total=2)
    assert run(["status", "a.jsonl"]) == 0
    assert capsys.readouterr().out.endswith("-m sim/fast --param seed=1 --retry-failed\n")


def test_status_as_json_has_the_same_facts(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    make(end=None)
    assert run(["status", "a.jsonl", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["answered"], told["failed"], told["remaining"]) == ("interrupted", 1, 1, 1)
    assert (told["errors"], told["sessions"], told["exit_code"]) == ({"timeout": 1}, 1, None)


def test_a_running_run_is_told_and_its_output_left_alone(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    make()
    with Journal(Path("a.jsonl.penstock")):
        assert run(["status", "a.jsonl"]) == 0
        assert capsys.readouterr().out.startswith("a.jsonl: running\n")
        assert run(["export", "a.jsonl"]) == 2
        assert "the run is writing to it; name another file with -o" in capsys.readouterr().err
        assert run(["export", "a.jsonl", "-o", "b.jsonl"]) == 0
    assert not Path("a.jsonl").exists()
    assert Path("b.jsonl").exists()


def test_the_resume_command_has_every_option_that_must_stay(make: Make) -> None:
    from penstock.batch.reader import open_run

    settings = {"models": ["a/b", "c/d"], "prompt": "Say {{ x }}", "system": "be", "params": {"stop": ["\n"], "n": "1"}}
    make("o p.jsonl", settings=settings, samples=3, id_column="key")
    with open_run("o p.jsonl") as opened:
        assert resume_command(opened.info) == (
            "penstock run in.jsonl -o 'o p.jsonl' -m a/b -m c/d --prompt 'Say {{ x }}' --id-column key --system be "
            """--samples 3 --param 'stop=["\\n"]' --param 'n="1"'"""
        )


def test_export_writes_answers_and_errors_again(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    out = make("deep/a.jsonl")
    assert run(["export", "deep/a.jsonl.penstock"]) == 0
    assert capsys.readouterr().out == "deep/a.jsonl\ndeep/a.jsonl.errors.jsonl\n"
    (line,) = out.read_text().splitlines()
    assert json.loads(line)["custom_id"] == "id-0"
    failure = json.loads(Path("deep/a.jsonl.errors.jsonl").read_text())
    assert failure["error"] == {"code": "timeout", "message": "silent"}


def test_export_to_a_table_has_the_rows_of_the_input(make: Make) -> None:
    make()
    assert run(["export", "a.jsonl", "-o", "b.csv"]) == 0
    with Path("b.csv").open(newline="") as file:
        rows = [(row["custom_id"], row["prompt"], row["answer"], row["error"]) for row in csv.DictReader(file)]
    assert rows == [("id-0", "p", "yes", ""), ("id-1", "q", "", "timeout: silent")]


def test_export_to_stdout_is_the_answers(make: Make, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    make()
    assert run(["export", "a.jsonl", "-o", "-"]) == 0
    (line,) = capfdbinary.readouterr().out.splitlines()
    assert json.loads(line)["response"]["body"] == json.loads(RAW)


@pytest.mark.parametrize(
    ("remembered", "output", "message"),
    [
        ({}, "b.txt", "b.txt: expected a name that ends in .jsonl, .csv or .parquet"),
        ({"samples": 2}, "b.csv", "b.csv: the run has 2 answers a row and a table one; name a .jsonl"),
        ({"input": "gone.csv"}, "b.csv", "gone.csv: can't be read: No such file or directory"),
        ({"input": "-"}, "b.csv", "b.csv: a table repeats the rows of its input, and stdin can be read only once"),
    ],
)
def test_an_export_that_cannot_be_says_why(
    make: Make, capsys: pytest.CaptureFixture[str], remembered: Any, output: str, message: str
) -> None:
    make(**remembered)
    assert run(["export", "a.jsonl", "-o", output]) == 2
    assert message in capsys.readouterr().err
    assert not Path(output).exists()


def test_report_writes_a_page_and_prints_where(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    make()
    assert run(["report", "a.jsonl"]) == 0
    assert run(["report", "a.jsonl.penstock", "-o", "r.html"]) == 0
    assert capsys.readouterr().out == "a.jsonl.report.html\nr.html\n"
    assert "33.3 % of 3" in Path("r.html").read_text()


@pytest.mark.parametrize("verb", ["status", "export", "report"])
def test_what_is_no_run_says_so(verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([verb, str(tmp_path / "a.jsonl")]) == 2
    assert capsys.readouterr().err == f"penstock: {tmp_path}/a.jsonl.penstock: no such journal\n"


def test_a_long_error_class_keeps_its_distance(make: Make, capsys: pytest.CaptureFixture[str]) -> None:
    make(end=None)
    with Journal(Path("a.jsonl.penstock")) as journal:
        failed = meta(error_code="too_big_for_limit", error_message="big", status="failed", attempts=1)
        write(journal, Record(2, "id-2", b"e", FAILED, 2, None, failed))
    assert run(["status", "a.jsonl"]) == 0
    assert "too_big_for_limit 1" in capsys.readouterr().out
