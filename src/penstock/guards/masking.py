"""Masks what is found in a text that comes in pieces."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from typing import Final

from penstock.guards.kinds import find
from penstock.guards.vault import masked

__all__ = ["MOST_HELD", "Masking"]

MOST_HELD: Final = 4096
"""Characters of a stream that are held back at most, for a private key that has no end yet or a word without one."""
_BEHIND: Final = 64
"""Characters that went on already and are looked at again: "Tel." says what the digits behind it are."""
_BLOCK: Final = "-----BEGIN"
_MOST_GROUPS: Final = 40
_SPACES: Final = (" ", "\n", "\t", "\u00a0")
_IN_WORD: Final = re.compile(r"[\w.+/=@%!#$&*~:-]*")
_BLOCK_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}-----")


class Masking:
    """The last word is held back, or the last group of digits: something may become of it. `counts` says what was
    masked, by kind. With `mask=False` the text goes on as it is."""

    __slots__ = ("_behind", "_held", "_kinds", "_mask", "_swallowing", "counts")

    def __init__(self, kinds: Collection[str], *, mask: bool = True) -> None:
        self._kinds = kinds
        self._mask = mask
        self._behind = ""
        self._held = ""
        self._swallowing = ""
        self.counts: Counter[str] = Counter()

    def feed(self, text: str) -> str:
        """What may go on."""
        if self._swallowing:
            text = self._swallowed(text)
        held = self._held + text
        if len(held) > MOST_HELD:
            return self._out(held, len(held), is_cut=True)
        cut = self._safe(held)
        if not cut:
            # Nothing is ready, so nothing is looked for: a word of any length costs what it costs once.
            self._held = held
            return ""
        return self._out(held, cut)

    def end(self) -> str:
        """What was held back."""
        self._swallowing = ""
        return self._out(self._held, len(self._held))

    def _safe(self, text: str) -> int:
        """Where what may still grow begins."""
        start = _word(text, len(text))
        first = start
        # And the words before it while they may belong to one number: "+49 170 123", "NL91 ABNA 04".
        while start and first - start < _MOST_GROUPS:
            end = start - 1
            before = _word(text, end)
            if not _is_group(text[before:end]):
                break
            start = before
        block = text.rfind(_BLOCK)
        if block >= 0 and _BLOCK_END.search(text, block) is None:
            start = min(start, block)
        return start

    def _out(self, text: str, cut: int, *, is_cut: bool = False) -> str:
        behind = len(self._behind)
        whole = self._behind + text
        spans = [span for span in find(whole, self._kinds) if span.start >= behind]
        if not is_cut:
            for span in spans:
                if span.start < behind + cut < span.end:
                    cut = span.start - behind
        ready = [span for span in spans if span.end <= behind + cut]
        for span in ready:
            self.counts[span.kind] += 1
        if is_cut and ready and ready[-1].end == len(whole):
            self._swallowing = ready[-1].kind
        self._held = text[cut:]
        self._behind = whole[: behind + cut][-_BEHIND:]
        if not ready or not self._mask:
            return text[:cut]
        return masked(whole[: behind + cut], ready)[behind:]

    def _swallowed(self, text: str) -> str:
        """What is left of a piece behind the rest of something so long that it was masked before its end."""
        if self._swallowing == "private_key":
            end = _BLOCK_END.search(self._behind + text)
            self._behind = "" if end else (self._behind + text)[-_BEHIND:]
            if end is None:
                return "" if self._mask else text
            self._swallowing = ""
            return text[-(end.endpos - end.end()) :] if end.endpos > end.end() else ""
        match = _IN_WORD.match(text)
        rest = text[match.end() :] if match else text
        if rest:
            self._swallowing = ""
        return rest if self._mask else text


def _word(text: str, end: int) -> int:
    """Where the word begins that ends at `end`."""
    return max(text.rfind(space, 0, end) for space in _SPACES) + 1


def _is_group(word: str) -> bool:
    return any(map(str.isdigit, word)) or word in ("+", "-", "/", "(") or (len(word) <= 4 and word.isupper())
