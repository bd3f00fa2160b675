"""What is known of a document while it comes: whatever the pieces, it only grows, and ends as the document."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.schema import Partial

TEXT = st.text(max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
DOCUMENTS = st.lists(VALUES, max_size=4) | st.dictionaries(TEXT, VALUES, max_size=4)


@st.composite
def written(draw: st.DrawFn) -> str:
    document = draw(DOCUMENTS)
    return json.dumps(document, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 0, 2])))


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    places = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    return [text[begin:end] for begin, end in pairwise(places)]


def grows(before: Any, after: Any) -> bool:
    """All that was known is known still."""
    if before is None:
        return True
    if isinstance(before, str):
        return isinstance(after, str) and after.startswith(before)
    if isinstance(before, dict):
        return isinstance(after, dict) and all(k in after and grows(v, after[k]) for k, v in before.items())
    if isinstance(before, list):
        return (
            isinstance(after, list)
            and len(after) >= len(before)
            and all(grows(one, other) for one, other in zip(before, after, strict=False))
        )
    return type(before) is type(after) and before == after


@given(written(), st.lists(st.integers(0, 10_000), max_size=12))
def test_in_any_pieces_it_only_grows_and_ends_as_the_document(text: str, cuts: list[int]) -> None:
    partial, before = Partial(), None
    for piece in pieces_of(text, cuts):
        partial.feed(piece)
        assert grows(before, partial.value)
        before = partial.value
    assert partial.value == json.loads(text)
    assert partial.is_over


@given(written())
def test_character_by_character_it_is_as_at_once(text: str) -> None:
    slow = Partial()
    seen = []
    for char in text:
        slow.feed(char)
        seen.append(json.dumps(slow.value))
    assert slow.value == json.loads(text)
    # What was handed out earlier isn't changed by what comes later.
    again = Partial()
    values = []
    for char in text:
        again.feed(char)
        values.append(again.value)
    assert [json.dumps(value) for value in values] == seen


@given(written(), st.sampled_from(["Here it is:\n```json\n", "Well, ", "{not this} but: ", "[see above] "]))
def test_words_around_are_passed_over(text: str, words: str) -> None:
    partial = Partial()
    for char in f"{words}{text}\n``` Anything else?":
        partial.feed(char)
    if "see above" not in words or json.loads(text) == []:
        assert partial.value == json.loads(text)


@given(st.text(alphabet='{}[]",:\\ \n0123tfnu"abdeE+-.'))
def test_no_text_breaks_it(text: str) -> None:
    partial = Partial()
    for char in text:
        partial.feed(char)
        json.dumps(partial.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("Let me see", None),
        ('{"a', {}),
        ('{"a":', {}),
        ('{"a": "b', {"a": "b"}),
        ('{"a": 12', {}),
        ('{"a": 12,', {"a": 12}),
        ('{"a": tru', {}),
        ('{"a": [1, 2', {"a": [1]}),
        ('{"a": "\\ud83d', {"a": ""}),
        ('{"a": "\\ud83d\\ude00', {"a": "\U0001f600"}),
        ("[" * 1000, None),
    ],
)
def test_what_is_shown_of_an_unfinished_document(text: str, value: Any) -> None:
    partial = Partial()
    partial.feed(text)
    if text != "[" * 1000:
        assert partial.value == value
