"""Promises of `penstock run` and of the commands beside it that were once broken."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.crash.given import command, environment, lines, penstock, questions, simulator, text_of

from penstock.batch.journal import Journal

FAST = ("-m", "sim/fast")


def run(source: Path, out: Path, *more: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = penstock(None, "run", source, "-o", out, *FAST, *more)
    assert done.returncode == code, done.stderr
    return done


@pytest.mark.parametrize("verb", ["status", "export", "report"])
def test_a_run_is_found_by_a_journal_of_any_name(tmp_path: Path, verb: str) -> None:
    run(questions(tmp_path / "in.jsonl", 2), tmp_path / "out.jsonl", "--journal", tmp_path / "j.db")
    told = penstock(None, verb, tmp_path / "j.db")
    assert told.returncode == 0, told.stderr
    assert "out.jsonl" in told.stdout


def test_a_journal_that_was_set_aside_can_be_looked_at(tmp_path: Path) -> None:
    source, out = questions(tmp_path / "in.jsonl", 2), tmp_path / "out.jsonl"
    run(source, out)
    run(source, out, "--fresh")
    assert "2 of 2" in penstock(None, "status", tmp_path / "out.jsonl.penstock.bak").stdout


def test_an_out_of_something_else_is_not_overwritten_through_a_journal_elsewhere(tmp_path: Path) -> None:
    source = questions(tmp_path / "in.jsonl", 2)
    run(source, tmp_path / "out.jsonl", "--journal", tmp_path / "j.db")
    (tmp_path / "mine.jsonl").write_text("mine\n")
    run(source, tmp_path / "mine.jsonl", "--journal", tmp_path / "j.db", code=2)
    assert (tmp_path / "mine.jsonl").read_text() == "mine\n"


def test_a_reader_that_leaves_is_output_that_cannot_be_written(tmp_path: Path) -> None:
    words = command(None, "run", questions(tmp_path / "in.jsonl", 3000), "-o", "-", *FAST)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(60) == 4


def test_another_prompt_with_keep_answered_asks_what_is_left(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("id,text\n1,one\n2,two\n")
    run(source, out, "--id-column", "id", "--prompt", "Say {{ text }}", "--limit", "1")
    run(source, out, "--id-column", "id", "--prompt", "Tell {{ text }}", code=2)
    run(source, out, "--id-column", "id", "--prompt", "Tell {{ text }}", "--keep-answered")
    assert [text_of(line)[-8:] for line in lines(out)] == [" Say one", "Tell two"]
    run(source, out, "--id-column", "id", "--prompt", "Tell {{ text }}")


def test_a_changed_row_is_refused_also_when_the_prompt_changed(tmp_path: Path) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("id,text\n1,one\n")
    run(source, out, "--id-column", "id", "--prompt", "Say {{ text }}")
    source.write_text("id,text\n1,another\n")
    done = run(source, out, "--id-column", "id", "--prompt", "Tell {{ text }}", "--keep-answered", code=2)
    assert "'1'" in done.stderr


def test_fewer_samples_keep_the_others_for_later(tmp_path: Path) -> None:
    with simulator() as sim:
        source, out = questions(tmp_path / "in.jsonl", 2), tmp_path / "out.jsonl"
        for samples in ("3", "1", "3", "2", "3"):
            done = penstock(sim, "run", source, "-o", out, "-m", "openai/x", "--samples", samples)
            assert done.returncode == 0, done.stderr
        assert len(lines(out)) == 6
        assert len(sim.ledger()) == 6


def test_what_was_asked_before_a_bad_line_of_a_pipe_is_answered(tmp_path: Path) -> None:
    with simulator({"models": {"*": {"ttft_s": 0.5}}}) as sim:
        piped = (questions(tmp_path / "in.jsonl", 3)).read_text() + "{bad\n"
        done = penstock(sim, "run", "-", "-o", tmp_path / "out.jsonl", "-m", "openai/x", stdin=piped)
        assert done.returncode == 2
        assert len(lines(tmp_path / "out.jsonl")) == 3


def test_the_summary_of_a_resumed_pipe_counts_what_was_answered_before(tmp_path: Path) -> None:
    piped = (questions(tmp_path / "in.jsonl", 3)).read_text()
    for resumed in (0, 3):
        words = ("run", "-", "-o", tmp_path / "out.jsonl", *FAST, "--json", "--quiet")
        assert json.loads(penstock(None, *words, stdin=piped).stdout)["resumed"] == resumed


def test_giving_up_names_the_target_and_what_is_wrong_with_it(tmp_path: Path) -> None:
    source = questions(tmp_path / "in.jsonl", 2)
    words = ("-m", "openai/x", "--base-url", "http://127.0.0.1:9/v1", "--give-up-after", "1s")
    done = penstock(None, "run", source, "-o", tmp_path / "out.jsonl", *words)
    assert done.returncode == 3
    assert "openai/x: transport" in done.stderr


def test_a_second_run_on_the_same_out_is_refused_whatever_its_journal(tmp_path: Path) -> None:
    source, out = questions(tmp_path / "in.jsonl", 1), tmp_path / "out.jsonl"
    with Journal(tmp_path / "out.jsonl.penstock"):
        done = run(source, out, "--journal", tmp_path / "other.db", code=2)
    assert "another run" in done.stderr
    run(source, out, "--journal", f"{tmp_path}/../{tmp_path.name}/out.jsonl.penstock")


def test_equal_rows_that_fail_count_the_one_request_that_was_sent(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("".join(f'{{"custom_id":"{n}","prompt":"poison"}}\n' for n in range(3)))
    with simulator({"models": {"*": {"ttft_s": 0.1, "faults": [{"fault": "status", "status": 400}]}}}) as sim:
        words = ("run", tmp_path / "in.jsonl", "-o", tmp_path / "out.jsonl", "-m", "openai/x", "--json", "--quiet")
        told = json.loads(penstock(sim, *words).stdout)
        assert (told["failed"], told["attempts"]) == (3, len(sim.ledger()))


def test_a_stop_while_the_pipe_is_silent_ends_cleanly(tmp_path: Path) -> None:
    words = command(None, "run", "-", "-o", tmp_path / "out.jsonl", *FAST, "--max-elapsed", "0.5s")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(b'{"custom_id":"a","prompt":"hello"}\n')
        process.stdin.flush()
        assert process.wait(60) == 3
        assert b"Fatal" not in process.stderr.read()
    assert len(lines(tmp_path / "out.jsonl")) == 1


def test_the_summary_of_a_resumed_pipe_says_what_was_there_before(tmp_path: Path) -> None:
    piped = questions(tmp_path / "in.jsonl", 5).read_text()
    words = ("run", "-", "-o", tmp_path / "out.jsonl", *FAST)
    assert penstock(None, *words, stdin="".join(piped.splitlines(keepends=True)[:3])).returncode == 0
    assert "3 done by earlier runs" in penstock(None, *words, stdin="".join(piped.splitlines(keepends=True)[3:])).stderr


@pytest.mark.parametrize(("first", "then", "asked"), [(3, 1, 6), (1, 3, 6), (3, 2, 6), (2, 3, 6)])
def test_a_pipe_uses_the_samples_that_are_there(tmp_path: Path, first: int, then: int, asked: int) -> None:
    piped = questions(tmp_path / "in.jsonl", 2).read_text()
    with simulator() as sim:
        words = ("run", "-", "-o", tmp_path / "out.jsonl", "-m", "openai/x", "--samples")
        for samples in (first, then, first):
            done = penstock(sim, *words, str(samples), stdin=piped)
            assert done.returncode == 0, done.stderr
            assert len(lines(tmp_path / "out.jsonl")) == 2 * samples
        assert len(sim.ledger()) == asked


def test_a_kill_while_the_samples_change_renames_nothing_twice(tmp_path: Path) -> None:
    piped = questions(tmp_path / "in.jsonl", 2).read_text()
    with simulator() as sim:
        words = ("run", "-", "-o", tmp_path / "out.jsonl", "-m", "openai/x")
        assert penstock(sim, *words, stdin=piped).returncode == 0
        with Journal(tmp_path / "out.jsonl.penstock") as journal:
            journal.resample(before=1, now=2)  # and killed before anything else
        assert penstock(sim, *words, "--samples", "2", stdin=piped).returncode == 0
        assert len(sim.ledger()) == 4
