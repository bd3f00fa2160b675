"""What a wire can't carry and an answer doesn't need: left out, and said once."""

from __future__ import annotations

import logging
from typing import Final

__all__ = ["dropped"]

_MOST_SAID: Final = 1024
_log = logging.getLogger("penstock.wire")
_said: set[tuple[str, str]] = set()


def dropped(wire: str, field: str, why: str) -> None:
    """Warn that `field` of a request is left out on `wire`; the same one is told once a process.

    For what changes no answer's meaning; the rest is refused.
    """
    if (wire, field) in _said or len(_said) >= _MOST_SAID:
        return
    _said.add((wire, field))
    _log.warning("%s: %s is left out: %s", wire, field, why)
