"""The part of the bench: error rates on the three sets of the data, and what a guard costs a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from statistics import median
from time import process_time

from bench.figures import Figure
from bench.guards.rates import (
    HALVES,
    Rate,
    blind_injection_rate,
    blind_rate,
    injection_rate,
    interval,
    rate,
    whole_rate,
)
from bench.real.chapter import Chapter
from penstock.call import Call, Choice, Completion, Reply
from penstock.guards import KINDS, Redaction, Screening
from penstock.guards.injection import injection_score
from penstock.guards.kinds import find
from penstock.guards.masking import Masking
from penstock.guards.redacting import Redact
from penstock.guards.screening import Screen

__all__ = ["guards"]

THRESHOLD = 0.5
_PROSE = (
    "The committee met on Tuesday to discuss the budget for the coming year. Members asked whether the bridge over the "
    "river could be repaired before winter; the engineer said that it could, if the steel arrived in September. "
)
_BUSY = (
    'log: user=17 GET https://api.example.com/v2/items?id=123456&page=4 200 (0.123 s) from 10.1.2.3, agent "X/5.0" '
    "mail anna@example.com, tel +49 170 1234567, order 2024-11-03-000172, 4111 1111 1111 1112, token=abc. "
)


def _kilobyte(text: str) -> str:
    return (text * (1024 // len(text) + 1))[:1024]


def _us(work: Callable[[], object], *, rounds: int) -> float:
    """CPU microseconds of one call, the median of rounds."""
    times = []
    for _ in range(rounds):
        began_s = process_time()
        for _ in range(200):
            work()
        times.append((process_time() - began_s) / 200)
    return median(times) * 1e6


def _masked_stream(text: str) -> str:
    masking = Masking(KINDS)
    return "".join(masking.feed(text[start : start + 4]) for start in range(0, len(text), 4)) + masking.end()


def _call_us(layer: Callable[..., Callable[[Call], object]] | None, text: str, *, rounds: int) -> float:
    """CPU microseconds of a call through the layer over nothing."""
    reply = Completion(choices=(Choice({"role": "assistant", "content": "ok"}, "stop"),))

    async def nothing(call: Call) -> Reply:  # noqa: ARG001 - a handler's form
        return reply

    handler = nothing if layer is None else layer(nothing)
    call = Call(id="1", model="m", body={"messages": [{"role": "user", "content": text}]})

    async def once() -> float:
        began_s = process_time()
        for _ in range(500):
            await handler(call)  # type: ignore[misc]
        return (process_time() - began_s) / 500 * 1e6

    return median(asyncio.run(once()) for _ in range(rounds))


FIRST = {
    "private_key": (1, 0),
    "jwt": (0, 0),
    "api_key": (22, 0),
    "aws_key": (5, 1),
    "password": (20, 0),
    "iban": (2, 0),
    "card": (7, 0),
    "email": (3, 8),
    "ssn": (3, 0),
    "ip": (0, 5),
    "phone": (12, 0),
    "all values": (75, 14),
    "injection": (87, 7),
}
"""Texts of the blind set that were missed, and false alarms, when it was measured for the first time (2026-11-22)."""


def _share(count: int, of: int) -> str:
    low, high = interval(count, of)
    return f"{count} of {of}: {count / of:.0%} ({low:.0%} to {high:.0%})"


def _blind_table(chapter: Chapter) -> list[str]:
    """The table of the blind set; its figures go to the chapter."""
    table = [
        "| kind | missed, first | missed, now | false alarms, first | false alarms, now |",
        "|---|--:|--:|--:|--:|",
    ]
    found: dict[str, Rate] = {kind: blind_rate(kind) for kind in KINDS}
    values = list(found.values())
    sums = Rate(
        positives=sum(one.positives for one in values),
        missed=sum(one.missed for one in values),
        negatives=sum(one.negatives for one in values),
        alarms=sum(one.alarms for one in values),
    )
    found["all values"] = sums
    found["injection"] = blind_injection_rate(THRESHOLD)
    for kind, one in found.items():
        missed, alarms = FIRST[kind]
        shares = (
            _share(missed, one.positives),
            _share(one.missed, one.positives),
            _share(alarms, one.negatives),
            _share(one.alarms, one.negatives),
        )
        table.append(f"| {' | '.join((kind, *shares))} |")
    one = found["injection"]
    ratios = {
        "injections missed, blind set": (one.missed, one.positives, 0.25),
        "injections, false alarms, blind set": (one.alarms, one.negatives, 0.05),
    }
    for name, (count, of, most) in ratios.items():
        chapter.figures.append(Figure(name, count / of, None, most, form=".1%"))
    return table


def _made_with_table() -> list[str]:
    """The table of the sets that the detectors may be made with."""
    table = ["| kind | set | missed | false alarms |", "|---|---|--:|--:|"]
    for kind in (*KINDS, "injection"):
        for half in HALVES:
            found = rate(kind, half) if kind != "injection" else injection_rate(half, THRESHOLD)
            table.append(f"| {kind} | {half} | {found.miss_rate:.1%} | {found.false_rate:.1%} |")
        found = blind_rate(kind, "varied") if kind != "injection" else blind_injection_rate(THRESHOLD, "varied")
        table.append(f"| {kind} | varied | {found.miss_rate:.1%} | {found.false_rate:.1%} |")
    return table


def guards(*, is_quick: bool) -> Chapter:
    """The part of the bench."""
    rounds = 3 if is_quick else 11
    about = (
        "The blind set: 390 texts with a value, 374 that only look like it, 139 injections and 147 harmless texts, "
        "each written for itself, with 95 % intervals. It was committed before anything was measured "
        "on it; `first` is that measurement, `now` the detectors as they are, mended since by the other sets alone. "
        f"An injection is a score of {THRESHOLD} or more. Below it, the sets the detectors were made with: 400 and 400 "
        "texts of each kind, injections each alone and inside three others; in the varied set each text as it is."
    )
    chapter = Chapter("guards", about)
    chapter.table = [*_blind_table(chapter), "", *_made_with_table()]
    alarms = sum(whole_rate(half)[1] for half in HALVES)
    chapter.figures.append(Figure("plain texts in which something was found", alarms, None, 0, form="g"))
    chapter.figures += _costs(rounds)
    return chapter


def _costs(rounds: int) -> list[Figure]:
    prose, busy = _kilobyte(_PROSE), _kilobyte(_BUSY)
    off = _call_us(None, prose, rounds=rounds)
    redact, screen = Redact(Redaction(KINDS)), Screen(Screening())
    return [
        Figure("redaction of 1 KB of prose, us", _us(lambda: find(prose, KINDS), rounds=rounds), None, 200, form=".0f"),
        Figure(
            "redaction of 1 KB full of numbers, us",
            _us(lambda: find(busy, KINDS), rounds=rounds),
            None,
            600,
            form=".0f",
        ),
        Figure(
            "injection score of 1 KB of prose, us",
            _us(lambda: injection_score(prose), rounds=rounds),
            None,
            200,
            form=".0f",
        ),
        Figure(
            "masking 1 KB of a stream in 4-character pieces, us",
            _us(lambda: _masked_stream(prose), rounds=max(1, rounds // 3)),
            None,
            25_000,
            form=".0f",
        ),
        Figure(
            "a call through redaction, 1 KB, us over none",
            _call_us(redact, prose, rounds=rounds) - off,
            None,
            150,
            form=".0f",
        ),
        Figure(
            "a call through screening, 1 KB, us over none",
            _call_us(screen, prose, rounds=rounds) - off,
            None,
            300,
            form=".0f",
        ),
    ]
