"""Where something was found in a text, and what tells a random value from a word."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Span", "looks_random"]


class Span(NamedTuple):
    """`kind` at text[start:end]."""

    start: int
    end: int
    kind: str


def looks_random(text: str) -> bool:
    """It changes between small letters, capitals and digits as often as a drawn value does, and no word."""
    changes = count = 0
    before = ""
    for char in text:
        kind = "d" if char.isdigit() else "u" if char.isupper() else "l" if char.isalpha() else ""
        if not kind:
            continue
        count += 1
        changes += bool(before) and kind != before
        before = kind
    return count >= 8 and changes * 5 >= count
