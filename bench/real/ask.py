"""One client at its task: `python -m bench.real.ask CLIENT TASK.json FOUND.json`."""

from __future__ import annotations

import importlib
import json
import resource
import sys
from pathlib import Path

import uvloop

from bench.real.task import Tally, Task

__all__ = ["main"]


def main() -> None:
    name, task_file, found_file = sys.argv[1:]
    task = Task.read(Path(task_file))
    client = importlib.import_module(f"bench.real.clients.{name}")
    tally = Tally(task)
    uvloop.run(client.run(task, task.questions(), tally.tell))
    used = resource.getrusage(resource.RUSAGE_SELF)
    Path(found_file).write_text(json.dumps({**tally.found(), "cpu_s": used.ru_utime + used.ru_stime}))


if __name__ == "__main__":
    main()
