"""Whole answers that are read as streams: which of them are joined by another attempt before the deadline."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Iterator

import pytest
from tests.race.given import a_call, an_answer, an_error, build

from penstock.call import Attempt, Call, Completion, Finished, Started, TextDelta
from penstock.errors import DeadlineExceeded
from penstock.race import RaceSettings, RaceStats
from penstock.race.latency import LatencyBook
from penstock.race.triggers import Hedges, Triggers, Try
from penstock.testing import Chunks, Delayed, ScriptedTarget, run

DEADLINE_S = 30.0
FIRST_S = 0.4
A_TOKEN_S = 0.25


def writing(total_s: float, gap_s: float = A_TOKEN_S) -> Chunks:
    """A stream that takes so long: the longer, the more it says."""
    tokens = max(1, round((total_s - FIRST_S) / gap_s))
    pieces = [piece for _ in range(tokens) for piece in (TextDelta("x"), gap_s)]
    return Chunks([Started(), FIRST_S, *pieces, Finished("stop")])


def played(targets: list[ScriptedTarget], calls: int, *, at_once: int) -> tuple[RaceStats, int]:
    """So many calls of which `at_once` run at a time, and how many of them had no answer in time."""
    stats, late = RaceStats(), 0

    async def main() -> None:
        settings = RaceSettings(deadline_after_s=DEADLINE_S, stream_inside="auto")
        handler = build(*targets, settings=settings, stats=stats)
        numbers: Iterator[int] = iter(range(calls))

        async def caller() -> None:
            nonlocal late
            for number in numbers:
                try:
                    assert isinstance(await handler(a_call(id=str(number))), Completion)
                except DeadlineExceeded:
                    late += 1

        await asyncio.gather(*(caller() for _ in range(at_once)))

    run(main)
    return stats, late


def lognormal(median_s: float, sigma: float, seed: int) -> Callable[[Call], Chunks]:
    rng = random.Random(seed)
    return lambda _: writing(rng.lognormvariate(math.log(median_s), sigma))


@pytest.mark.parametrize(("median_s", "sigma"), [(2.0, 0.8), (5.0, 0.6), (7.0, 0.5), (10.0, 0.5), (12.0, 0.4)])
@pytest.mark.parametrize("names", ["a", "ab"])
def test_ordinary_long_answers_are_not_asked_for_twice(median_s: float, sigma: float, names: str) -> None:
    targets = [ScriptedTarget(f"{name}/x", lognormal(median_s, sigma, place)) for place, name in enumerate(names)]
    calls = 1000
    stats, _ = played(targets, calls, at_once=20)
    assert stats.reserves <= 0.01 * calls


def test_a_target_that_writes_ten_times_slower_than_usual_is_joined_in_time() -> None:
    pace = [1.0]
    rng = random.Random(1)
    slowing = ScriptedTarget("a/x", lambda _: writing(rng.lognormvariate(1, 0.3) * pace[0] + 12 * pace[0] - 12))
    other = ScriptedTarget("b/x", lognormal(3.0, 0.3, 2))
    assert played([other], 50, at_once=10)[1] == 0
    assert played([slowing, other], 200, at_once=10)[1] == 0
    pace[0] = 10.0
    stats, late = played([slowing, other], 20, at_once=5)
    assert (late, stats.answered, stats.reserves) == (0, 20, 20)


def triggers(*books: LatencyBook) -> Triggers:
    return Triggers(RaceSettings(), [book.of(3) for book in books], Hedges())


def known(*totals_s: float) -> LatencyBook:
    book = LatencyBook()
    for total_s in totals_s:
        book.of(3).total.observe(total_s, 0.0)
    return book


def a_run(place: int, started_s: float, *tokens_s: float) -> Try:
    made = Try(Attempt(id="1", target=f"t{place}/x"), place, started_s, streams=True)
    for token_s in tokens_s:
        made.token(token_s)
    return made


def test_a_stream_is_late_when_others_that_grew_so_old_were_not_in_time() -> None:
    looks = triggers(known(*[2.0] * 190, *[60.0] * 10), known(*[2.0] * 100))
    streaming = a_run(0, 0.0, 0.5, 1.0, 1.5)
    assert looks.late_at_s([streaming], 1, 30.0, 2.0) == pytest.approx(30 - 2 * 1.05, abs=0.3)
    assert looks.late_at_s([streaming], 1, 30.0, 27.9) < 27.9


def test_a_stream_that_may_well_be_in_time_is_left_alone() -> None:
    looks = triggers(known(*[2.0] * 190, *[29.0] * 9, 60.0), known(*[5.0] * 100))
    assert looks.late_at_s([a_run(0, 0.0, 0.5, 1.0, 1.5)], 1, 33.0, 20.0) < math.inf
    assert looks.late_at_s([a_run(0, 0.0, 0.5, 1.0, 1.5)], 1, 33.0, 27.6) == math.inf


def test_a_silent_attempt_does_not_make_an_older_one_late_that_writes() -> None:
    looks = triggers(known(*[20.0] * 200), LatencyBook())
    writes, silent = a_run(0, 0.0, 0.5, 1.0), a_run(1, 2.0)
    assert looks.late_at_s([silent], 1, 30.0, 16.0) == 16.0
    assert looks.late_at_s([writes, silent], 1, 30.0, 16.0) == math.inf


def test_while_no_times_are_known_only_a_crawling_stream_is_late() -> None:
    looks = triggers(LatencyBook(), LatencyBook())
    assert looks.late_at_s([a_run(0, 0.0, 0.5, 3.8)], 1, 10.0, 5.0) == 5.0
    assert looks.late_at_s([a_run(0, 0.0, 0.5, 1.5, 2.5, 3.5, 4.5)], 1, 10.0, 5.0) == math.inf


def test_an_attempt_at_the_last_moment_that_fails_gives_its_turn_to_who_hasn_t_failed() -> None:
    hangs = ScriptedTarget("a/x", [Delayed(10_000, None)])
    refuses = ScriptedTarget("b/x", [an_error("transport")])

    async def main() -> Completion:
        reply = await build(hangs, refuses, ScriptedTarget("c/x", [an_answer()]))(a_call(deadline_s=5.0))
        assert isinstance(reply, Completion)
        return reply

    assert [attempt.reason for attempt in run(main).attempts] == ["first", "late", "late"]


def test_where_all_others_have_failed_too_the_last_moment_comes_once() -> None:
    hangs = ScriptedTarget("a/x", [Delayed(10_000, None)])
    refuses = ScriptedTarget("b/x", [an_error("transport")])

    async def main() -> int:
        with pytest.raises(DeadlineExceeded) as caught:
            await build(hangs, refuses)(a_call(deadline_s=5.0))
        return len(caught.value.attempts)

    assert run(main) == 2
