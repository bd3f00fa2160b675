from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.simulator.limits import Admission, FixedWindow, Limiter, Refusal, SlidingWindow, TokenBucket
from penstock.simulator.scenario import Limits

KINDS = {
    "token_bucket": lambda: TokenBucket(60, 1.0, 0.0),
    "fixed_window": lambda: FixedWindow(60, 60.0, 0.0),
    "sliding_window": lambda: SlidingWindow(60, 60.0, 0.0),
}
steps = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 70)), max_size=60)


def taken(limiter: Limiter, asks: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """What of `asks` (seconds since the last one, amount) was let in, and when."""
    now_s, allowed = 0.0, []
    for gap_s, amount in asks:
        now_s += gap_s
        if limiter.wait_s(now_s, amount) == 0.0:
            limiter.take(now_s, amount)
            allowed.append((now_s, amount))
    return allowed


@given(steps)
def test_a_sliding_window_never_lets_more_in_than_its_limit_in_any_minute(asks: list[tuple[float, int]]) -> None:
    allowed = taken(SlidingWindow(60, 60.0, 0.0), asks)
    for start_s, _ in allowed:
        assert sum(amount for at_s, amount in allowed if start_s <= at_s < start_s + 60.0) <= 60


@given(steps)
def test_a_fixed_window_never_lets_more_in_than_its_limit_in_its_minute(asks: list[tuple[float, int]]) -> None:
    minutes: dict[int, int] = {}
    for at_s, amount in taken(FixedWindow(60, 60.0, 0.0), asks):
        minutes[int(at_s // 60)] = minutes.get(int(at_s // 60), 0) + amount
    assert all(used <= 60 for used in minutes.values())


@given(steps)
def test_a_token_bucket_lets_in_its_burst_and_its_rate_and_no_more(asks: list[tuple[float, int]]) -> None:
    allowed = taken(TokenBucket(60, 0.5, 0.0), asks)
    for first, (start_s, _) in enumerate(allowed):
        for last in range(first, len(allowed)):
            used = sum(amount for _, amount in allowed[first : last + 1])
            assert used <= 30 + (allowed[last][0] - start_s) + 1e-6


@pytest.mark.parametrize("kind", KINDS)
@given(asks=steps, amount=st.integers(1, 60))
def test_after_the_wait_it_told_the_amount_fits(kind: str, asks: list[tuple[float, int]], amount: int) -> None:
    limiter = KINDS[kind]()
    taken(limiter, asks)
    now_s = sum(gap_s for gap_s, _ in asks)
    wait_s = limiter.wait_s(now_s, amount)
    assert limiter.wait_s(now_s + wait_s + 1e-6, amount) == 0.0


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_larger_than_the_limit_never_fits(kind: str) -> None:
    assert KINDS[kind]().wait_s(0.0, 61) == math.inf


@pytest.mark.parametrize("kind", KINDS)
def test_all_is_free_again_after_the_reset_it_told(kind: str) -> None:
    limiter = KINDS[kind]()
    limiter.take(1.0, 40)
    assert limiter.remaining(1.0) == 20
    assert limiter.remaining(1.0 + limiter.reset_s(1.0)) == 60


def test_a_short_window_allows_its_share_of_the_minute() -> None:
    assert FixedWindow(600, 10.0, 0.0).limit == 100


def test_requests_and_tokens_are_charged_together_or_not_at_all() -> None:
    admission = Admission(Limits(rpm=10, tpm=100), 0.0)
    assert admission.ask(0.0, 90) is None
    refusal = admission.ask(0.0, 20)
    assert isinstance(refusal, Refusal)
    assert (refusal.what, refusal.limit, refusal.used, refusal.requested) == ("tokens", 100, 90, 20)
    assert admission.snapshots(0.0)["requests"].remaining == 9


def test_the_longest_wait_is_the_one_that_is_told() -> None:
    admission = Admission(Limits(rpm=1, tpm=60), 0.0)
    assert admission.ask(0.0, 60) is None
    refusal = admission.ask(0.0, 1)
    assert refusal is not None
    assert (refusal.what, refusal.wait_s) == ("requests", 60.0)


def test_a_concurrency_limit_is_free_again_when_a_request_ends() -> None:
    admission = Admission(Limits(concurrency=1), 0.0)
    assert admission.ask(0.0, 1) is None
    refusal = admission.ask(0.0, 1)
    assert refusal is not None
    assert refusal.what == "concurrency"
    admission.release()
    assert admission.ask(0.0, 1) is None
