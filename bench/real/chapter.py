"""What a part of the bench is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bench.figures import Figure

__all__ = ["Chapter", "Stage"]


@dataclass(frozen=True)
class Stage:
    """Where a part plays: the simulator's address, the clients' core, a folder for its files."""

    root: str
    core: set[int]
    folder: Path
    log: Path
    is_quick: bool
    say: Callable[[str], None]


@dataclass
class Chapter:
    """A table for readers, the figures that are required, and the stories of what went wrong."""

    name: str
    about: str
    table: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    stories: list[str] = field(default_factory=list)
