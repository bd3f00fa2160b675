"""When a target counts as down, and how it comes back."""

from __future__ import annotations

import inspect
import random

import pytest

from penstock.policies.breaker import Breaker, BreakerSettings
from penstock.race.target import Breaker as BreakerOfTheRace

LEAST = BreakerSettings().least_failures


def new() -> Breaker:
    return Breaker(random.Random(1))


def fail(breaker: Breaker, count: int, at_s: float) -> None:
    for _ in range(count):
        breaker.ended(breaker.started(at_s), at_s, at_s, "bad")


def succeed(breaker: Breaker, count: int, at_s: float) -> None:
    for _ in range(count):
        breaker.ended(breaker.started(at_s), at_s, at_s + 0.01, "good")


def opened(at_s: float = 0.0) -> Breaker:
    breaker = new()
    fail(breaker, LEAST, at_s)
    assert breaker.is_open
    return breaker


def half_open() -> tuple[Breaker, float]:
    breaker = opened()
    return breaker, breaker.wait_s(0.0)


def ramping() -> tuple[Breaker, float]:
    breaker, now_s = half_open()
    succeed(breaker, 2, now_s)
    assert breaker.state(now_s) == "ramping"
    return breaker, now_s + 1.0


def test_it_is_what_the_race_asks_for() -> None:
    seen: BreakerOfTheRace = new()
    for name, asked in inspect.getmembers(BreakerOfTheRace, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.signature(getattr(Breaker, name)).parameters == inspect.signature(asked).parameters
    assert seen.is_closed


def test_failures_alone_open_it() -> None:
    breaker = new()
    fail(breaker, LEAST - 1, 0.0)
    assert breaker.is_closed
    fail(breaker, 1, 0.1)
    assert (breaker.is_closed, breaker.is_open, breaker.opened) == (False, True, 1)


def test_what_is_in_flight_may_still_succeed() -> None:
    breaker = new()
    for _ in range(20):
        breaker.started(0.0)
    fail(breaker, 39, 0.1)
    assert breaker.is_closed
    fail(breaker, 8, 0.2)
    assert not breaker.is_closed


@pytest.mark.parametrize(("good", "bad", "is_closed"), [(10, 19, True), (8, 20, False), (0, LEAST, False)])
def test_seven_of_ten_within_the_window_are_too_many(good: int, bad: int, is_closed: bool) -> None:
    breaker = new()
    starts = sorted([((n + 0.5) / bad, "bad") for n in range(bad)] + [(n / good, "good") for n in range(good)])
    for at_s, ending in starts:
        breaker.ended(breaker.started(at_s), at_s, at_s, "good" if ending == "good" else "bad")
    assert breaker.is_closed == is_closed


@pytest.mark.parametrize(("pause_s", "is_closed"), [(2.0, False), (12.0, True)])
def test_failures_are_forgotten_with_the_window(pause_s: float, is_closed: bool) -> None:
    breaker = new()
    for round_ in range(10):
        succeed(breaker, 1, round_ * pause_s)
        fail(breaker, LEAST - 1, round_ * pause_s + 0.1)
    assert breaker.is_closed == is_closed


def test_a_success_counts_from_its_start_not_from_its_end() -> None:
    breaker = new()
    ticket = breaker.started(0.0)
    fail(breaker, LEAST - 1, 1.0)
    breaker.ended(ticket, 0.0, 2.0, "good")
    fail(breaker, 1, 3.0)
    assert breaker.is_open


def test_neutral_endings_say_nothing() -> None:
    breaker = new()
    for _ in range(100):
        breaker.ended(breaker.started(0.0), 0.0, 1.0, "neutral")
    assert (breaker.is_closed, breaker.in_flight) == (True, 0)


def test_a_target_that_only_hangs_opens_it() -> None:
    breaker = new()
    tickets = [breaker.started(n / 100) for n in range(100)]
    for n, ticket in enumerate(tickets):
        breaker.silent(ticket, n / 100, 3.0 + n / 100)
    assert breaker.is_open
    assert (breaker.in_flight, breaker.silent_in_flight) == (0, 100)


def test_hanging_attempts_open_it_long_before_most_of_them_are_silent() -> None:
    breaker = new()
    for n in range(200):
        breaker.started(n / 200)
    for n in range(LEAST):
        breaker.silent(0, n / 200, 3.0 + n / 200)
    assert breaker.is_open


def test_a_silent_attempt_that_ends_well_is_taken_back() -> None:
    breaker = new()
    for n in range(1000):
        at_s = n / 10
        breaker.started(at_s)
        breaker.silent(0, at_s, at_s + 0.05)
        breaker.ended(0, at_s, at_s + 0.09, "good", was_silent=True)
    fail(breaker, LEAST - 1, 100.0)
    assert breaker.is_closed
    assert breaker.silent_in_flight == 0


def test_a_silent_attempt_that_is_cancelled_stays_bad() -> None:
    breaker = new()
    for n in range(LEAST):
        breaker.started(float(n))
        breaker.silent(0, float(n), n + 0.5)
        breaker.ended(0, float(n), n + 0.6, "neutral", was_silent=True)
    assert breaker.is_open


def test_a_first_token_takes_silence_back() -> None:
    breaker = new()
    for _ in range(LEAST - 1):
        breaker.started(0.0)
        breaker.silent(0, 0.0, 3.0)
    breaker.heard(0, 0.0, 4.0, was_silent=True)
    assert (breaker.in_flight, breaker.silent_in_flight) == (1, LEAST - 2)
    fail(breaker, LEAST - 1, 20.0)
    assert breaker.is_closed


@pytest.mark.parametrize("round_", range(5))
def test_the_wait_doubles_up_to_five_seconds(round_: int) -> None:
    breaker, now_s = half_open()
    for _ in range(round_):
        fail(breaker, 1, now_s)
        now_s += breaker.wait_s(now_s)
    fail(breaker, 1, now_s)
    wait_s = min(5.0, 2.0 ** (round_ + 1))
    assert 0.8 * wait_s <= breaker.wait_s(now_s) <= 1.2 * wait_s


def test_one_probe_at_a_time() -> None:
    breaker, now_s = half_open()
    assert breaker.wait_s(now_s) == 0.0
    assert breaker.started(now_s) == 1
    assert breaker.wait_s(now_s) > 0.0
    assert breaker.started(now_s) == 0


def test_a_bad_probe_shuts_it_again() -> None:
    breaker, now_s = half_open()
    succeed(breaker, 1, now_s)
    assert (breaker.is_open, breaker.wait_s(now_s + 0.01)) == (False, 0.0)
    fail(breaker, 1, now_s + 1)
    assert breaker.is_open
    assert breaker.wait_s(now_s + 1) > 1.0


def test_a_cancelled_probe_makes_room_for_the_next() -> None:
    breaker, now_s = half_open()
    breaker.ended(breaker.started(now_s), now_s, now_s + 0.1, "neutral")
    assert breaker.wait_s(now_s + 0.1) == 0.0


def test_a_silent_probe_makes_room_after_a_wait_and_may_still_count() -> None:
    breaker, now_s = half_open()
    ticket = breaker.started(now_s)
    breaker.silent(ticket, now_s, now_s + 3)
    assert 0.0 < breaker.wait_s(now_s + 3) <= 2.4
    second_s = now_s + 6
    assert breaker.wait_s(second_s) == 0.0
    succeed(breaker, 1, second_s)
    breaker.ended(ticket, now_s, second_s + 1, "good", was_silent=True)
    assert breaker.state(second_s + 1) == "ramping"


def test_a_probe_that_nobody_calls_silent_gives_way_after_its_patience() -> None:
    breaker, now_s = half_open()
    breaker.started(now_s)
    assert breaker.wait_s(now_s + 9.9) > 0.0
    assert breaker.wait_s(now_s + 10.0) == 0.0
    assert breaker.started(now_s + 10.0) == 2


def test_an_attempt_beside_the_probe_that_ends_well_overtakes_it() -> None:
    breaker, now_s = half_open()
    breaker.started(now_s)
    succeed(breaker, 1, now_s + 1)
    assert breaker.wait_s(now_s + 1.1) == 0.0


def test_a_probes_first_token_counts_once() -> None:
    breaker, now_s = half_open()
    ticket = breaker.started(now_s)
    breaker.heard(ticket, now_s, now_s + 1)
    assert breaker.wait_s(now_s + 1) == 0.0
    breaker.ended(ticket, now_s, now_s + 2, "good")
    assert breaker.state(now_s + 2) == "half_open"
    succeed(breaker, 1, now_s + 3)
    assert breaker.state(now_s + 3) == "ramping"


def test_what_began_before_it_opened_makes_probes_come_sooner_at_most() -> None:
    breaker = new()
    tickets = [breaker.started(0.0) for _ in range(3)]
    fail(breaker, LEAST, 1.0)
    for _ in range(4):
        fail(breaker, 1, 1.0)
    assert breaker.wait_s(1.0) > 3.0
    for ticket in tickets:
        breaker.ended(ticket, 0.0, 1.0, "good")
    assert breaker.is_open
    assert 0.8 <= breaker.wait_s(1.0) <= 1.2


def test_silent_attempts_that_end_well_after_all_are_worth_probes() -> None:
    breaker = new()
    for _ in range(LEAST):
        breaker.started(0.0)
    for _ in range(LEAST):
        breaker.silent(0, 0.0, 3.0)
    assert breaker.is_open
    for _ in range(2):
        breaker.ended(0, 0.0, 3.1, "good", was_silent=True)
    assert breaker.state(3.1) == "ramping"


def test_the_window_after_an_outage_starts_at_eight_and_grows_with_each_success() -> None:
    breaker, now_s = ramping()
    assert [breaker.wait_s(now_s) == 0.0 for _ in range(9) if breaker.started(now_s) == 0] == [True] * 7 + [False] * 2
    breaker.ended(0, now_s, now_s + 1, "good")
    assert breaker.wait_s(now_s + 1) == 0.0


def test_it_closes_when_the_window_has_grown() -> None:
    breaker, now_s = ramping()
    succeed(breaker, 18, now_s)
    assert breaker.state(now_s) == "ramping"
    succeed(breaker, 1, now_s)
    assert (breaker.state(now_s), breaker.is_closed) == ("closed", True)


def test_it_stays_a_ramp_while_callers_fill_the_window() -> None:
    breaker, now_s = ramping()
    for _ in range(300):
        while breaker.wait_s(now_s) == 0.0 and not breaker.is_closed:
            breaker.started(now_s)
        breaker.ended(0, now_s, now_s, "good")
    assert not breaker.is_closed


def test_what_hangs_from_before_takes_no_place_in_the_window() -> None:
    breaker = new()
    for _ in range(5):
        breaker.started(0.0)
    fail(breaker, LEAST, 0.1)
    succeed(breaker, 2, 2.0)
    for _ in range(8):
        assert breaker.wait_s(3.0) == 0.0
        breaker.started(3.0)
    assert breaker.wait_s(3.0) > 0.0


def test_attempts_that_hang_unnoticed_in_the_ramp_let_one_more_through_in_time() -> None:
    breaker, now_s = ramping()
    for _ in range(8):
        breaker.started(now_s)
    assert breaker.wait_s(now_s + 9.0) > 0.0
    assert breaker.wait_s(now_s + 10.0) == 0.0


def test_failures_from_before_the_recovery_are_no_news() -> None:
    breaker = new()
    for _ in range(50):
        breaker.started(0.0)
    fail(breaker, 100, 0.1)
    succeed(breaker, 2, 2.0)
    for _ in range(50):
        breaker.ended(0, 0.0, 3.0, "bad")
    assert breaker.state(3.0) == "ramping"


def test_failures_in_the_ramp_open_it_with_the_longer_wait() -> None:
    breaker, now_s = ramping()
    fail(breaker, LEAST, now_s)
    assert breaker.is_open
    assert breaker.wait_s(now_s) >= 1.6
    assert breaker.opened == 1


def test_a_long_pause_costs_nothing_to_catch_up() -> None:
    breaker = new()
    succeed(breaker, 1, 0.0)
    succeed(breaker, 1, 1e9)
    assert breaker.is_closed


def test_its_repr_says_how_it_is() -> None:
    assert repr(opened()) == "<Breaker open, 0 in flight, opened 1 times>"
