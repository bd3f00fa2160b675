"""What packing single embeddings saves: requests that a provider sees, and CPU a call, with a batcher and without."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import sys
import urllib.request
from statistics import median

from bench.figures import Figure
from bench.machine import measured
from bench.real.chapter import Chapter, Stage
from bench.samples import Failed
from bench.work import KEY

__all__ = ["batcher"]

CALLS, OVER_S, ROUNDS = 1000, 1.0, 5


def batcher(stage: Stage) -> Chapter:
    """The part of the bench. Raises `Failed`."""
    about = (
        f"{CALLS:,} single embeddings of a program, spread evenly over {OVER_S:g} s, against the simulator over a "
        "socket (100 ms to an answer): with `client.batcher()` as it is, and `client.embed` for each; the median of "
        "the rounds. CPU is the client's, user and system, a call."
    )
    chapter = Chapter("batcher", about)
    chapter.table = ["| asked by | requests | CPU a call, us | p50 of a call, ms |", "|---|--:|--:|--:|"]
    found = {}
    for how in ("client.embed", "client.batcher()"):
        taken = [_sample(stage, how) for _ in range(2 if stage.is_quick else ROUNDS)]
        requests, cpu_us, p50_ms = (median(one[place] for one in taken) for place in range(3))
        found[how] = requests, cpu_us
        chapter.table.append(f"| {how} | {requests:,.0f} | {cpu_us:,.0f} | {p50_ms:,.0f} |")
        stage.say(f"batcher: {how}, {requests:,.0f} requests, {cpu_us:,.0f} us")
    (alone, alone_us), (packed, packed_us) = found.values()
    chapter.figures = [
        Figure("requests for 1,000 embeddings in a second: batcher / each alone", packed / alone, None, 0.12),
        Figure("CPU a call: batcher / each alone", packed_us / alone_us, None, 0.5),
    ]
    return chapter


def _sample(stage: Stage, how: str) -> tuple[float, float, float]:
    before = _served(stage.root)
    command = [sys.executable, "-m", "bench.batcher", f"{stage.root}/openai/v1", how]
    cost = measured(command, core=stage.core, log=stage.log)
    if cost.status != 0:
        raise Failed(f"batcher, {how}: ended with {cost.status}; see {stage.log}")
    said = json.loads(cost.stdout.splitlines()[-1])
    return _served(stage.root) - before, said["cpu_s"] / CALLS * 1e6, said["p50_s"] * 1e3


def _served(root: str) -> int:
    with urllib.request.urlopen(f"{root}/sim/ledger") as reply:
        return len(json.load(reply)["requests"])


async def _ask(url: str, how: str) -> dict[str, float]:
    import penstock

    provider = {"wire": "openai", "base_url": url, "api_key": KEY}
    async with penstock.AsyncClient(
        "bench/text-embedding-3-small", config={"providers": {"bench": provider}}
    ) as client:
        await client.embed("warm")
        loop = asyncio.get_running_loop()
        took: list[float] = []

        async def one(number: int, embed: object) -> None:
            await asyncio.sleep(number * OVER_S / CALLS)
            began_s = loop.time()
            await embed(f"the {number}th text of a program that embeds one at a time")  # type: ignore[operator]
            took.append(loop.time() - began_s)

        gc.collect()
        cpu_s = _cpu_s()
        if how == "client.embed":
            await asyncio.gather(*(one(number, client.embed) for number in range(CALLS)))
        else:
            async with client.batcher() as calls:
                await asyncio.gather(*(one(number, calls.embed) for number in range(CALLS)))
        return {"cpu_s": _cpu_s() - cpu_s, "p50_s": median(took)}


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(_ask(sys.argv[1], sys.argv[2]))) + "\n")
