"""From a model's text to the JSON that it means: alone, in a fence, or with words around it."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import msgspec

__all__ = ["Misfit", "json_in"]

_FENCE: Final = re.compile(r"```[a-zA-Z0-9_+-]*[ \t]*\r?\n?(.*?)```", re.DOTALL)
_MOST_BEGINNINGS: Final = 100
_SHOWN: Final = 80
_decoder = json.JSONDecoder()


class Misfit(Exception):
    """What is wrong with an answer, one text for each fault."""

    def __init__(self, *faults: str) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def json_in(text: str) -> Any:
    """The JSON of a text: all of it; else what its last readable fence holds; else its longest object or list.

    Raises `Misfit`.
    """
    stripped = text.strip()
    if not stripped:
        raise Misfit("the answer is empty; expected JSON")
    try:
        return msgspec.json.decode(stripped)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        why = str(error)
    for block in reversed(_FENCE.findall(stripped)):
        try:
            return msgspec.json.decode(block)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            continue
    found = _longest(stripped)
    if found is not None:
        return found
    shown = stripped if len(stripped) <= _SHOWN else stripped[:_SHOWN] + "..."
    raise Misfit(f"the answer is no JSON ({why}); it begins {shown!r}")


def _longest(text: str) -> Any:
    """The longest object or list that stands in the text; None when there is none."""
    best, length, place = None, 0, 0
    for _ in range(_MOST_BEGINNINGS):
        begun = re.compile(r"[{\[]").search(text, place)
        if begun is None:
            break
        place = begun.start()
        try:
            value, end = _decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            place += 1
            continue
        if end - place > length:
            best, length = value, end - place
        place = end
    return best
