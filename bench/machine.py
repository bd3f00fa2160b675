"""Cores, processes and what they cost: the simulator on one core, the measured client on another."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Cost", "cores", "environ", "measured", "pinned", "simulator"]

ROOT = Path(__file__).parent.parent
START_S = 30.0


@dataclass(frozen=True)
class Cost:
    """What a whole process took. `peak_bytes` is its largest resident size."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    stdout: str
    status: int


def cores() -> tuple[set[int], set[int]]:
    """The client's and the simulator's: the first two cores that we may use, or the only one for both."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    return {allowed[0]}, {allowed[-1] if len(allowed) < 2 else allowed[1]}


def pinned(command: Sequence[object], core: set[int]) -> list[str]:
    """The command, tied to `core` before it starts: threads that it starts later stay there too."""
    if not hasattr(os, "sched_setaffinity"):
        return [str(part) for part in command]
    code = "import os, sys; os.sched_setaffinity(0, eval(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
    return [sys.executable, "-S", "-c", code, repr(core), *map(str, command)]


def environ() -> dict[str, str]:
    """Python as it is for a user: compiled files are kept, nothing is traced or developed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return {**inherited, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "NO_PROXY": "127.0.0.1"}


def measured(command: Sequence[object], *, core: set[int], log: Path) -> Cost:
    """Run `command` from the repository on `core` to its end; what it says on stderr goes to `log`."""
    with log.open("ab") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(
            pinned(command, core), stdout=subprocess.PIPE, stderr=stderr, cwd=ROOT, env=environ()
        )
        assert process.stdout is not None
        with process.stdout:
            stdout = process.stdout.read().decode()
        _, status, used = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    unit = 1 if sys.platform == "darwin" else 1024
    return Cost(wall_s, used.ru_utime + used.ru_stime, used.ru_maxrss * unit, stdout, process.returncode)


@contextmanager
def simulator(core: set[int], scenario: Path, log: Path) -> Iterator[str]:
    """`penstock sim` on `core`, always with the same seed; gives its address."""
    command = [Path(sys.executable).with_name("penstock"), "sim", "--port", "0", "--seed", "1", "--scenario", scenario]
    with log.open("ab") as stderr:
        process = subprocess.Popen(pinned(command, core), stdout=subprocess.PIPE, stderr=stderr, env=environ())
    assert process.stdout is not None
    try:
        ready, _, _ = select.select([process.stdout], [], [], START_S)
        line = process.stdout.readline() if ready else b""
        if not line:
            raise SystemExit(f"the simulator did not start; see {log}")
        yield json.loads(line)["url"].rstrip("/")
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()
