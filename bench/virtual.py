"""What takes hours or luck to meet in real time: tails, outages and quotas of every kind, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from bench.budget_sim import simulate as budget
from bench.figures import Figure
from bench.outage_sim import Fault
from bench.outage_sim import simulate as outage
from bench.outages import total_outage
from bench.quota_world import Kind, Told, Used, World, measured
from bench.real.chapter import Chapter
from bench.tail_sim import Arrivals, Weather
from bench.tail_sim import simulate as tail

__all__ = ["VIRTUAL"]

FAST_S = (0.1, 0.3, 1.0, 2.0, 5.0)
IN_FLIGHT = 100
SEEDS = 3


def _tails(*, is_quick: bool) -> Chapter:
    about = (
        "The same in virtual time, whatever the usual latency: 10,000 requests from cold, 100 in flight, 5 % of them "
        f"10 times slower, hedging auto; the worst of {SEEDS} seeds. Ratios are to the same requests without hedging."
    )
    chapter = Chapter("tail simulated", about)
    chapter.table = ["| usual latency, s | p50 | p99 | p99.9 | extra requests |", "|--:|--:|--:|--:|--:|"]
    worst, most = 0.0, 0.0
    for fast_s in FAST_S[::4] if is_quick else FAST_S:
        played = [tail(Weather(fast_s), Arrivals("closed", IN_FLIGHT), seed=seed) for seed in range(SEEDS)]
        ratios = [max(one.ratio(q) for one in played) for q in (0.5, 0.99, 0.999)]
        extra = max(one.extra for one in played)
        worst, most = max(worst, ratios[1]), max(most, extra)
        chapter.table.append(f"| {fast_s:g} | {' | '.join(f'{ratio:.2f}' for ratio in ratios)} | {extra:.1%} |")
    chapter.figures = [
        Figure("p99 with hedging auto / without, the worst of these", worst, None, 0.35),
        Figure("extra requests of hedging auto, the most of these", most, None, 0.06, form=".1%"),
    ]
    return chapter


def _outages(*, is_quick: bool) -> Chapter:
    about = (
        "Three targets are down for 60 s, all of them, in virtual time; 200 callers, who ask again when they "
        "fail. Peak: the most attempts that start within 0.1 s."
    )
    chapter = Chapter("outage", about)
    chapter.table = [
        "| the targets | attempts beyond one a caller | s to 90 % of the former rate | peak before, after |",
        "|---|--:|--:|--:|",
    ]
    faults: tuple[Fault, ...] = ("503", "refused", "hang")
    most, slowest = 0.0, 0.0
    for fault in faults[:1] if is_quick else faults:
        played = [outage(total_outage(fault), seed) for seed in range(1, SEEDS + 1)]
        extra, back_s = max(one.extra_share for one in played), max(one.return_s for one in played)
        peaks = f"{max(one.usual_peak for one in played)}, {max(one.peak for one in played)}"
        chapter.table.append(f"| {_DOWN[fault]} | {extra:.0%} | {back_s:.1f} | {peaks} |")
        most, slowest = max(most, extra), max(slowest, back_s)
    chapter.figures = [
        Figure("total outage of 60 s: attempts beyond one a caller", most, None, 0.25, form=".0%"),
        Figure("seconds to 90 % of the former rate after it", slowest, None, 10),
    ]
    return chapter


_DOWN: dict[Fault, str] = {"503": "answer 503", "refused": "refuse connections", "hang": "are silent"}


@dataclass(frozen=True)
class Case:
    """Worlds that share a requirement; the worst of them counts."""

    knows: str
    what: str
    worlds: tuple[World, ...]
    least: float | None = None
    most: float | None = None


_WHOLE: tuple[Kind, ...] = ("bucket", "small bucket", "fixed", "sliding")
_SECONDS: tuple[Kind, ...] = ("fixed 1 s", "sliding 1 s")
_TOLD: dict[Told, tuple[str, float, float, float]] = {
    # What is known; the share of whole minutes; refusals there; the share of sub-windows.
    "known": ("the limit", 0.99, 1, 0.98),
    "headers": ("what headers tell", 0.98, 2, 0.98),
    "unknown": ("nothing", 0.95, 10, 0.85),
}


def _cases(rpms: Sequence[int]) -> Iterator[Case]:
    for told, (knows, share, refusals, sub_share) in _TOLD.items():
        whole = tuple(World(kind=kind, told=told, rpm=rpm) for kind in _WHOLE for rpm in rpms)
        yield Case(knows, "minutes: buckets, fixed, sliding", whole, share, refusals)
        seconds = tuple(World(kind=kind, told=told, rpm=rpm) for kind in _SECONDS for rpm in rpms if rpm >= 600)
        yield Case(knows, "windows of 1 s", seconds, sub_share, 10)
    for told in ("headers", "unknown"):
        changed = tuple(
            World(kind=kind, told=told, rpm=600, minutes=10, change=change) for kind in _WHOLE for change in (0.5, 2.0)
        )
        yield Case(_TOLD[told][0], "minutes, halved or doubled half-way", changed)
    tokens = tuple(World(kind="bucket", told="known", rpm=600, tokens=how) for how in ("reserved", "used"))
    yield Case("the limit", "tokens, heavy-tailed outputs: buckets", tokens, 0.99, 1)
    windows = tuple(replace(world, kind=kind) for world in tokens for kind in ("fixed", "sliding"))
    yield Case("the limit", "tokens, heavy-tailed outputs: windows", windows, 0.95, 5)


def _quotas(*, is_quick: bool) -> Chapter:
    rpms = (600,) if is_quick else (60, 600, 3000)
    about = (
        "In virtual time against every kind of limiter, from the second minute on; the worst of "
        f"{', '.join(f'{rpm:,}' for rpm in rpms)} requests a minute."
    )
    chapter = Chapter("quota simulated", about)
    chapter.table = ["| knows | limited | quota used | refusals per 1,000 answers |", "|---|---|--:|--:|"]
    for case in _cases(rpms):
        played: list[Used] = [measured(world) for world in case.worlds]
        share, refusals = min(one.share for one in played), max(one.per_1000 for one in played)
        chapter.table.append(f"| {case.knows} | {case.what} | {share:.1%} | {refusals:.1f} |")
        if case.least is not None:
            name = f"knowing {case.knows}, {case.what}"
            chapter.figures.append(Figure(f"quota used, {name}", share, case.least, None, form=".1%"))
            chapter.figures.append(Figure(f"refusals per 1,000 answers, {name}", refusals, None, case.most))
        for world, one in zip(case.worlds, played, strict=True):
            chapter.stories.append(f"{world}: {one}")
    return chapter


def _budgets(*, is_quick: bool) -> Chapter:
    about = (
        "500 callers at once, four calls each, in virtual time: random prices, sizes, streams and hedges, every second "
        "world with providers that fail in four ways, every tenth caller gone before the answer. What was spent is "
        "what the providers' own ledgers say, answers that nobody waited for any more included."
    )
    chapter = Chapter("budget", about)
    chapter.table = [
        "| seed | budget | billed | counted | answered | refused |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    above = 0.0
    for seed in range(2, 4) if is_quick else range(1, 11):
        one = budget(seed)
        money = f"${one.budget_usd:.2f} | ${one.billed_usd:.2f} | ${one.booked_usd:.2f}"
        chapter.table.append(f"| {seed} | {money} | {one.answered} | {one.refused} |")
        above = max(above, one.above)
    chapter.figures = [Figure("US dollars above a budget, the most of these", above, None, 0.0)]
    return chapter


VIRTUAL: dict[str, Callable[..., Chapter]] = {
    "tail simulated": _tails,
    "quota simulated": _quotas,
    "outage": _outages,
    "budget": _budgets,
}
"""Parts that need no simulator of their own; each takes `is_quick`."""
