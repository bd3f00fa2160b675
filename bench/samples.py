"""One measurement of one subject: requests per second and CPU per request."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bench.machine import ROOT, Cost, measured
from bench.work import KEY, Work

__all__ = [
    "COMMAND",
    "LITELLM_PYTHON",
    "RACE_SUBJECTS",
    "SUBJECTS",
    "Failed",
    "Sample",
    "Subject",
    "installed",
    "penstock_run",
    "sample",
]

COMMAND = Path(sys.executable).with_name("penstock")
LITELLM_PYTHON = ROOT / ".venv-bench-litellm" / "bin" / "python"


class Failed(Exception):
    """A sample that doesn't count: the process failed, or it didn't answer everything."""


@dataclass(frozen=True)
class Sample:
    per_s: float
    cpu_us: float
    peak_bytes: int
    wall_s: float


@dataclass(frozen=True)
class Subject:
    """What is measured. `module` is a file of `bench/subjects` (with a colon and one of its variants), None for the
    command; `share` of the usual number of requests, so that slow peers don't hold up the rest."""

    name: str
    module: str | None
    needs: str
    share: float = 1.0
    transport: str = "wreq"
    python: Path = Path(sys.executable)


SUBJECTS: dict[str, Subject] = {
    subject.name: subject
    for subject in (
        Subject("bare wreq", "bare_wreq", "wreq"),
        Subject("bare aiohttp", "bare_aiohttp", "aiohttp", share=0.5),
        Subject("adapter wreq", "adapter_wreq", "wreq"),
        Subject("adapter aiohttp", "adapter_aiohttp", "aiohttp", share=0.5),
        Subject("AsyncClient.map", "client_map", "penstock"),
        Subject("penstock run", None, "penstock"),
        Subject("penstock run, aiohttp", None, "aiohttp", share=0.5, transport="aiohttp"),
        Subject("openai SDK", "openai_sdk", "openai", share=0.025),
        Subject("LiteLLM", "litellm_sdk", "litellm", share=0.02, python=LITELLM_PYTHON),
        Subject("lm-deluge", "lm_deluge_client", "lm_deluge", share=0.1),
        Subject("fastllm-kit", "fastllm_kit", "fastllm", share=0.025),
    )
}


RACE_SUBJECTS: dict[str, Subject] = {
    f"{through}: {how}, {over}": Subject(
        f"{through}: {how}, {over}",
        f"racing:{through} {how} {over}",
        "penstock",
        share=0.5 if over == "memory" else 0.25,
    )
    for how in ("unary", "stream")
    for over in ("loopback", "memory")
    for through in ("endpoint", "race")
}
"""Pairs: a call straight to the endpoint, and the same through the race."""


class Needing(Protocol):
    """A Python and what must be importable there."""

    @property
    def python(self) -> Path: ...

    @property
    def needs(self) -> str: ...


def installed(subject: Needing, log: Path) -> bool:
    """Is what it measures there?"""
    if not subject.python.exists():
        return False
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({subject.needs!r}) is None)"
    return measured([subject.python, "-c", code], core={0}, log=log).status == 0


def sample(subject: Subject, work: Work, *, core: set[int], folder: Path) -> Sample:
    """Raises `Failed` when not everything was answered."""
    if subject.module is None:
        cost = penstock_run(work, core=core, folder=folder, transport=subject.transport)
        return Sample(work.count / cost.wall_s, cost.cpu_s / work.count * 1e6, cost.peak_bytes, cost.wall_s)
    arguments = ["--url", work.url, "--model", work.model, "--file", work.file]
    numbers = ["--count", work.count, "--in-flight", work.in_flight]
    command = [subject.python, "-m", "bench.child", subject.module, *map(str, [*arguments, *numbers])]
    cost = measured(command, core=core, log=folder / "bench.log")
    if cost.status != 0:
        raise Failed(f"{subject.name} ended with {cost.status}: {_last_words(folder)}")
    said = json.loads(cost.stdout.splitlines()[-1])
    if said["answered"] != work.count:
        raise Failed(f"{subject.name} answered {said['answered']} of {work.count}")
    return Sample(work.count / said["wall_s"], said["cpu_s"] / work.count * 1e6, cost.peak_bytes, said["wall_s"])


def _last_words(folder: Path) -> str:
    return "\n".join((folder / "bench.log").read_text(errors="replace").splitlines()[-5:])


def penstock_run(
    work: Work,
    *,
    core: set[int],
    folder: Path,
    transport: str = "wreq",
    keep: bool = False,
    limit: int | None = None,
    more: str = "",
) -> Cost:
    """The real command with journal and output, from the start of the process to its end.

    `more` is put behind the configuration.
    `keep`: go on with what is in `folder` instead of starting anew. Raises `Failed` unless it exits with 0 and the
    output has a line for every request.
    """
    output = folder / "out" / "answers.jsonl"
    if not keep:
        shutil.rmtree(output.parent, ignore_errors=True)
    output.parent.mkdir(exist_ok=True)
    config = folder / "penstock.toml"
    config.write_text(
        f'[providers.bench]\nwire = "openai"\nbase_url = "{work.url}"\napi_key = "{KEY}"\ntransport = "{transport}"\n'
        f"pool = {{ max_connections = {work.in_flight} }}\n{more}"
    )
    command = [COMMAND, "run", work.file, "-o", output, "-m", f"bench/{work.model}", "--config", config, "--quiet"]
    command += ["--concurrency", str(work.in_flight)]
    command += ["--limit", str(limit)] if limit is not None else []
    cost = measured(command, core=core, log=folder / "bench.log")
    if cost.status != 0:
        raise Failed(f"penstock run ended with {cost.status}: {_last_words(folder)}")
    with output.open("rb") as lines:
        written = sum(1 for _ in lines)
    if written != (limit or work.count):
        raise Failed(f"penstock run wrote {written} answers of {limit or work.count}")
    return cost
