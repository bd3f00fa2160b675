"""SIGHUP and a real `penstock run` against a real simulator."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.crash.given import Sim, command, environment, lines, penstock, questions, simulator

OLD, NEW = "sk-test-the-old-key", "sk-test-the-new-key"
COUNT = 60
SLOW = {"ttft_s": 0.15}
RUN = ("-m", "openai/x", "--concurrency", "4", "--no-dedup")


def configure(folder: Path, key: str) -> None:
    (folder / "fresh.toml").write_text(f'[providers.openai]\napi_key = "{key}"\n')
    (folder / "fresh.toml").chmod(0o600)
    (folder / "fresh.toml").replace(folder / "penstock.toml")


@contextmanager
def running(sim: Sim, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A run whose first answers are there."""
    words = command(sim, "run", questions(folder / "in.jsonl", COUNT), "-o", folder / "out.jsonl", *RUN)
    process = subprocess.Popen(words, env=environment(), cwd=folder, stderr=subprocess.PIPE, text=True)
    try:
        wait_for_answers(sim, process)
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for_answers(sim: Sim, process: subprocess.Popen[str]) -> None:
    while not sim.ledger():
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError("the run ended before it asked anything")


def hang_up(process: subprocess.Popen[str]) -> str:
    """Send SIGHUP; what the run says to it."""
    process.send_signal(signal.SIGHUP)
    assert process.stderr is not None
    return next(line for line in process.stderr if line.startswith("SIGHUP:"))


def test_keys_are_read_again_on_sighup_and_nothing_is_lost(tmp_path: Path) -> None:
    configure(tmp_path, OLD)
    with simulator({"keys": [OLD, NEW], "models": {"*": SLOW}}) as sim, running(sim, tmp_path) as process:
        configure(tmp_path, NEW)
        assert hang_up(process) == "SIGHUP: keys of openai replaced\n"
        sim.set({"keys": [NEW], "models": {"*": SLOW}})  # the old one is revoked once nobody needs it
        assert process.wait(60) == 0
        rows = sim.ledger()
    assert len(lines(tmp_path / "out.jsonl")) == COUNT
    assert [row["status"] for row in rows] == [200] * COUNT
    assert [row["key"] for row in rows] == sorted((row["key"] for row in rows), reverse=True)  # old, then new
    assert {rows[0]["key"], rows[-1]["key"]} == {OLD, NEW}


def test_a_broken_configuration_keeps_the_keys_and_the_run_goes_on(tmp_path: Path) -> None:
    configure(tmp_path, OLD)
    with simulator({"keys": [OLD], "models": {"*": SLOW}}) as sim, running(sim, tmp_path) as process:
        (tmp_path / "penstock.toml").write_text("[providers.openai\n")
        assert "old keys stay in use: penstock.toml: not valid TOML" in hang_up(process)
        assert process.wait(60) == 0
        assert {row["key"] for row in sim.ledger()} == {OLD}


def test_a_key_file_needs_no_signal(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(OLD)
    configure(tmp_path, f"file:{tmp_path}/key")
    with simulator({"keys": [OLD], "models": {"*": SLOW}}) as sim, running(sim, tmp_path) as process:
        (tmp_path / "fresh").write_text(NEW)
        (tmp_path / "fresh").replace(tmp_path / "key")
        sim.set({"keys": [NEW], "models": {"*": SLOW}})
        assert process.wait(60) == 0
    assert len(lines(tmp_path / "out.jsonl")) == COUNT


OWN_TERMINAL = """\
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_terminal_that_is_closed_stops_the_run_which_can_be_resumed(tmp_path: Path) -> None:
    configure(tmp_path, OLD)
    with simulator({"models": {"*": SLOW}}) as sim:
        words = ("run", questions(tmp_path / "in.jsonl", COUNT), "-o", tmp_path / "out.jsonl", *RUN)
        here, there = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", OWN_TERMINAL, *command(sim, *words)],
            env=environment(),
            cwd=tmp_path,
            stdin=there,
            stdout=there,
            stderr=there,
            text=True,
        )
        os.close(there)
        wait_for_answers(sim, process)
        os.close(here)
        assert process.wait(60) == 3
        assert 0 < len(lines(tmp_path / "out.jsonl")) < COUNT
        assert penstock(sim, *words, cwd=tmp_path).returncode == 0
        assert len(sim.ledger()) == COUNT
