"""`python -m bench.quota`: the share of an enforced quota that is used, and refusals, in virtual time.

The real limiter before the simulator's enforced limits; the only things that are not real are the clock and the
network (15 ms one way, and an exponential of 3 ms). Demand never ends. Each row is many worlds: limits of every kind,
60, 600 and 6,000 requests a minute, latencies of 0.5, 2 and 10 s, several seeds; the share is their mean, with the
worst of them beside it, from the second minute on (and from the second one after a change). `--more` adds limits that
change half-way, other tenants and several keys; `--seeds`, `--only`.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product

from bench.quota_world import Kind, Told, Used, World, measured

__all__ = ["MORE", "ROWS", "Row", "Tally", "main", "quick", "worlds"]

MINUTE: tuple[Kind, ...] = ("bucket", "small bucket", "fixed", "sliding")
SECOND: tuple[Kind, ...] = ("fixed 1 s", "sliding 1 s")
UNKNOWN: tuple[Told, ...] = ("unknown", "unknown, seconds", "unknown, silent")


@dataclass(frozen=True)
class Row:
    """A line of the table: its worlds, and what it has to reach (None: nothing was promised)."""

    name: str
    base: World
    kinds: tuple[Kind, ...]
    tolds: tuple[Told, ...]
    share: float | None = None
    per_1000: float | None = None
    rpms: tuple[int, ...] = (60, 600, 6000)


@dataclass(frozen=True)
class Tally:
    """A row's worlds together."""

    row: Row
    share: float
    worst_share: float
    per_1000: float
    worst_per_1000: float
    first_minute: int
    worlds: int

    @property
    def is_kept(self) -> bool:
        row = self.row
        return (row.share is None or self.share >= row.share) and (row.per_1000 is None or self.per_1000 < row.per_1000)


def _base(**fields: object) -> World:
    return replace(World(kind="bucket", told="known", rpm=600), **fields)  # type: ignore[arg-type]


ROWS = (
    Row("requests, known", _base(), MINUTE, ("known",), 0.99, 1),
    Row("requests, told by headers", _base(), MINUTE, ("headers",), 0.98, 2),
    Row("requests, unknown", _base(), MINUTE, UNKNOWN, 0.95, 10),
    Row("sub-windows of 1 s, known", _base(), SECOND, ("known",), 0.98, 10),
    Row("sub-windows of 1 s, told by headers", _base(), SECOND, ("headers",), 0.98, 10),
    Row("sub-windows of 1 s, unknown", _base(), SECOND, UNKNOWN, 0.85, 10),
    Row("tokens, known: buckets", _base(tokens="used", minutes=8), ("bucket",), ("known",), 0.99, 1, (600, 6000)),
    Row(
        "tokens, known: windows",
        _base(tokens="used", minutes=8),
        ("fixed", "sliding"),
        ("known",),
        0.95,
        5,
        (600, 6000),
    ),
    Row("tokens charged up front: buckets", _base(tokens="reserved"), ("bucket",), ("known",), 0.99, 1),
    Row("tokens charged up front: windows", _base(tokens="reserved"), ("fixed", "sliding"), ("known",), 0.95, 5),
)

MORE = (
    Row(
        "windows of 60 requests' tokens", _base(tokens="used", minutes=8), ("fixed", "sliding"), ("known",), rpms=(60,)
    ),
    *(
        Row(f"limit x {change:g} half-way, {name}", _base(change=change, minutes=12), kinds, tolds, rpms=(60, 600))
        for change, (name, kinds, tolds) in product(
            (0.5, 2.0),
            (("headers", MINUTE, ("headers",)), ("unknown", MINUTE, UNKNOWN)),
        )
    ),
    Row("others take a quarter, known", _base(tenants=0.25, minutes=8), MINUTE, ("known",), rpms=(60, 600)),
    Row("others take a quarter, unknown", _base(tenants=0.25, minutes=8), MINUTE, UNKNOWN, rpms=(60, 600)),
    Row("three keys, known", _base(keys=3), MINUTE, ("known",), rpms=(60, 600)),
    Row("three keys, unknown", _base(keys=3), MINUTE, UNKNOWN, rpms=(60, 600)),
)


def worlds(row: Row, *, seeds: int, latencies: Sequence[float] = (0.5, 2.0, 10.0)) -> list[World]:
    """All worlds of a row. At 6,000 a minute one latency and seed say as much as nine at 60, and take as long."""
    found = []
    for kind, told, rpm, latency_s, seed in product(row.kinds, row.tolds, row.rpms, latencies, range(seeds)):
        if rpm >= 6000 and (latency_s != latencies[len(latencies) // 2] or seed > 0):
            continue
        minutes = min(row.base.minutes, 3) if rpm >= 6000 else row.base.minutes
        if rpm <= 60:
            # Few requests: the time that finds three times as many of them.
            minutes *= 2
        found.append(replace(row.base, kind=kind, told=told, rpm=rpm, latency_s=latency_s, seed=seed, minutes=minutes))
    return found


def tally(row: Row, results: Sequence[Used]) -> Tally:
    shares = [used.share for used in results]
    refusals = [used.per_1000 for used in results]
    return Tally(
        row,
        share=sum(shares) / len(shares),
        worst_share=min(shares),
        per_1000=sum(refusals) / len(refusals),
        worst_per_1000=max(refusals),
        first_minute=max(used.first_minute for used in results),
        worlds=len(results),
    )


def quick(rows: Iterable[Row] = ROWS) -> list[Tally]:
    """Each row at 600 requests a minute, one latency and seed, in this process; three minutes where that is enough."""
    tallies = []
    for row in rows:
        minutes = 3 if row.base.tokens == "none" else row.base.minutes
        short = replace(row, rpms=(600,), base=replace(row.base, minutes=minutes))
        tallies.append(tally(row, [measured(world) for world in worlds(short, seeds=1, latencies=(2.0,))]))
    return tallies


_HEAD = ("quota", "used", "worst", "at least", "refusals per 1,000", "worst", "under", "first minute", "worlds")


def _cells(one: Tally) -> tuple[str, ...]:
    row = one.row
    return (
        row.name,
        f"{one.share:.1%}",
        f"{one.worst_share:.1%}",
        "" if row.share is None else f"{row.share:.0%}",
        f"{one.per_1000:.1f}",
        f"{one.worst_per_1000:.1f}",
        "" if row.per_1000 is None else f"{row.per_1000:g}",
        f"{one.first_minute}",
        f"{one.worlds}" + ("" if one.is_kept else "  MISSED"),
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.quota", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--more", action="store_true")
    parser.add_argument("--only", default="", metavar="WORD", help="rows whose name contains it")
    given = parser.parse_args()
    rows = [row for row in ((*ROWS, *MORE) if given.more else ROWS) if given.only in row.name]
    began_s = time.monotonic()
    missed = 0
    print("| " + " | ".join(_HEAD) + " |")
    print("|---" * len(_HEAD) + "|")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = [(row, [pool.submit(measured, world) for world in worlds(row, seeds=given.seeds)]) for row in rows]
        for row, futures in runs:
            one = tally(row, [future.result() for future in futures])
            missed += not one.is_kept
            print("| " + " | ".join(_cells(one)) + " |", flush=True)
    print(f"\n{time.monotonic() - began_s:.0f} s; the limiter is real, time and the network are not")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
