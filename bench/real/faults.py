"""`faults`: the share of questions that are answered correctly within 30 s while providers fail, and what it costs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from bench.figures import Figure
from bench.real.chapter import Chapter, Stage
from bench.real.party import LITELLM, OPENAI, PENSTOCK, Client, Found, Guest, quantile, side_by_side
from bench.real.task import Task
from bench.samples import installed

__all__ = ["faults"]

COUNT, PEERS_COUNT, QUICK_COUNT, QUICK_PEERS_COUNT = 10_000, 600, 300, 100
PEERS_IN_FLIGHT = 50
DEADLINE_S = 30.0
LIMIT_S = 240.0


@dataclass(frozen=True)
class Row:
    key: str
    what: str
    targets: tuple[str, ...]
    in_flight: int
    least: float | None
    is_burst: bool = False
    """As many questions as there are in flight, and no more after them, of penstock alone."""


ROWS = (
    Row("one", "the first fails 30 %, the second is healthy", ("failing-1", "healthy"), 300, 1.0),
    Row("two", "two fail 30 % each, the third is healthy", ("failing-1", "failing-2", "healthy"), 300, 1.0),
    Row("hang", "all three hang 30 %, typically 2 s", ("hanging-1", "hanging-2", "hanging-3"), 500, 0.9999),
    Row(
        "burst",
        "the same, 300 questions and no more",
        ("hanging-1", "hanging-2", "hanging-3"),
        300,
        None,
        is_burst=True,
    ),
)

# A timeout that leaves room for every attempt within the deadline and is three times what is usual: what somebody
# who knows these providers would choose. penstock is told the deadline and nothing else.
PEERS: tuple[tuple[Client, dict[str, Any]], ...] = (
    (LITELLM, {"router": {"num_retries": 1, "timeout": 6}}),
    (OPENAI, {"max_retries": 4, "timeout": 6}),
)

ABOUT = (
    "30 % of a failing provider's requests meet a 500 or 503, a proxy's page, a reset, silence (at once or in the "
    "middle), a body that is cut, empty or no JSON, or an error under a 200; the usual answer takes 1 s. An answer "
    "counts when it is the right one, whole, within 30 s. LiteLLM Router: fallbacks in the same order, a retry each, "
    "6 s a try; openai SDK: 4 retries, 6 s a try, one provider. Extra: requests beyond one a question."
)


def faults(stage: Stage) -> Chapter:
    chapter = Chapter("faults", ABOUT)
    chapter.table = [
        "| providers | client | questions | answered correctly in 30 s | wrong | p50, s | p99, s | extra |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    peers = [(client, settings) for client, settings in PEERS if installed(client, stage.log)]
    for row in ROWS:
        for found in side_by_side(_guests(stage, row, peers), core=stage.core, folder=stage.folder, limit_s=LIMIT_S):
            chapter.table.append(_line(row, found))
            chapter.stories.append(f"{row.what}: {found.story()}\n  faults met: {dict(found.faults)}")
            if found.guest.client is PENSTOCK:
                what = f"answered correctly within 30 s: {row.what}"
                chapter.figures.append(Figure(what, found.share, row.least, None, form=".2%"))
            stage.say(f"faults, {row.what}, {found.guest.label}: {found.share:.2%}, {found.extra:+.1%} requests")
    return chapter


def _guests(stage: Stage, row: Row, peers: list[tuple[Client, dict[str, Any]]]) -> list[Guest]:
    def guest(client: Client, count: int, in_flight: int, settings: dict[str, Any]) -> Guest:
        key = f"sk-test-{row.key}-{client.module}"
        task = Task(client.name, stage.root, key, row.targets, count, in_flight, DEADLINE_S, settings=settings)
        return Guest(client.name, client, task)

    count, peers_count = (QUICK_COUNT, QUICK_PEERS_COUNT) if stage.is_quick else (COUNT, PEERS_COUNT)
    own = guest(PENSTOCK, row.in_flight if row.is_burst else count, min(row.in_flight, count), {})
    peers = [] if row.is_burst else peers
    return [own, *(guest(client, peers_count, PEERS_IN_FLIGHT, settings) for client, settings in peers)]


def _line(row: Row, found: Found) -> str:
    times = [s if what == "correct" else math.inf for what, s in zip(found.whats, found.took_s, strict=True)]
    p50, p99 = (_seconds(quantile(times, q)) for q in (0.5, 0.99))
    return (
        f"| {row.what} | {found.guest.label} | {found.asked:,} | {found.share:.2%} | {found.whats.count('wrong'):,} "
        f"| {p50} | {p99} | {found.extra:.0%} |"
    )


def _seconds(value: float) -> str:
    return "never" if math.isinf(value) else f"{value:.1f}"
