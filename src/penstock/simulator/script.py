"""What a reply is before anyone plays it: a header, pieces with their times, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

__all__ = ["End", "Piece", "Script"]

Piece = tuple[float, bytes]
"""Seconds to wait, then the bytes; never empty bytes."""
End = Literal["complete", "close", "reset", "hang"]
"""`close`: the connection ends where it stands; `hang`: nothing more ever comes."""


class Script(msgspec.Struct, kw_only=True):
    """One reply as it will be played, over a socket or in memory. `pieces` is read once."""

    status: int = 200
    """0: not even a header comes."""
    headers: dict[str, str] = {}
    length: int | None = None
    """The Content-Length that is announced, true or not; None: the body comes in chunks."""
    wait_s: float = 0.0
    """Before the header."""
    pieces: Iterable[Piece] = ()
    end: End = "complete"
    on_end: Callable[[bool], None] | None = None
    """Called once when it is over; True when all of it was played and the peer was still there."""
