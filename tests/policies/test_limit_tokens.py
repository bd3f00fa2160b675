"""Limits on tokens: reserved, settled, and counted over the last minute where windows enforce them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.call import Usage
from penstock.policies.limit.buckets import HEADROOM, Limits, Need
from penstock.policies.limit.tokens import TokenLimits


def a_minute_of(tokens: TokenLimits, need: Need, *, until_s: float = 60.0) -> float:
    """Take as much as passes up to `until_s`, each settled at once; the instant of the next."""
    now_s = 0.0
    while now_s <= until_s:
        tokens.settle(tokens.take(now_s, need), Usage(need.input_tokens, need.output_tokens), now_s)
        now_s += tokens.wait_s(now_s, need)
    return now_s


@pytest.mark.parametrize(("is_charge", "waits_s"), [(False, 5.0), (True, 13.0)])
def test_what_was_reserved_and_not_used_comes_back_unless_it_was_charged(is_charge: bool, waits_s: float) -> None:
    tokens = TokenLimits(Limits(tpm=60_000))
    tokens.take(0.0, Need(0, 1000))
    tokens.settle(tokens.take(0.0, Need(1000, 8000, is_charge=is_charge)), Usage(1000, 0), 0.0)
    assert tokens.wait_s(0.0, Need(0, 4000)) == pytest.approx(waits_s / HEADROOM, abs=0.1)


def test_each_limit_takes_its_own_tokens() -> None:
    tokens = TokenLimits(Limits(input_tpm=60_000, output_tpm=6_000))
    tokens.take(0.0, Need(10, 10))
    tokens.take(0.0, Need(4000, 500))
    assert tokens.wait_s(0.0, Need(10, 1)) == pytest.approx(5.0 / HEADROOM, abs=0.2)


def test_what_was_never_charged_counts_nowhere() -> None:
    tokens = TokenLimits(Limits(tpm=60_000))
    tokens.give_back(tokens.take(0.0, Need(30_000, 20_000)), 0.5)
    assert list(tokens.uses(1.0)) == [("tokens", 60_000, 0)]
    assert tokens.wait_s(1.0, Need(1000, 0)) == 0.0


def test_a_refusal_that_the_bucket_didn_t_expect_makes_the_last_minute_count() -> None:
    tokens = TokenLimits(Limits(tpm=60_000))
    for _ in range(12):
        tokens.settle(tokens.take(0.0, Need(2_500, 0)), Usage(2_500, 2_500), 0.0)
    assert tokens.explains(0.1, beyond=0.5)
    tokens.refused(0.1, 0.05)
    assert tokens.wait_s(59.0, Need(1_000, 0)) == pytest.approx(60.6 - 59.0, abs=0.1)


def test_a_refusal_far_below_the_limit_isn_t_a_matter_of_tokens() -> None:
    tokens = TokenLimits(Limits(tpm=60_000))
    tokens.take(0.0, Need(1_000, 0))
    assert not tokens.explains(0.1, beyond=0.0)


def test_each_refusal_leaves_a_larger_margin_and_answers_take_it_back() -> None:
    tokens = TokenLimits(Limits(tpm=60_000))
    first_s = a_minute_of(tokens, Need(500, 500), until_s=600.0)
    for number in range(10):
        tokens.refused(700.0 + number, 699.5 + number)
    tokens.take(800.0, Need(1_000, 0))
    refused_s = tokens.wait_s(800.0, Need(500, 500))
    for _ in range(20_000):
        tokens.accepted(800.0)
    assert first_s == pytest.approx(600 / HEADROOM, rel=0.01)
    assert refused_s > 1.1
    assert tokens.wait_s(800.0, Need(500, 500)) == pytest.approx(1 / HEADROOM, abs=0.1)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 5_000), st.integers(0, 5_000)), min_size=1, max_size=80))
def test_windows_never_see_more_than_the_limit_in_a_minute(steps: list[tuple[float, int, int]]) -> None:
    tokens, now_s = TokenLimits(Limits(tpm=20_000)), 0.0
    tokens.refused(0.0, 0.0)
    sent: list[tuple[float, int]] = []
    for pause_s, input_tokens, output_tokens in steps:
        need = Need(input_tokens, output_tokens)
        now_s += pause_s
        while (wait_s := tokens.wait_s(now_s, need)) > 0.0:
            now_s += wait_s
        tokens.settle(tokens.take(now_s, need), Usage(input_tokens, output_tokens), now_s)
        sent.append((now_s, input_tokens + output_tokens))
    for start_s, _ in sent:
        assert sum(amount for at_s, amount in sent if start_s <= at_s < start_s + 60.0) <= 20_000


def test_the_used_share_is_that_of_the_last_minute() -> None:
    tokens = TokenLimits(Limits(tpm=60_000))
    tokens.take(0.0, Need(20_000, 10_000))
    assert list(tokens.uses(30.0)) == [("tokens", 60_000, 30_000)]
    assert list(tokens.uses(61.0)) == [("tokens", 60_000, 0)]
