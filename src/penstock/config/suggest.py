"""What the user probably meant: the nearest known word, for every error about an unknown one."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["did_you_mean", "nearest"]


def nearest(word: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """The known words that look like `word`, best first; at most `most`, none when nothing is near."""
    import difflib  # only an error needs it

    by_lower = {name.lower(): name for name in known}
    return [by_lower[hit] for hit in difflib.get_close_matches(word.lower(), list(by_lower), n=most, cutoff=0.65)]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """'; did you mean "x"?' for the nearest known word, else '; known: a, b, c', else ''."""
    names = sorted(known)
    hits = nearest(word, names, most=1)
    if hits:
        return f'; did you mean "{hits[0]}"?'
    return f"; known: {', '.join(names)}" if names else ""
