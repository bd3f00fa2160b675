"""The command, called in the process and as a process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NamedTuple

__all__ = ["KEY", "Ended", "penstock"]

KEY = "sk-test-not-a-key"


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


def penstock(*args: str, stdin: str | None = None, cwd: object = None, **environ: str) -> Ended:
    """`penstock ARGS` as a process, with no key and no configuration but what is given."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "COVERAGE_PROCESS_START") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "from penstock.cli.main import main; main()", *args],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=cwd,  # type: ignore[arg-type]
        env={**kept, "HOME": str(cwd), **environ},
    )
    return Ended(done.returncode, done.stdout, done.stderr)
