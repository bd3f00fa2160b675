from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

from tests.crash.given import command, environment, lines, penstock, questions, simulator, text_of

KILLS = 50
COUNT = 8000


def test_fifty_kills_lose_nothing_and_pay_nothing_twice(tmp_path: Path) -> None:
    """Killed at random moments, resumed to the end: each id once, and no committed answer was asked for again."""
    rng = random.Random(20261121)
    source, out = questions(tmp_path / "in.jsonl", COUNT), tmp_path / "out.jsonl"
    words = ("run", source, "-o", out, "-m", "openai/slow", "--concurrency", "32", "--quiet")
    slow = {"models": {"slow": {"ttft_s": {"kind": "uniform", "low": 0.05, "high": 0.35}}}}
    with simulator(slow) as sim:
        hits = 0
        committed: dict[str, str] = {}
        served: dict[str, int] = {}  # by answer: how long the ledger was when it was first seen committed
        while hits < KILLS:
            process = subprocess.Popen(command(sim, *words), env=environment(), stderr=subprocess.DEVNULL)
            try:
                process.wait(0.45 + rng.random() * 0.8)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                process.wait()
                hits += 1
                committed = still_there(tmp_path, committed)
                length = len(sim.ledger())
                for answer in committed.values():
                    served.setdefault(answer, length)
            else:
                break
        assert hits == KILLS, f"the run ended after {hits} kills: it is too short to be hit by all"
        assert penstock(sim, *words, "--concurrency", "500").returncode == 0
        answers = lines(out)
        ledger = sim.ledger()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert [line["custom_id"] for line in answers] == [f"id-{n}" for n in range(COUNT)]
    assert all(text_of(line).endswith(f"number {n}") for n, line in enumerate(answers))
    assert {line["custom_id"]: line["response"]["body"]["id"] for line in answers}.items() >= committed.items()
    asked_at: dict[str, list[int]] = {}
    for place, row in enumerate(ledger):
        asked_at.setdefault(row["digest"], []).append(place)
    digest_of = {row["id"]: row["digest"] for row in ledger}
    assert len(served) > 500
    for answer, length in served.items():
        assert max(asked_at[digest_of[answer]]) < length, f"{answer} was committed and asked again"


def still_there(folder: Path, committed: dict[str, str]) -> dict[str, str]:
    """The committed answers by their id; none that was there before may be gone or be another one."""
    import json

    from penstock.batch.reader import open_run
    from penstock.errors import JournalError

    try:
        with open_run(folder / "out.jsonl") as run:
            now = {item.custom_id: json.loads(item.raw or b"{}")["id"] for item in run.items()}
    except JournalError:
        assert not committed  # killed before there was a journal
        return {}
    assert now.items() >= committed.items()
    return now
