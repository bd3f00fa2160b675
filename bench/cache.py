"""What the cache costs and saves, and that equal calls at the same time are one request."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

from bench.machine import measured
from bench.samples import SUBJECTS, Failed, Sample, penstock_run, sample
from bench.work import KEY, Work

__all__ = ["BARE", "EQUAL", "HITS", "MISSES", "OFF", "equal_calls", "one_round"]

BARE = "cache: bare wreq"
OFF = "cache: penstock run without one"
MISSES = "cache: penstock run, all misses"
HITS = "cache: penstock run, all from it"
EQUAL = 1000

_ASK = """
import asyncio, sys
import penstock

async def main():
    provider = {"wire": "openai", "base_url": sys.argv[1], "api_key": sys.argv[2]}
    async with penstock.AsyncClient("bench/half", config={"providers": {"bench": provider}}, cache="memory") as client:
        answers = await asyncio.gather(*(client.generate("How big is the moon?") for _ in range(int(sys.argv[3]))))
        assert len({answer.text for answer in answers}) == 1

asyncio.run(main())
"""


def one_round(work: Work, *, core: set[int], folder: Path, take: Callable[[str, Sample], None]) -> None:
    """Each of the four once, in one order. Raises `Failed`."""
    store = folder / "cached" / "answers.sqlite"
    for part in store.parent.glob("*"):
        part.unlink()
    table = f'[cache]\nstore = "sqlite:{store}"\n'
    take(BARE, sample(SUBJECTS["bare wreq"], work, core=core, folder=folder))
    for label, more in ((OFF, ""), (MISSES, table), (HITS, table)):
        cost = penstock_run(work, core=core, folder=folder, more=more)
        take(label, Sample(work.count / cost.wall_s, cost.cpu_s / work.count * 1e6, cost.peak_bytes, cost.wall_s))


def equal_calls(root: str, *, core: set[int], log: Path) -> int:
    """How many requests a simulator sees when a thousand calls of one client ask the same at once."""
    before = _served(root)
    command = [sys.executable, "-c", _ASK, f"{root}/openai/v1", KEY, str(EQUAL)]
    if measured(command, core=core, log=log).status != 0:
        raise Failed(f"the equal calls failed: see {log}")
    return _served(root) - before


def _served(root: str) -> int:
    with urllib.request.urlopen(f"{root}/sim/ledger") as reply:
        return len(json.load(reply)["requests"])
