"""A simulator as a process of its own, for tests that speak over sockets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen

__all__ = ["KEY", "ledger", "running_simulator"]

KEY = "sk-test-not-a-key"
START = "import sys; from penstock.cli.main import run; sys.exit(run(['sim', *sys.argv[1:]]))"


@contextmanager
def running_simulator(*options: str) -> Iterator[str]:
    """The URL of a running simulator."""
    process = subprocess.Popen(
        [sys.executable, "-c", START, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.kill()
        process.communicate()


def ledger(url: str) -> list[dict]:
    """Every request that the simulator served."""
    with urlopen(f"{url}/sim/ledger") as reply:
        return json.load(reply)["requests"]
