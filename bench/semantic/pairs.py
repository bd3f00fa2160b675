"""The questions: each with the same one in other words, and with others that only look like it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["HELD_OUT", "TUNING", "Asked", "read_pairs"]

TUNING = Path(__file__).parent / "tuning.txt"
HELD_OUT = Path(__file__).parent / "held_out.txt"


@dataclass
class Asked:
    """A question that was answered, and what is asked after it."""

    text: str
    same: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)


def read_pairs(path: Path) -> list[Asked]:
    """Those of a file. Raises `ValueError` for a line that is none of its four kinds."""
    found: list[Asked] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        mark, text = line[:1], line[2:].strip()
        if mark == "=":
            found.append(Asked(text))
        elif mark in ("+", "-") and found:
            (found[-1].same if mark == "+" else found[-1].other).append(text)
        elif mark not in ("", "#"):
            raise ValueError(f"{path.name}:{number}: {line!r}")
    return found
