"""What the words of a text mean, in the languages of the table beside it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Final

from penstock.guards.disguises import fold

__all__ = ["Lexicon", "lexicon"]

_WORD: Final = re.compile(r"\w+")
_UNSPACED: Final = re.compile("[\u0590-\u1cff\u3040-\ud7ff\uf900-\ufdff]")
"""Scripts whose words have no spaces between them, or other letters in front; they are looked for anywhere."""
_MOST_KNOWN: Final = 20_000
_LONGEST: Final = 24
Phrases = dict[str, list[tuple[tuple[str, ...], int]]]
"""By their second word: their others and their meaning."""
Stems = list[tuple[tuple[str, ...], int]]
"""Phrases whose second word is only begun."""
_NONE: Final[tuple[int, Phrases, Stems]] = (0, {}, [])


class Lexicon:
    """Meanings are bits; `bits` has those of each name."""

    __slots__ = ("_anywhere", "_known", "_lengths", "_phrases", "_silent", "_stems", "_words", "bits")

    def __init__(self, meanings: dict[str, str], more: Iterable[str]) -> None:
        """`meanings`: words by their meaning's name; `more`: names of meanings that no words have."""
        self.bits = {name: 1 << place for place, name in enumerate((*meanings, *more))}
        self._words: dict[str, int] = {}
        self._stems: dict[str, int] = {}
        self._phrases: dict[str, Phrases] = {}
        self._anywhere: dict[str, list[tuple[str, int]]] = {}
        self._known: dict[str, tuple[int, Phrases, Stems]] = {}
        self._silent: set[str] = set()
        for name, words in meanings.items():
            for word in words.replace("\n", " ").split(","):
                self._add(fold(word.strip()), self.bits[name])
        self._lengths = sorted({len(stem) for stem in self._stems})

    def _add(self, word: str, bit: int) -> None:
        if not word:
            return
        if _UNSPACED.search(word):
            part = word.rstrip("* ")
            places = self._anywhere.setdefault(part[:2], [])
            places.append((part, bit))
            return
        first, *rest = _parts(word)
        if rest:
            second, *others = rest
            # A beginning of a word can't be looked up, so it is compared.
            key = "" if second.endswith("*") else second
            phrases = self._phrases.setdefault(first, {}).setdefault(key, [])
            phrases.append((tuple(others) if key else tuple(rest), bit))
        elif first.endswith("*"):
            self._stems[first[:-1]] = self._stems.get(first[:-1], 0) | bit
        else:
            self._words[first] = self._words.get(first, 0) | bit

    def _meaning(self, word: str) -> tuple[int, Phrases, Stems]:
        bits = self._words.get(word, 0)
        for length in self._lengths:
            if length > len(word):
                break
            bits |= self._stems.get(word[:length], 0)
        phrases = self._phrases.get(word, {})
        found = (bits, phrases, phrases.get("", [])) if bits or phrases else _NONE
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
            self._silent.clear()
        if len(word) <= _LONGEST:
            self._known[word] = found
            if found is _NONE:
                self._silent.add(word)
        return found

    def hits(self, sentence: str) -> list[tuple[int, int]]:
        """Where in a folded sentence, counted in words, which meanings are."""
        words = _WORD.findall(sentence)
        known, silent = self._known, self._silent
        last = len(words) - 1
        found = []
        for place in [place for place, word in enumerate(words) if word not in silent]:
            bits, phrases, stems = known.get(words[place]) or self._meaning(words[place])
            if phrases and place < last and (begun := phrases.get(words[place + 1])):
                for rest, bit in begun:
                    if not rest or _follows(words, place + 2, rest):
                        bits |= bit
            for rest, bit in stems:
                if _follows(words, place + 1, rest):
                    bits |= bit
            if bits:
                found.append((place, bits))
        if not sentence.isascii() and _UNSPACED.search(sentence):
            found += self._scanned(sentence)
            found.sort()
        return found

    def _scanned(self, sentence: str) -> list[tuple[int, int]]:
        found = []
        anywhere = self._anywhere
        for place in range(len(sentence)):
            for key in (sentence[place : place + 2], sentence[place]):
                for part, bit in anywhere.get(key, ()):
                    if sentence.startswith(part, place):
                        found.append((place // 2, bit))
        return found


def _parts(word: str) -> list[str]:
    """The words of an entry; the last may end in *."""
    return re.findall(r"\w+\*?", word) or [word]


def _follows(words: list[str], place: int, rest: tuple[str, ...]) -> bool:
    if place + len(rest) > len(words):
        return False
    for word, wanted in zip(words[place : place + len(rest)], rest, strict=True):
        if word != wanted and not (wanted[-1] == "*" and word.startswith(wanted[:-1])):
            return False
    return True


@cache
def lexicon(more: tuple[str, ...]) -> Lexicon:
    """Read when the first text is scored."""
    data = tomllib.loads((resources.files("penstock.guards") / "injection_words.toml").read_text(encoding="utf-8"))
    return Lexicon(data["words"], more)
