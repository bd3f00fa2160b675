"""Arguments of a function call that come piece by piece (`streamFunctionCallArguments` on Vertex AI)."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

__all__ = ["Growing"]

_MOST_ITEMS: Final = 10_000
"""A list longer than this is nobody's argument."""


class Growing:
    """The arguments so far. A piece names its place in them by a JSON path, such as `$.towns[0].name`."""

    __slots__ = ("_whole",)

    def __init__(self) -> None:
        self._whole: dict[str, Any] = {}

    def add(self, pieces: Any) -> None:
        """What `partialArgs` say; a text goes on where one stands already. What can't be placed is left out."""
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, dict) and isinstance(piece.get("jsonPath"), str):
                steps = _steps(piece["jsonPath"])
                if steps and isinstance(steps[0], str):
                    _put(self._whole, steps, _value(piece))

    def json(self) -> str:
        """The arguments as JSON text."""
        return msgspec.json.encode(self._whole).decode()


def _steps(path: str) -> list[str | int]:
    # Built where it is first needed: hardly anybody streams arguments.
    found = re.findall(r"""\.([^.\[\]]+)|\[(\d{1,5})\]|\[["']((?:[^"'\\]|\\.)*)["']\]""", path)
    return [int(number) if number else name or quoted for name, number, quoted in found]


def _value(piece: dict[str, Any]) -> Any:
    for name in ("stringValue", "boolValue"):
        if name in piece:
            return piece[name]
    number = piece.get("numberValue")
    return int(number) if isinstance(number, float) and number.is_integer() else number


def _put(whole: Any, steps: list[str | int], value: Any) -> None:
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, int):
            if not isinstance(whole, list) or step > _MOST_ITEMS:
                return
            whole.extend([None] * (step + 1 - len(whole)))
            known = whole[step]
        else:
            if not isinstance(whole, dict):
                return
            known = whole.get(step)
        if following is None:
            goes_on = isinstance(known, str) and isinstance(value, str)
            whole[step] = known + value if goes_on else value
        else:
            if not isinstance(known, (dict, list)):
                known = whole[step] = [] if isinstance(following, int) else {}
            whole = known
