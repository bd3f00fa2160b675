from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.crash.given import Sim, command, environment, lines, penstock, questions, simulator, text_of

FAULTS = [
    {"fault": "truncated_body", "probability": 0.03},
    {"fault": "invalid_json", "probability": 0.03},
    {"fault": "error_in_200", "probability": 0.03},
    {"fault": "empty_body", "probability": 0.03},
    {"fault": "html", "probability": 0.03, "status": 502},
    {"fault": "html", "probability": 0.03, "status": 200},
    {"fault": "reset", "probability": 0.03},
    {"fault": "reset_mid_body", "probability": 0.03},
    {"fault": "status", "probability": 0.03, "status": 500},
]


@pytest.fixture(scope="module")
def sim() -> Any:
    with simulator() as running:
        yield running


def test_bad_answers_are_asked_again_and_never_recorded(tmp_path: Path) -> None:
    source, out = questions(tmp_path / "in.jsonl", 150), tmp_path / "out.jsonl"
    with simulator({"models": {"faulty": {"faults": FAULTS}}}) as sim:
        done = penstock(sim, "run", source, "-o", out, "-m", "openai/faulty", "--concurrency", "150", "--quiet")
    assert done.returncode == 0, done.stderr
    answers = lines(out)
    assert len(answers) == 150
    assert all(text_of(line).endswith(f"number {n}") for n, line in enumerate(answers))
    assert sum(line["penstock"]["attempts"] for line in answers) > 165


def test_an_answer_of_200_mb_is_refused_and_asked_again(tmp_path: Path) -> None:
    source, out = questions(tmp_path / "in.jsonl", 4), tmp_path / "out.jsonl"
    faults = [{"fault": "oversized_body", "first_tries": 1, "megabytes": 200}]
    with simulator({"models": {"huge": {"faults": faults}}}) as sim:
        done = penstock(sim, "run", source, "-o", out, "-m", "openai/huge", "--quiet")
        assert [row["fault"] for row in sim.ledger()].count("oversized_body") == 4
    assert done.returncode == 0, done.stderr
    assert len(lines(out)) == 4


def test_a_refused_key_stops_the_run_with_one_line(tmp_path: Path) -> None:
    source, out = questions(tmp_path / "in.jsonl", 1000), tmp_path / "out.jsonl"
    with simulator({"keys": ["sk-test-the-right-one"]}) as sim:
        done = penstock(sim, "run", source, "-o", out, "-m", "openai/fast")
        assert len(sim.ledger()) <= 64
    assert done.returncode == 3
    assert "401" in done.stderr
    assert "sk-test-not-a-key" not in done.stderr + done.stdout
    assert not (tmp_path / "out.jsonl.errors.jsonl").exists()


def test_a_second_run_on_one_out_is_refused(tmp_path: Path) -> None:
    source, out = questions(tmp_path / "in.jsonl", 50), tmp_path / "out.jsonl"
    with simulator({"models": {"slow": {"ttft_s": 3.0}}}) as sim:
        words = ("run", source, "-o", out, "-m", "openai/slow", "--concurrency", "50", "--quiet")
        first = subprocess.Popen(command(sim, *words), env=environment())
        wait_for(tmp_path / "out.jsonl.penstock-lock")
        second = penstock(sim, *words)
        assert first.wait(30) == 0
    assert second.returncode == 2
    assert "another run" in second.stderr
    assert len(lines(out)) == 50


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "Ctrl-C"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_finishes_what_is_in_flight_and_the_run_resumes(tmp_path: Path, number: int, name: str) -> None:
    source, out = questions(tmp_path / "in.jsonl", 200), tmp_path / "out.jsonl"
    with simulator({"models": {"slow": {"ttft_s": 0.25}}}) as sim:
        words = ("run", source, "-o", out, "-m", "openai/slow", "--concurrency", "20")
        process = subprocess.Popen(command(sim, *words), env=environment(), stderr=subprocess.PIPE, text=True)
        wait_for_rows(sim, 1)
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
        assert process.returncode == 3
        assert name in said
        assert "penstock run" in said
        before = lines(out)
        assert len(before) >= 20
        assert penstock(sim, *words, "--quiet").returncode == 0
        assert len(sim.ledger()) == 200
    assert lines(out)[: len(before)] == before
    assert len(lines(out)) == 200


def test_a_full_disk_is_exit_4_and_what_was_committed_stays(tmp_path: Path) -> None:
    source, out = questions(tmp_path / "in.jsonl", 3000), tmp_path / "out.jsonl"

    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    with simulator() as sim:
        words = ("run", source, "-o", out, "-m", "openai/fast", "--concurrency", "8", "--quiet")
        done = subprocess.run(
            command(sim, *words), env=environment(), preexec_fn=small_disk, capture_output=True, text=True, check=False
        )
        assert done.returncode == 4, done.stderr
        assert "Traceback" not in done.stderr
        assert penstock(sim, *words).returncode == 0
        asked = [row["digest"] for row in sim.ledger()]
    assert len(lines(out)) == 3000
    assert len(asked) < 2 * 3000


def test_a_folder_that_cannot_be_written_is_exit_4(tmp_path: Path, sim: Sim) -> None:
    source = questions(tmp_path / "in.jsonl", 3)
    done = penstock(sim, "run", source, "-o", "/proc/nowhere/out.jsonl", "-m", "openai/fast")
    assert done.returncode == 4
    assert "/proc/nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def wait_for(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end, path
        os.sched_yield()


def wait_for_rows(sim: Sim, count: int) -> None:
    end = time.monotonic() + 20
    while len(sim.ledger()) < count:
        assert time.monotonic() < end
        os.sched_yield()


def test_the_command_is_there() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "run", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert json.dumps("resumes")[1:-1] in done.stdout
