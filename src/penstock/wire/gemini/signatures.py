"""What Gemini signed: where each signature stood, and how it goes back there.

In the neutral form it is under `extra_content.google`: of a call or a picture `thought_signature`; of the message
`thought_signature` for the end of its text and `reasoning_signature` for the end of its thoughts. Where a signature
stood before the end, `signed_text` or `signed_reasoning` says behind how many characters.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, Final

__all__ = ["REASONING", "TEXT", "Signatures", "google_extra", "signed"]

TEXT: Final = ("thought_signature", "signed_text")
REASONING: Final = ("reasoning_signature", "signed_reasoning")
_Names = tuple[str, str]
_Part = dict[str, Any]


def google_extra(said: dict[str, Any]) -> dict[str, Any]:
    """What stands under `extra_content.google` of a message, a picture or a tool call."""
    extra = said.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    return google if isinstance(google, dict) else {}


class Signatures:
    """Those of one candidate's text, or of its thoughts, while it grows. `chars` is how much of it there is."""

    __slots__ = ("_at", "_last", "_names", "chars")

    def __init__(self, names: _Names) -> None:
        self._names = names
        self._last: str | None = None
        self._at = 0
        self.chars = 0

    def sign(self, signature: str) -> dict[str, Any]:
        """What is to be said of a signature that stands behind what there is."""
        earlier = self._placed()
        self._last, self._at = signature, self.chars
        return {**earlier, self._names[0]: signature}

    def settle(self) -> dict[str, Any]:
        """What is to be said of the last one if more came behind it; {} if nothing is."""
        return self._placed() if self.chars > self._at else {}

    def _placed(self) -> dict[str, Any]:
        if self._last is None:
            return {}
        placed = {"at": self._at, "thought_signature": self._last}
        self._last = None
        return {self._names[1]: [placed]}


def signed(parts: list[_Part], google: dict[str, Any], names: _Names) -> list[_Part]:
    """Parts of text, or of thought, with the signatures that `google` says they bore."""
    last, places = google.get(names[0]), google.get(names[1])
    placed: Any = None
    for one in places if isinstance(places, list) else ():
        at = one.get("at") if isinstance(one, dict) else None
        placed = one.get("thought_signature") if isinstance(one, dict) else None
        if isinstance(at, int) and isinstance(placed, str) and placed:
            parts = _cut(parts, at, placed, names)
    if not isinstance(last, str) or not last or last == placed:
        return parts
    if not parts or "thoughtSignature" in parts[-1]:
        return [*parts, _alone(last, names)]
    return [*parts[:-1], {**parts[-1], "thoughtSignature": last}]


def _cut(parts: list[_Part], at: int, signature: str, names: _Names) -> list[_Part]:
    """The same with a signature behind `at` characters: the part it falls into becomes two."""
    begun = 0
    for place, part in enumerate(parts):
        text = part.get("text")
        if not isinstance(text, str):
            continue
        ended = begun + len(text)
        if begun < at <= ended and not (at == ended and "thoughtSignature" in part):
            head = {**part, "text": text[: at - begun], "thoughtSignature": signature}
            rest = [{**part, "text": text[at - begun :]}] if at < ended else []
            return [*islice(parts, place), head, *rest, *islice(parts, place + 1, None)]
        begun = ended
    alone = _alone(signature, names)
    return [alone, *parts] if at <= 0 else [*parts, alone]


def _alone(signature: str, names: _Names) -> _Part:
    return {"text": "", **({"thought": True} if names is REASONING else {}), "thoughtSignature": signature}
