"""A model's text is read leniently, and what can't be read says why."""

from __future__ import annotations

import pytest

from penstock.schema import Misfit, json_in


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        '\n {"a": 1}\n',
        '```json\n{"a": 1}\n```',
        '```\n{"a": 1}\n```',
        'Here you are:\n\n```json\n{"a": 1}\n```\n\nAnything else?',
        'The answer is {"a": 1}.',
        'First {thoughts}, then {"a": 1}',
        '<think>maybe {"b"}?</think> {"a": 1}',
        'As an example {} and now ```json\n{"a": 1}```',
    ],
)
def test_the_json_is_found(text: str) -> None:
    assert json_in(text) == {"a": 1}


@pytest.mark.parametrize(("text", "says"), [("", "empty"), ("no idea", "begins 'no idea'"), ('{"a": ', "no JSON")])
def test_what_holds_none_says_so(text: str, says: str) -> None:
    with pytest.raises(Misfit, match=says):
        json_in(text)


def test_a_long_text_of_braces_takes_no_time() -> None:
    with pytest.raises(Misfit):
        json_in("{" * 200_000)
