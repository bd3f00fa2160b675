"""One sample of a subject that is a library: `python -m bench.child SUBJECT ...` prints one JSON line.

CPU (user and system, every thread) and wall time are taken around the asking alone: imports and the reading of the
file are nobody's cost.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import resource
import sys
import time
from pathlib import Path

from bench.work import Work

__all__ = ["main"]


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("subject")
    parser.add_argument("--url", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--file", type=Path, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    given = parser.parse_args()
    work = Work(given.url, given.model, given.file, given.count, given.in_flight)
    module, _, variant = given.subject.partition(":")
    subject = importlib.import_module(f"bench.subjects.{module}")
    if variant:
        subject = subject.variant(variant)
    ready = subject.prepare(work)
    gc.collect()
    wall_s, cpu_s = time.perf_counter(), _cpu_s()
    answered = subject.ask(work, ready)
    wall_s, cpu_s = time.perf_counter() - wall_s, _cpu_s() - cpu_s
    # The peers print to stdout as they like; the last line is ours.
    sys.stdout.write(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "answered": answered}) + "\n")


if __name__ == "__main__":
    main()
