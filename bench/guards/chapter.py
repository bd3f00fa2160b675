"""The part of the bench: error rates on both halves of the data, and what a guard costs a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from statistics import median
from time import process_time

from bench.figures import Figure
from bench.guards.rates import HALVES, injection_rate, rate, whole_rate
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


def guards(*, is_quick: bool) -> Chapter:
    """The part of the bench."""
    rounds = 3 if is_quick else 11
    about = (
        f"400 texts with a value of each kind and 400 that only look like it, a half; an injection is a score of "
        f"{THRESHOLD} or more, each text alone and inside three others. The held-out half was written and committed "
        "before there was a detector, and its texts were not read again while the detectors were made on the other. "
        "Cards, IP addresses and phones were mended after the first look at its figures, which docs/guards.md keeps."
    )
    chapter = Chapter("guards", about)
    chapter.table = ["| kind | half | missed | false alarms |", "|---|---|--:|--:|"]
    for kind in KINDS:
        for half in HALVES:
            found = rate(kind, half)
            chapter.table.append(f"| {kind} | {half} | {found.miss_rate:.1%} | {found.false_rate:.1%} |")
    for half in HALVES:
        found = injection_rate(half, THRESHOLD)
        chapter.table.append(f"| injection | {half} | {found.miss_rate:.1%} | {found.false_rate:.1%} |")
        if half == "held out":
            chapter.figures.append(Figure("injections missed, held out", found.miss_rate, None, 0.25, form=".1%"))
            chapter.figures.append(
                Figure("injection, false alarms, held out", found.false_rate, None, 0.05, form=".1%")
            )
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
