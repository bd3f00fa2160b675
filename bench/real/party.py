"""Clients side by side: a process each, all on the client's core, one simulator on the other; and what it billed."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.machine import environ, pinned
from bench.real.task import Task
from bench.samples import LITELLM_PYTHON, Failed

__all__ = ["Client", "Found", "Guest", "quantile", "side_by_side"]

OWN_PYTHON = Path(sys.executable)
_ROWS_A_PAGE = 20_000


@dataclass(frozen=True)
class Client:
    """A file of `bench/real/clients`, and the Python that has what it needs."""

    name: str
    module: str
    needs: str
    python: Path = OWN_PYTHON


PENSTOCK = Client("penstock", "penstock_route", "penstock")
LITELLM = Client("LiteLLM Router", "litellm_router", "litellm", LITELLM_PYTHON)
OPENAI = Client("openai SDK", "openai_retries", "openai")
LM_DELUGE = Client("lm-deluge", "lm_deluge_client", "lm_deluge")


@dataclass(frozen=True)
class Guest:
    """A client and its task; `label` is its line in the table."""

    label: str
    client: Client
    task: Task


@dataclass(frozen=True)
class Found:
    """What one client got, and what the simulator saw of it."""

    guest: Guest
    whats: list[str]
    took_s: list[float]
    stories: list[str]
    cpu_s: float
    rows: list[dict[str, Any]]
    """Of the ledger, oldest first."""

    @property
    def asked(self) -> int:
        return len(self.whats)

    @property
    def in_time(self) -> int:
        """Questions answered correctly within the deadline."""
        deadline_s = self.guest.task.deadline_s
        return sum(what == "correct" and s <= deadline_s for what, s in zip(self.whats, self.took_s, strict=True))

    @property
    def share(self) -> float:
        return self.in_time / self.asked if self.asked else 0.0

    @property
    def extra(self) -> float:
        """Requests beyond one a question, for each question."""
        return len(self.rows) / self.asked - 1 if self.asked else 0.0

    @property
    def faults(self) -> Counter[str]:
        return Counter(row["fault"] for row in self.rows if row["fault"])

    def story(self) -> str:
        """How many ended how, and those that went wrong, for whoever has to find out why."""
        counts = ", ".join(f"{count} {what}" for what, count in Counter(self.whats).most_common())
        late = self.whats.count("correct") - self.in_time
        head = f"{self.guest.label}: {counts}, {late} of them late; {self.cpu_s:.1f} s of CPU"
        told = self.stories if self.guest.client is PENSTOCK else [one[:200] for one in self.stories[:3]]
        return "\n  ".join([head, *told])


def quantile(values: Sequence[float], q: float) -> float:
    """The least value that a share `q` of all doesn't exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(q * len(ordered)) - 1)] if ordered else math.nan


def side_by_side(guests: Sequence[Guest], *, core: set[int], folder: Path, limit_s: float) -> list[Found]:
    """All of them at once. Raises `Failed` when one isn't there, breaks down or takes longer than `limit_s`."""
    root = guests[0].task.root
    before = _served(root)
    with ExitStack() as stack:
        processes = [stack.enter_context(_process(guest, core=core, folder=folder)) for guest in guests]
        end_s = time.monotonic() + limit_s
        for guest, process in zip(guests, processes, strict=True):
            try:
                status = process.wait(timeout=max(0.1, end_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise Failed(f"{guest.label} took longer than {limit_s:.0f} s") from None
            if status != 0:
                said = _log(folder, guest).read_text(errors="replace").splitlines()[-5:]
                raise Failed(f"{guest.label} ended with {status}: " + "\n".join(said))
    rows = _ledger(root, before)
    return [
        Found(guest, rows=rows[guest.task.key], **json.loads(_file(folder, guest, "found").read_text()))
        for guest in guests
    ]


def _file(folder: Path, guest: Guest, what: str) -> Path:
    return folder / f"{guest.task.key}.{what}.json"


def _log(folder: Path, guest: Guest) -> Path:
    return folder / f"{guest.task.key}.log"


@contextmanager
def _process(guest: Guest, *, core: set[int], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    task, found = _file(folder, guest, "task"), _file(folder, guest, "found")
    guest.task.write(task)
    command = [guest.client.python, "-m", "bench.real.ask", guest.client.module, task, found]
    with _log(folder, guest).open("wb") as log:
        process = subprocess.Popen(pinned(command, core), stdout=log, stderr=log, env=environ())
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _get(root: str, path: str) -> Any:
    with urllib.request.urlopen(f"{root}{path}", timeout=60) as reply:
        return json.load(reply)


def _served(root: str) -> int:
    return int(_get(root, "/sim/ledger?limit=0")["served"])


def _ledger(root: str, since: int) -> dict[str, list[dict[str, Any]]]:
    """The rows from number `since` on, by key."""
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    while page := _get(root, f"/sim/ledger?since={since}&limit={_ROWS_A_PAGE}")["requests"]:
        since = page[-1]["seq"] + 1
        for row in page:
            rows[row["key"]].append(row)
    return rows
