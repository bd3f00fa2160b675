"""The pure half of the limits: buckets, needs, the ledger, the finders."""

from __future__ import annotations

import math
import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.call import Call
from penstock.policies.limit.buckets import Bucket, Ledger, Limits, Need, need_of
from penstock.policies.limit.concurrency import ConcurrencyFinder
from penstock.policies.limit.rate import RateFinder

amounts = st.lists(st.tuples(st.floats(0, 5), st.integers(1, 1000)), min_size=1, max_size=50)


@given(amounts)
def test_a_bucket_never_lets_more_through_than_its_rate_and_one_request(steps: list[tuple[float, int]]) -> None:
    bucket, now_s, taken = Bucket(6000, 60.0), 0.0, 0
    first = None
    for pause_s, amount in steps:
        now_s += pause_s
        now_s += bucket.wait_s(now_s, amount)
        bucket.take(now_s, amount)
        first = amount if first is None else first
        taken += amount
        # What an idle bucket saves up is one request; late wake-ups may catch up with 0.05 s.
        assert taken <= first + bucket.rate_per_s * (now_s + 0.05) + 1e-6


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_what_is_refunded_can_be_taken_again(spent: int, unused: int) -> None:
    bucket = Bucket(6000, 60.0)
    bucket.take(0.0, 1)
    bucket.take(100.0, spent + unused)
    full_s = bucket.wait_s(100.0, 2000)
    bucket.refund(unused, 100.0)
    assert bucket.wait_s(100.0, 2000) == pytest.approx(full_s - unused / bucket.rate_per_s)


def test_a_retuned_bucket_keeps_what_it_owes() -> None:
    bucket = Bucket(60, 60.0)
    bucket.take(0.0, 1)
    bucket.take(0.0, 1)
    assert bucket.wait_s(0.0, 1) == pytest.approx(2 / 0.995, abs=0.1)
    bucket.retune(600, 60.0, 0.0)
    assert bucket.wait_s(0.0, 1) == pytest.approx(0.2 / 0.995, abs=0.05)


@pytest.mark.parametrize(
    ("call", "limits", "mean", "need"),
    [
        (
            {"estimate": 150, "body": {"max_tokens": 100}},
            Limits(charges_max_tokens=True),
            None,
            Need(50, 100, is_charge=True),
        ),
        ({"estimate": 150, "body": {"max_tokens": 100}}, Limits(), 20.0, Need(50, 20)),
        ({"estimate": 150, "body": {"max_completion_tokens": 10}}, Limits(), 20.0, Need(140, 10)),
        ({"estimate": 150}, Limits(), None, Need(150, 256)),
        ({"body": {"messages": [{"role": "user", "content": "x" * 400}]}}, Limits(), 5.0, Need(100, 5)),
        ({"body": {"messages": [{"content": [{"type": "text", "text": "x" * 40}]}]}}, Limits(), 5.0, Need(10, 5)),
        ({"body": {"input": ["x" * 40, "y" * 40]}, "kind": "embedding"}, Limits(), 5.0, Need(20, 0)),
        ({"body": {"prompt": "x" * 40, "max_tokens": "many"}, "kind": "completion"}, Limits(), 5.0, Need(10, 5)),
        ({"body": {}}, Limits(), 5.0, Need(0, 5)),
    ],
)
def test_a_need_is_what_the_provider_will_charge(call: dict[str, Any], limits: Limits, mean: float, need: Need) -> None:
    assert need_of(Call(**{"id": "r", "model": "m", "body": {}, **call}), limits, mean) == need


def test_the_ledger_counts_a_minute_back() -> None:
    ledger = Ledger()
    for second in range(120):
        ledger.send(float(second))
    assert ledger.accepted_within(60.0, 119.0) == 61
    assert ledger.accepted_within(10.0, 119.0) == 11
    ledger.refused += 120
    assert ledger.accepted_within(10.0, 119.0) == 0


def a_finder(sent: int = 30, at_s: float = 0.0) -> tuple[RateFinder, Ledger]:
    ledger = Ledger()
    for number in range(sent):
        ledger.send(at_s + number * 0.1)
    return RateFinder(ledger, random.Random(1)), ledger


def test_many_refusals_are_one_event() -> None:
    finder, ledger = a_finder()
    for number in range(10):
        ledger.refused += 1
        finder.refused(3.0 + number / 100, 2.9, None)
    wait_s = finder.wait_s(3.1)
    assert 0 < wait_s <= 1.0


def test_while_refused_one_request_goes_at_a_time_and_waits_double() -> None:
    finder, ledger = a_finder()
    now_s, waits = 3.0, []
    finder.refused(now_s, 2.9, None)
    for _ in range(8):
        waits.append(finder.wait_s(now_s))
        now_s += waits[-1]
        ledger.send(now_s)
        finder.sent(now_s)
        assert finder.wait_s(now_s) == pytest.approx(0.15, abs=0.05)
        ledger.refused += 1
        finder.refused(now_s + 0.02, now_s, None)
        now_s += 0.02
    assert all(later >= min(8.0, 1.9 * earlier) - 0.03 for earlier, later in pairwise(waits))
    assert max(waits) <= 8.0


def test_the_server_s_wait_is_kept() -> None:
    finder, _ = a_finder()
    finder.refused(3.0, 2.9, 17.0)
    assert finder.wait_s(3.0) == pytest.approx(17.0)


def test_a_probe_that_isn_t_refused_ends_it_without_waiting_for_the_answer() -> None:
    finder, ledger = a_finder()
    ledger.refused += 1
    finder.refused(3.0, 2.9, 1.0)
    ledger.send(4.0)
    finder.sent(4.0)
    finder.settle(4.2)
    assert not finder.is_refused
    assert finder.rate(4.2) == pytest.approx(0.96 * 0.9 * 30 / 3, rel=0.1)


def test_the_rate_grows_past_what_was_found_and_never_runs_away_at_once() -> None:
    finder, ledger = a_finder()
    finder.refused(3.0, 2.9, 1.0)
    ledger.send(4.0)
    finder.sent(4.0)
    finder.accepted(4.5, 4.0)
    rates = [finder.rate(float(second)) for second in range(5, 200)]
    assert rates == sorted(rates)
    assert rates[9] < 1.1 * rates[0]
    assert rates[-1] > 2 * rates[0]
    assert math.isfinite(finder.rate(1e9))
    assert finder.is_forgotten(1e6)


def test_a_late_refusal_of_something_sent_before_is_no_new_event() -> None:
    finder, ledger = a_finder()
    finder.refused(3.0, 2.9, 1.0)
    ledger.send(4.0)
    finder.sent(4.0)
    finder.accepted(4.5, 4.0)
    finder.refused(4.6, 2.8, 60.0)
    assert not finder.is_refused


def test_capacity_is_cut_once_for_all_that_was_in_flight() -> None:
    finder = ConcurrencyFinder()
    for _ in range(30):
        finder.refused(10.0, 9.0, 100)
    assert finder.most == pytest.approx(70)
    for _ in range(30):
        finder.refused(12.0, 11.0, 70)
    assert finder.most == pytest.approx(49)


def test_a_refusal_or_two_while_many_are_still_out_cut_nothing() -> None:
    finder = ConcurrencyFinder()
    for in_flight in range(1, 100):
        if in_flight % 20 == 3:
            finder.refused(1.0, 0.5, in_flight)
    assert finder.most == math.inf


def refuse(finder: ConcurrencyFinder, *, in_flight: int) -> None:
    for _ in range(in_flight // 2):
        finder.refused(1.0, 0.0, in_flight)


def test_capacity_grows_by_one_a_round_trip_up_to_the_user_s_ceiling() -> None:
    finder = ConcurrencyFinder()
    refuse(finder, in_flight=20)
    for _ in range(14):
        finder.accepted(14, math.inf)
    assert finder.most == pytest.approx(15, abs=0.1)
    for _ in range(10_000):
        finder.accepted(64, 20.0)
    assert finder.most == 20.0


@pytest.mark.parametrize("wanted", [10, 50, 300])
def test_a_server_that_fails_now_and_then_keeps_its_capacity(wanted: int) -> None:
    rng = random.Random(4)
    finder, mosts = ConcurrencyFinder(), []
    for step in range(20_000):
        most = int(min(finder.most, wanted))
        if rng.random() < 0.05:
            finder.refused(step / most + 1.0, step / most, most)
        else:
            finder.accepted(most, float(wanted))
        mosts.append(most)
    assert sum(mosts) / len(mosts) >= 0.85 * wanted


def test_a_full_server_is_asked_for_what_it_takes() -> None:
    finder = ConcurrencyFinder()
    most = 300
    for trip in range(400):
        most = int(min(finder.most, 300))
        for place in range(most):
            if place < 50:
                finder.accepted(most, 300.0)
            else:
                finder.refused(trip + 1.0, trip + 0.5, most)
    assert 35 <= most <= 65


def test_capacity_that_isn_t_used_doesn_t_grow() -> None:
    finder = ConcurrencyFinder()
    refuse(finder, in_flight=20)
    finder.accepted(3, math.inf)
    assert finder.most == pytest.approx(14)


def test_one_request_always_has_room() -> None:
    finder = ConcurrencyFinder()
    for second in range(100):
        finder.refused(second + 1.0, second + 0.5, 1)
    assert finder.has_room(0)
    assert not finder.has_room(1)
