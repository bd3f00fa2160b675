"""Random schedules against the whole engine: `python -m tests.fuzz --seed 123 -n 1 --verbose`."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.fuzz import play as playing
from tests.fuzz.judge import complaints
from tests.fuzz.play import play
from tests.fuzz.worlds import draw_world

__all__ = ["main", "replay_command", "try_seeds"]

_BATCH = 50


def replay_command(seed: int) -> str:
    """What replays one schedule exactly, with everything that happens in it."""
    return f"make fuzz SEED={seed} N=1 ARGS=--verbose"


def try_seeds(seeds: range) -> tuple[Counter[str], dict[int, list[str]]]:
    """Play and judge: how the calls ended, and the complaints about each seed that has any."""
    ends: Counter[str] = Counter()
    wrong: dict[int, list[str]] = {}
    for seed in seeds:
        story = play(draw_world(seed))
        ends.update(end.how for end in story.ends.values())
        ends["requests"] += len(story.sent)
        found = complaints(story)
        if found:
            wrong[seed] = found
    return ends, wrong


def main(arguments: list[str] | None = None) -> int:
    """0 when nothing is wrong with any schedule, else 1."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=None, help="of the first schedule; by default another one each time"
    )
    parser.add_argument("-n", type=int, default=2000, help="how many schedules; their seeds follow each other")
    parser.add_argument("--jobs", type=int, default=None, help="processes; by default one a core")
    parser.add_argument("--verbose", action="store_true", help="tell each world and all that happens in it")
    chosen = parser.parse_args(arguments)
    first = int(time.time()) % 1_000_000 * 1000 if chosen.seed is None else chosen.seed
    seeds = range(first, first + chosen.n)
    if chosen.verbose or chosen.n == 1:
        playing.verbose = chosen.verbose
        return max(map(_tell, seeds), default=0)
    return _try_many(seeds, chosen.jobs)


def _try_many(seeds: range, jobs: int | None) -> int:
    print(f"{len(seeds)} schedules from seed {seeds.start} on", flush=True)
    began_s = time.perf_counter()
    batches = [seeds[start : start + _BATCH] for start in range(0, len(seeds), _BATCH)]
    ends: Counter[str] = Counter()
    failed = 0
    with ProcessPoolExecutor(jobs) as pool:
        for some, wrong in pool.map(try_seeds, batches):
            ends += some
            failed += len(wrong)
            for seed, found in wrong.items():
                print(f"\nseed {seed}: {replay_command(seed)}")
                print(*(f"  {complaint}" for complaint in found[:10]), sep="\n", flush=True)
    told = ", ".join(f"{count} {how}" for how, count in ends.most_common())
    print(f"\n{failed} of {len(seeds)} schedules failed in {time.perf_counter() - began_s:.0f} s; {told}")
    return int(failed > 0)


def _tell(seed: int) -> int:
    world = draw_world(seed)
    story = play(world)
    found = complaints(story)
    if playing.verbose:
        for host in world.hosts.values():
            print(host)
        for route in world.routes.values():
            print(route)
        for caller in world.callers:
            print(caller)
        print(*story.log, sep="\n")
    print(f"seed {seed}, digest {story.digest()}: {'; '.join(found) or 'nothing is wrong'}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
