"""`penstock sim` as a process: the ready line, a question, the end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

START = "import sys; from penstock.cli.main import run; sys.exit(run(['sim', *sys.argv[1:]]))"


@contextmanager
def started(*options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A running simulator on a free port, and its URL."""
    process = subprocess.Popen(
        [sys.executable, "-c", START, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True
        yield process, ready["url"]
    finally:
        process.kill()
        process.communicate()


def refused(*options: str) -> str:
    """What it says on stderr when it doesn't start."""
    done = subprocess.run([sys.executable, "-c", START, *options], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    with started() as (process, url):
        body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hello"}]}).encode()
        with urllib.request.urlopen(f"{url}/openai/v1/chat/completions", body) as reply:
            answer = json.load(reply)
        with urllib.request.urlopen(f"{url}/sim/ledger") as reply:
            rows = json.load(reply)["requests"]
        process.send_signal(number)
        _, complaints = process.communicate(timeout=20)
    assert [row["id"] for row in rows] == [answer["id"]]
    assert (process.returncode, complaints) == (0, "")


def test_a_scenario_file_is_played(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("[models.mine]\nttft_s = 1\n", encoding="utf-8")
    with started("--scenario", str(file)) as (_, url), urllib.request.urlopen(f"{url}/sim/scenario") as reply:
        assert json.load(reply)["models"] == ["mine"]


def test_a_mistake_in_the_scenario_is_named_before_it_listens(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("[models.mine]\nttf_s = 1\n", encoding="utf-8")
    assert "ttft_s" in refused("--scenario", str(file))


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        told = refused("--port", str(port := taken.getsockname()[1]))
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use; --port 0 picks a free one" in told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--scenario", "nope"), "penstock: --scenario: cannot read nope: No such file or directory\n"),
        (("--scenario", "."), "penstock: --scenario: cannot read .: Is a directory\n"),
        (("--host", "no-such-host.invalid"), "cannot listen on no-such-host.invalid:0: "),
    ],
)
def test_what_cannot_be_opened_is_told_without_the_systems_numbers(options: tuple[str, ...], told: str) -> None:
    said = refused("--port", "0", *options)
    assert told in said
    assert "Errno" not in said
