"""2,000 random schedules of the whole engine, in shards that run beside each other, and what makes them trustworthy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fuzz.__main__ import replay_command, try_seeds
from tests.fuzz.play import play
from tests.fuzz.worlds import draw_world

ROOT = Path(__file__).parents[2]
SHARDS, SCHEDULES = 20, 2000
EACH = SCHEDULES // SHARDS


@pytest.mark.parametrize("shard", range(SHARDS))
def test_invariants_hold_in_random_schedules(shard: int) -> None:
    _, wrong = try_seeds(range(shard * EACH, (shard + 1) * EACH))
    told = [f"{replay_command(seed)}\n    " + "\n    ".join(found[:5]) for seed, found in wrong.items()]
    assert not wrong, f"{len(wrong)} schedules failed:\n  " + "\n  ".join(told[:10])


def test_a_seed_is_one_schedule() -> None:
    for seed in range(40):
        assert play(draw_world(seed)).log == play(draw_world(seed)).log, f"seed {seed}"


def test_a_seed_is_the_same_schedule_in_another_process() -> None:
    program = (
        "from tests.fuzz.play import play; from tests.fuzz.worlds import draw_world; "
        "print(*(play(draw_world(seed)).digest() for seed in range(40)))"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={
                **os.environ,
                "PYTHONHASHSEED": number,
                "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)]),
            },
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for number in ("1", "2")
    }
    assert len(digests) == 1


def test_schedules_are_of_every_kind() -> None:
    ends, _ = try_seeds(range(60))
    assert {"answered", "unanswered", "cancelled", "timeout", "left"} <= set(ends)
