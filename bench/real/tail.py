"""`tail`: what hedging makes of the slowest answers, from cold, and what it costs."""

from __future__ import annotations

from typing import Any

from bench.figures import Figure
from bench.real.chapter import Chapter, Stage
from bench.real.party import PENSTOCK, Found, Guest, quantile, side_by_side
from bench.real.task import Task

__all__ = ["tail"]

COUNT, QUICK_COUNT = 20_000, 1_500
P99_OF = 10_000
IN_FLIGHT = 100
LIMIT_S = 120.0
TARGETS = ("slow-1", "slow-2")

# Without streaming inside nothing is ever late: that is what the tail looks like when nobody cuts it. With it, an
# attempt that is silent for long isn't the only one, also when hedging is off.
WAYS: dict[str, dict[str, Any]] = {
    "off": {"hedge": "off", "stream_inside": "off"},
    "auto": {"hedge": "auto"},
}

ABOUT = (
    "5 % of the requests of both providers take 10 times as long as the usual 100 ms. Every line starts anew, knowing "
    "nothing of the latencies; `off` doesn't stream inside either, so that no silence is noticed. p99 is that of the "
    "first 10,000 questions, p99.9 that of all 20,000."
)


def tail(stage: Stage) -> Chapter:
    chapter = Chapter("tail", ABOUT)
    chapter.table = ["| hedge | p50, ms | p99, ms | p99.9, ms | extra requests |", "|---|--:|--:|--:|--:|"]
    p99 = {}
    extra = {}
    for hedge, settings in WAYS.items():
        guest = _guest(stage, hedge, settings)
        (found,) = side_by_side([guest], core=stage.core, folder=stage.folder, limit_s=LIMIT_S)
        first = found.took_s[:P99_OF]
        p50, p99[hedge], p999 = quantile(first, 0.5), quantile(first, 0.99), quantile(found.took_s, 0.999)
        extra[hedge] = found.extra
        line = f"| {hedge} | {p50 * 1e3:.0f} | {p99[hedge] * 1e3:.0f} | {p999 * 1e3:.0f} | {found.extra:.1%} |"
        chapter.table.append(line)
        chapter.stories.append(_story(found))
        stage.say(f"tail, {line}")
    chapter.figures = [
        Figure(
            "p99 with hedging auto / off, 5 % of requests 10 times slower",
            p99["auto"] / p99["off"],
            None,
            0.35,
        ),
        Figure("extra requests of hedging auto there", extra["auto"], None, 0.06, form=".1%"),
    ]
    return chapter


def _guest(stage: Stage, hedge: str, settings: dict[str, Any]) -> Guest:
    key = f"sk-test-tail-{hedge}"
    count = QUICK_COUNT if stage.is_quick else COUNT
    task = Task("tail", stage.root, key, TARGETS, count, IN_FLIGHT, settings={"route": settings})
    return Guest(f"hedge {hedge}", PENSTOCK, task)


def _story(found: Found) -> str:
    """How the extra requests are spread over the run, in tenths: hedging that starts late is seen here."""
    size = max(1, found.asked // 10)
    tenths = [found.took_s[start : start + size] for start in range(0, found.asked, size)]
    spread = ", ".join(f"{quantile(part, 0.99) * 1e3:.0f}" for part in tenths)
    return f"{found.story()}\n  p99 of each tenth, ms: {spread}"
