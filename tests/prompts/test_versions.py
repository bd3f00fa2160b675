"""Versions in semantic order, and what a range finds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import InputError
from penstock.prompts import Version, newest

SORTED = [
    *("0.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1"),
    *("1.0.0", "1.2", "1.2.9", "1.10.0", "2"),
]


def test_versions_are_in_semantic_order() -> None:
    for one, other in itertools.pairwise(SORTED):
        assert Version(one) < Version(other), (one, other)
    assert [str(version) for version in sorted(map(Version, reversed(SORTED)))] == SORTED


def test_missing_parts_are_zero_and_builds_do_not_count() -> None:
    assert Version("1") == Version("1.0.0") == Version("v1.0+build.7")
    assert len({Version("1"), Version("1.0.0")}) == 1


@pytest.mark.parametrize("text", ["", "1.", "a", "1.2.3.4", "01.2", "1.2-", "1.2-a..b", "-1", "1 2", "latest", "１"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected a version"):
        Version(text)


KNOWN = [Version(text) for text in ("0.1.0", "0.1.5", "0.2.0", "1.0.0", "1.2.0", "1.2.5", "1.10.0", "2.0.0-beta.1")]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("latest", "1.10.0"),
        ("1.2.0", "1.2.0"),
        ("1", "1.10.0"),
        ("1.2", "1.2.5"),
        ("1.x", "1.10.0"),
        ("1.2.*", "1.2.5"),
        ("^1.2", "1.10.0"),
        ("^0.1.0", "0.1.5"),
        ("^0", "0.2.0"),
        ("~1.2", "1.2.5"),
        ("~1", "1.10.0"),
        (">=1, <1.10", "1.2.5"),
        ("<= 1.2.0", "1.2.0"),
        (">1.10.0", None),
        ("=1.0.0", "1.0.0"),
        ("3", None),
        ("2", None),
        ("2.0.0-beta.1", "2.0.0-beta.1"),
        (">=2.0.0-alpha", "2.0.0-beta.1"),
    ],
)
def test_a_range_finds_its_newest(wanted: str, found: str | None) -> None:
    assert newest(KNOWN, wanted) == (None if found is None else Version(found))


def test_a_pre_release_is_the_latest_only_where_there_is_nothing_else() -> None:
    assert newest([Version("1.0.0-a"), Version("1.0.0-b")]) == Version("1.0.0-b")
    assert newest([]) is None


@pytest.mark.parametrize("wanted", ["", ",", ">=", "^", "newest", ">=1,", "1 || 2"])
def test_what_is_no_range_is_refused(wanted: str) -> None:
    with pytest.raises(InputError, match="expected a version"):
        newest(KNOWN, wanted)


numbers = st.tuples(*[st.integers(0, 30)] * 3)


@given(numbers, numbers)
def test_releases_are_ordered_as_their_numbers(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    as_text = [".".join(map(str, parts)) for parts in (one, other)]
    assert (Version(as_text[0]) < Version(as_text[1])) == (one < other)


@given(st.lists(numbers, min_size=1), numbers)
def test_what_a_caret_finds_has_the_same_first_part_and_is_not_older(known: list, wanted: tuple[int, ...]) -> None:
    found = newest([Version(".".join(map(str, parts))) for parts in known], "^" + ".".join(map(str, wanted)))
    if found is not None:
        assert found.numbers >= wanted
        assert found.numbers[0] == wanted[0]
