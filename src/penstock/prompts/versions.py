"""Versions in semantic order, and the ranges that find one among them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import total_ordering

from penstock.errors import InputError

__all__ = ["LATEST", "Version", "newest", "read_range"]

LATEST = "latest"
"""The newest version; a pre-release only where there is nothing else."""

_VERSION = re.compile(
    r"v?(0|[1-9]\d{0,9})(?:\.(0|[1-9]\d{0,9}))?(?:\.(0|[1-9]\d{0,9}))?(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?"
)
_COMPARISON = re.compile(r"(>=|<=|==|=|>|<|\^|~)\s*(.+)")
_WILDCARD = re.compile(r"(\d+)(?:\.(\d+))?\.[x*]")


@total_ordering
class Version:
    """`1.2.3-beta.1`: compared part by part, a pre-release before its release; what is behind `+` doesn't count.

    Missing parts are 0: `1.2` is `1.2.0`. Raises `InputError` for what is none.
    """

    __slots__ = ("numbers", "parts", "pre", "text")

    def __init__(self, text: str) -> None:
        found = _VERSION.fullmatch(text) if isinstance(text, str) else None
        pre = (found[4] or "").split(".") if found and found[4] else []
        if found is None or "" in pre:
            raise InputError(f'expected a version such as "1.2.0" or "2.0.0-beta.1", got {text!r:.80}')
        self.text = text
        self.numbers: tuple[int, int, int] = (int(found[1]), int(found[2] or 0), int(found[3] or 0))
        self.parts = 1 + (found[2] is not None) + (found[3] is not None)
        """How many of them are written."""
        self.pre: tuple[tuple[int, int, str], ...] = tuple(map(_identifier, pre))

    def _key(self) -> tuple[object, ...]:
        # A release has no pre-release part and comes after all that have one.
        return (self.numbers, not self.pre, self.pre)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key() == other._key()

    def __lt__(self, other: Version) -> bool:
        return self._key() < other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Version({self.text!r})"


def _identifier(text: str) -> tuple[int, int, str]:
    """Numbers come before words and are compared as numbers."""
    return (0, int(text), "") if text.isascii() and text.isdecimal() else (1, 0, text)


Fits = Callable[[Version], bool]


def read_range(text: str) -> Fits:
    """Which versions are meant: `1.2.0` that one; `1`, `1.2` and `1.x` the whole line; `^1.2` compatible ones, `~1.2`
    those of its minor; `>=1.2, <2` comparisons that all hold; `latest` any. Raises `InputError`.
    """
    if not isinstance(text, str):
        raise InputError(f'expected a version as text, such as "1.2.0", got {text!r:.80}')
    wanted = text.strip()
    if wanted == LATEST:
        return lambda version: not version.pre
    parts = [part.strip() for part in wanted.split(",")]
    if not all(parts):
        raise InputError(f'expected a version or a range such as "1.2.0", "^1.2" or ">=1, <3", got {text!r:.80}')
    tests = [_comparison(part) for part in parts]
    # A pre-release is found by who names one.
    named = [Version(part.lstrip("<>=^~ ")) for part in parts if "-" in part]

    def fits(version: Version) -> bool:
        if version.pre and not any(version.numbers == one.numbers for one in named):
            return False
        return all(test(version) for test in tests)

    return fits


def _comparison(part: str) -> Fits:
    if (wild := _WILDCARD.fullmatch(part)) is not None:
        return _line(Version(".".join(filter(None, wild.groups()))))
    sign, text = found.groups() if (found := _COMPARISON.fullmatch(part)) else ("", part)
    version = Version(text)
    if not sign:
        return _line(version) if version.parts < 3 and not version.pre else lambda other: other == version
    return _SIGNS[sign](version)


def _line(version: Version) -> Fits:
    """All that begin with the parts that are written."""
    parts = version.parts
    return lambda other: other.numbers[:parts] == version.numbers[:parts]


def _compatible(version: Version) -> Fits:
    """Up to the next change of the first part that isn't 0."""
    kept = next((place for place, number in enumerate(version.numbers) if number), version.parts - 1) + 1
    return lambda other: other >= version and other.numbers[:kept] == version.numbers[:kept]


def _nearly(version: Version) -> Fits:
    kept = min(2, version.parts)
    return lambda other: other >= version and other.numbers[:kept] == version.numbers[:kept]


_SIGNS: dict[str, Callable[[Version], Fits]] = {
    ">=": lambda version: lambda other: other >= version,
    "<=": lambda version: lambda other: other <= version,
    ">": lambda version: lambda other: other > version,
    "<": lambda version: lambda other: other < version,
    "=": lambda version: lambda other: other == version,
    "==": lambda version: lambda other: other == version,
    "^": _compatible,
    "~": _nearly,
}


def newest(versions: Iterable[Version], wanted: str = LATEST) -> Version | None:
    """The newest version that `wanted` means; None when there is none. Raises `InputError` for what is no range."""
    known = list(versions)
    found = max(filter(read_range(wanted), known), default=None)
    return max(known, default=None) if found is None and wanted.strip() == LATEST else found
