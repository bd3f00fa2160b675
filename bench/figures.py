"""What must be reached, and whether it was: ratios of medians, taken in one run on one machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from bench.cache import BARE, HITS, MISSES, OFF
from bench.samples import Sample

__all__ = ["REQUIRED", "Figure", "Required", "figures", "subjects_table", "verdicts_table"]

Samples = Mapping[str, Sequence[Sample]]


@dataclass(frozen=True)
class Required:
    """`measure` of `first` over that of `second`, in each round; the median over the rounds counts."""

    what: str
    measure: Literal["cpu_us", "per_s"]
    first: str
    second: str
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Figure:
    what: str
    measured: float
    least: float | None
    most: float | None
    form: str = ".2f"

    @property
    def is_reached(self) -> bool:
        return (self.least is None or self.measured >= self.least) and (self.most is None or self.measured <= self.most)

    @property
    def required(self) -> str:
        """Nothing is required of a figure that only explains another."""
        if self.least is not None:
            return f">= {self._shown(self.least)}"
        return f"<= {self._shown(self.most)}" if self.most is not None else ""

    def _shown(self, bound: float) -> str:
        return format(bound, self.form if self.form.endswith("%") else "g")


RUN, RUN_AIOHTTP = "penstock run", "penstock run, aiohttp"
REQUIRED: tuple[Required, ...] = (
    Required("CPU a request: penstock run / its adapter alone", "cpu_us", RUN, "adapter wreq", most=1.8),
    Required("CPU a request: penstock run / plain wreq", "cpu_us", RUN, "bare wreq"),
    Required(
        "CPU a request over aiohttp: penstock run / its adapter alone",
        "cpu_us",
        RUN_AIOHTTP,
        "adapter aiohttp",
        most=1.45,
    ),
    Required("CPU a request over aiohttp: penstock run / plain aiohttp", "cpu_us", RUN_AIOHTTP, "bare aiohttp"),
    Required("throughput: penstock run / openai SDK", "per_s", RUN, "openai SDK", least=20),
    Required("throughput: penstock run / LiteLLM", "per_s", RUN, "LiteLLM", least=28),
    Required("throughput: penstock run / lm-deluge", "per_s", RUN, "lm-deluge", least=4),
    Required("throughput over aiohttp: penstock run / openai SDK", "per_s", RUN_AIOHTTP, "openai SDK", least=13),
    Required("throughput over aiohttp: penstock run / LiteLLM", "per_s", RUN_AIOHTTP, "LiteLLM", least=19),
    Required("throughput over aiohttp: penstock run / lm-deluge", "per_s", RUN_AIOHTTP, "lm-deluge", least=2.6),
    Required(
        "5,000 in flight, 500 ms: penstock run / bare wreq, completed a second",
        "per_s",
        "penstock run, 5,000 in flight",
        "bare wreq, 5,000 in flight",
        least=0.85,
    ),
    Required("a second: penstock run, all from the cache / bare wreq", "per_s", HITS, BARE, least=2),
    Required("CPU a request: penstock run, cache on and all misses / off", "cpu_us", MISSES, OFF, most=1.2),
    *(
        Required(
            f"CPU a call, {how}, {where}: through the race / straight to the endpoint",
            "cpu_us",
            f"race: {how}, {over}",
            f"endpoint: {how}, {over}",
            most=most,
        )
        for over, where, most in (("loopback", "over a socket", 1.15), ("memory", "without a transport", None))
        for how in ("unary", "stream")
    ),
)


def figures(samples: Samples) -> list[Figure]:
    """Those of `REQUIRED` whose two sides were measured."""
    return [
        Figure(one.what, median(ratios), one.least, one.most)
        for one in REQUIRED
        if one.first in samples and one.second in samples
        if (
            ratios := [
                getattr(first, one.measure) / getattr(second, one.measure)
                for first, second in zip(samples[one.first], samples[one.second], strict=False)
            ]
        )
    ]


def subjects_table(samples: Samples) -> list[str]:
    lines = ["| subject | requests/s | CPU a request, us | peak memory, MB | samples |", "|---|--:|--:|--:|--:|"]
    for name, taken in samples.items():
        per_s, cpu_us, peak = (
            median(getattr(one, field) for one in taken) for field in ("per_s", "cpu_us", "peak_bytes")
        )
        lines.append(f"| {name} | {per_s:,.0f} | {cpu_us:,.0f} | {peak / 1e6:,.0f} | {len(taken)} |")
    return lines


def verdicts_table(found: Sequence[Figure]) -> list[str]:
    lines = ["| figure | required | measured | |", "|---|--:|--:|---|"]
    lines += [f"| {one.what} | {one.required} | {one.measured:{one.form}} | {_verdict(one)} |" for one in found]
    return lines


def _verdict(figure: Figure) -> str:
    if not figure.required:
        return ""
    return "yes" if figure.is_reached else "NO"
