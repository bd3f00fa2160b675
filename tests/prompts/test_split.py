"""What an A/B split promises: shares, and that nobody moves without need."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import InputError
from penstock.prompts import Split

USERS = [f"user-{number}" for number in range(100_000)]
FEW = USERS[:5_000]

weights = st.dictionaries(st.text(min_size=1, max_size=8), st.floats(0.05, 100), min_size=1, max_size=6)


@settings(max_examples=6, deadline=None)
@given(weights, st.text(max_size=8))
def test_shares_are_within_one_percent_of_the_weights_over_a_hundred_thousand_users(
    weights: dict[str, float], salt: str
) -> None:
    split = Split(weights, salt=salt)
    counts = Counter(split.arm(user) for user in USERS)
    for arm, weight in weights.items():
        assert abs(counts[arm] / len(USERS) - weight / sum(weights.values())) < 0.01


@pytest.mark.parametrize("weights", [{"a": 50, "b": 50}, {"a": 90, "b": 9, "c": 1}, {str(n): 1 for n in range(20)}])
def test_shares_of_usual_splits(weights: dict[str, float]) -> None:
    counts = Counter(map(Split(weights, salt="translate").arm, USERS))
    for arm, weight in weights.items():
        assert abs(counts[arm] / len(USERS) - weight / sum(weights.values())) < 0.005


@settings(max_examples=50)
@given(weights, st.text(min_size=1))
def test_a_user_never_moves_whatever_the_order_of_the_arms(weights: dict[str, float], user: str) -> None:
    other = Split(dict(reversed(weights.items())))
    assert Split(weights).arm(user) == other.arm(user) == other.arm(user)


def test_the_split_is_the_same_in_every_version_of_this_program() -> None:
    split = Split({"1.0.0": 90, "1.1.0": 10}, salt="translate")
    assert [n for n in range(60) if split.arm(f"u{n}") == "1.1.0"] == [8, 13, 16, 25, 27, 33, 50]


@settings(max_examples=25, deadline=None)
@given(weights.filter(lambda arms: len(arms) > 1), st.floats(0.05, 100), st.data())
def test_a_changed_weight_moves_users_only_to_or_from_its_arm(
    weights: dict[str, float], weight: float, data: st.DataObject
) -> None:
    arm = data.draw(st.sampled_from(sorted(weights)))
    before, after = Split(weights), Split({**weights, arm: weight})
    grows = weight > weights[arm]
    for user in FEW:
        was, now = before.arm(user), after.arm(user)
        if was != now:
            assert (now if grows else was) == arm


@settings(max_examples=25, deadline=None)
@given(weights.filter(lambda arms: len(arms) > 1), st.data())
def test_an_arm_that_goes_moves_only_its_own_users(weights: dict[str, float], data: st.DataObject) -> None:
    arm = data.draw(st.sampled_from(sorted(weights)))
    before, after = Split(weights), Split({name: weight for name, weight in weights.items() if name != arm})
    assert all(after.arm(user) == before.arm(user) for user in FEW if before.arm(user) != arm)


def test_a_changed_weight_moves_no_more_users_than_must() -> None:
    before, after = Split({"a": 50, "b": 30, "c": 20}), Split({"a": 50, "b": 50, "c": 20})
    moved = sum(before.arm(user) != after.arm(user) for user in USERS)
    assert moved / len(USERS) == pytest.approx(50 / 120 - 30 / 100, abs=0.005)


def test_an_arm_of_weight_zero_gets_nobody_and_another_salt_divides_anew() -> None:
    assert {Split({"a": 1, "b": 0}).arm(user) for user in FEW} == {"a"}
    one, other = Split({"a": 1, "b": 1}, salt="x"), Split({"a": 1, "b": 1}, salt="y")
    assert 0.45 < sum(one.arm(user) == other.arm(user) for user in FEW) / len(FEW) < 0.55


@pytest.mark.parametrize(
    "weights",
    [{}, {"a": 0}, {"a": -1}, {"a": float("nan")}, {"a": float("inf")}, {"a": True}, {"a": "1"}, {1: 1}, [], None],
)
def test_weights_that_can_not_be_meant_are_refused(weights: object) -> None:
    with pytest.raises(InputError, match="a split"):
        Split(weights)  # type: ignore[arg-type]


@pytest.mark.parametrize("user", ["", None, 7])
def test_a_user_without_a_name_is_refused(user: object) -> None:
    with pytest.raises(InputError, match="a user's id"):
        Split({"a": 1}).arm(user)  # type: ignore[arg-type]
