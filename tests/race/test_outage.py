"""Who may ask while every target is down."""

from __future__ import annotations

import heapq
import random
from itertools import pairwise

from penstock.race.outage import ProbeTurns


def turns() -> ProbeTurns:
    return ProbeTurns(random.Random(3))


def play(waiting: list[bool], length_s: float) -> list[tuple[float, bool]]:
    """Callers (were they tried?) that ask when told; those that get a turn, and when. They leave with it."""
    asked, got = turns(), []
    queue = [(0.0, number, tried) for number, tried in enumerate(waiting)]
    while queue and queue[0][0] <= length_s:
        now_s, number, tried = heapq.heappop(queue)
        wait_s = asked.ask_s(now_s, tried=tried)
        if wait_s == 0.0:
            got.append((now_s, tried))
        else:
            heapq.heappush(queue, (now_s + wait_s, number, tried))
    return got


def test_the_first_turn_is_free() -> None:
    assert turns().ask_s(5.0, tried=True) == 0.0


def test_there_is_one_turn_a_second() -> None:
    got = play([True] * 50 + [False] * 50, 30.0)
    assert all(after[0] - before[0] >= 1.0 for before, after in pairwise(got))
    assert len(got) >= 29


def test_those_that_were_never_tried_come_first() -> None:
    got = play([True] * 200 + [False] * 10, 25.0)
    assert [tried for _, tried in got[1:11]] == [False] * 10
    assert [tried for _, tried in got[11:]] == [True] * len(got[11:])


def test_one_caller_that_waits_alone_gets_nearly_every_turn() -> None:
    asked, now_s, got = turns(), 0.0, 0
    while now_s < 20.0:
        wait_s = asked.ask_s(now_s, tried=True)
        got += wait_s == 0.0
        now_s += wait_s
    assert got >= 19


def test_ten_thousand_that_wait_wake_evenly() -> None:
    asked = turns()
    asked.ask_s(0.0, tried=False)
    for tried in (True, False):
        waits = [asked.ask_s(0.0, tried=tried) for _ in range(10_000)]
        tenths = [sum(n / 10 <= wait_s % 1.0 < (n + 1) / 10 for wait_s in waits) for n in range(10)]
        assert min(waits) >= 1.0
        assert max(waits) <= 2.25
        assert max(tenths) < 1_500


def test_a_wait_is_never_nothing() -> None:
    asked = turns()
    asked.ask_s(0.0, tried=True)
    assert all(asked.ask_s(0.999999, tried=True) >= 1e-3 for _ in range(100))


def test_turns_that_nobody_takes_do_not_pile_up() -> None:
    asked = turns()
    asked.ask_s(0.0, tried=True)
    assert asked.ask_s(100.0, tried=True) == 0.0
    assert asked.ask_s(100.0, tried=True) > 0.0
