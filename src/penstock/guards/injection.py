"""Scores how much a text reads like an order to the model that wasn't meant to be one. A heuristic, no proof."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from math import exp
from typing import Any, Final, NamedTuple

from penstock.guards.disguises import variants
from penstock.guards.lexicon import Lexicon, lexicon

__all__ = ["BESIDE", "Score", "Sign", "Signs", "injection_score", "signs", "with_neighbours"]


class Score(NamedTuple):
    """From 0, nothing found, to 1; and the names of what was found."""

    score: float
    found: tuple[str, ...]


class Sign(NamedTuple):
    """Meanings that say more together than each alone, and how much they say: below 0 that it is no order.

    Of each of the groups one meaning must be there: `close` within a few words, `near` in the sentence, `around` there
    or in the two sentences before or behind; none of `without` may be in the sentence.
    """

    name: str
    weight: float
    close: tuple[int, ...]
    near: tuple[int, ...]
    around: tuple[int, ...]
    without: int


_END: Final = re.compile(
    r"([.!?;\n\u3002\uff01\uff1f\uff1b\u0964\u06d4\u061f]"
    r"(?:(?<=[.!?;])[.!?;]*(?=[\s\"')\]]|$)|(?<=\n)\n*|(?<=[^.!?;\n])))"
)
_QUOTES: Final = ('"', "'", "`", "\u201c", "\u201e", "\u00ab", "\u2018")
_QUOTED: Final = re.compile(r"(?:^|[\s(\[:])[\"\u201c\u201e\u00ab`'\u2018](?=\w)")
_MARKS: Final = (
    '< [ # { = / | @ : ( -- " assistant model label classif mark output score judge rank sudo end note drop rm rate 10'
)
_STRUCTURE: Final = tuple(_MARKS.split())
"""One of them is in every text that has a form."""
_ENDS: Final = (
    ".example",
    ".com",
    ".org",
    ".net",
    ".io",
    ".test",
    ".json",
    ".md",
    ".py",
    ".toml",
    ".txt",
    ".csv",
    "openai/",
)
_ADDRESS: Final = re.compile(
    r"\b\w{1,20}://\S+|(?<!\S)\S{1,64}@[\w.-]+|(?<![\w.-])[\w.-]{1,64}\.(?:example|com|org|net|io|test)\b\S*"
    r"|\b[\w-]{1,40}\.(?:jsonl?|md|py|toml|txt|csv)\b|\bopenai/[\w.-]{1,40}"
)
"""Places of the net, files and models: their words are names."""
_AROUND: Final = 2
"""Sentences before and behind one that are around it."""
BESIDE: Final = 0.4
"""How much of what the sentence before or behind says counts."""
_CLOSE: Final = 6
"""Words that are close to each other."""
_WEAK: Final = {"context", "verb", "word"}
"""Signs that add to others and tell nobody anything."""
_MOST_CHARS: Final = 200_000
_MOST_KNOWN: Final = 20_000
_MOST_DAMPED: Final = 24
"""Sentences that only speak of injections; where there are more, they are taken for what they say."""


class Signs:
    """The table of signs with its lexicon, ready to be looked for."""

    def __init__(self, table: dict[str, Any]) -> None:
        self.bias: float = table["bias"]
        more = (*table["form"], "QUESTION", "QUOTED", "FIRST", "HIDDEN_TEXT", "ANY")
        self.words: Lexicon = lexicon(more)
        bits = self.words.bits
        self.forms: list[tuple[int, tuple[str, ...], re.Pattern[str]]] = []
        self.told: list[tuple[int, int, int, re.Pattern[str]]] = []
        for name, form in table["form"].items():
            pattern = re.compile(_filled(form["form"], table["part"]))
            if "where" in form:
                also = _either(bits, form.get("also", form["where"]))
                self.told.append((bits[name], _either(bits, form["where"]), also, pattern))
            else:
                self.forms.append((bits[name], tuple(form["with"]), pattern))

        def groups(row: dict[str, Any], key: str) -> tuple[int, ...]:
            return tuple(_either(bits, one) for one in row.get(key, ()))

        self.signs = tuple(
            Sign(
                row["name"],
                row["weight"],
                groups(row, "close"),
                groups(row, "near"),
                groups(row, "around"),
                _either(bits, row["without"]) if "without" in row else 0,
            )
            for row in table["sign"]
        )
        self.doing = _either(bits, "WAIVE UNDO SHOW SEND ACT SAY PERSONA")
        self.telling = 0
        for _, where, _, _ in self.told:
            self.telling |= where
        self._close: dict[int, frozenset[int]] = {}
        self._near: dict[int, tuple[int, ...]] = {}

    def found(self, text: str, *, hidden: bool = False) -> Iterator[list[int]]:
        """Of each sentence of a folded text the signs in it, by their place in the table."""
        sentences = list(self._sentences(text, hidden=hidden))
        spoken_of = self.words.bits["DISCUSS"]
        is_repeated = (
            len(sentences) > _MOST_DAMPED and sum(bool(near & spoken_of) for near, _ in sentences) > _MOST_DAMPED
        )
        for place, (near, closes) in enumerate(sentences):
            around = near
            for other, _ in sentences[max(0, place - _AROUND) : place + _AROUND + 1]:
                around |= other
            found = self._of(near, closes, around)
            yield [one for one in found if self.signs[one].weight > 0] if is_repeated else found

    def _of(self, near: int, closes: Iterable[int], around: int) -> list[int]:
        candidates = set(self._near.get(near) or self._near_ones(near))
        for window in closes:
            candidates |= self._close_ones(window)
        signs = self.signs
        found = []
        for number in candidates:
            sign = signs[number]
            if near & sign.without or (sign.around and not all(around & group for group in sign.around)):
                continue
            if not (sign.close and sign.near) or all(near & group for group in sign.near):
                found.append(number)
        return found

    def _near_ones(self, near: int) -> tuple[int, ...]:
        found = self._near.get(near)
        if found is None:
            if len(self._near) >= _MOST_KNOWN:
                self._near.clear()
            found = self._near[near] = tuple(
                number
                for number, sign in enumerate(self.signs)
                if not sign.close and all(near & group for group in sign.near)
            )
        return found

    def _close_ones(self, window: int) -> frozenset[int]:
        found = self._close.get(window)
        if found is None:
            if len(self._close) >= _MOST_KNOWN:
                self._close.clear()
            found = self._close[window] = frozenset(
                number
                for number, sign in enumerate(self.signs)
                if sign.close and all(window & group for group in sign.close)
            )
        return found

    def _sentences(self, text: str, *, hidden: bool) -> Iterator[tuple[int, set[int]]]:
        """Of each sentence: what is meant in it, and what is meant within a few words."""
        bits = self.words.bits
        forms = []
        for mark in _STRUCTURE:
            if mark in text:
                forms = [(bit, form) for bit, anchors, form in self.forms if any(anchor in text for anchor in anchors)]
                break
        question, quoted, first, hidden_bit = (bits[name] for name in ("QUESTION", "QUOTED", "FIRST", "HIDDEN_TEXT"))
        has_address = "://" in text or "@" in text or any(end in text for end in _ENDS)
        has_quotes = any(mark in text for mark in _QUOTES)
        parts = _END.split(text)
        parts.append("")
        for number in range(0, len(parts) - 1, 2):
            sentence = parts[number]
            if not sentence or sentence == " ":
                continue
            words = _ADDRESS.sub(" ", sentence) if has_address else sentence
            hits = self.words.hits(words)
            near = 0
            closes = set()
            for place, (at, meant) in enumerate(hits):
                near |= meant
                window = meant
                for other, more in hits[place + 1 : place + _CLOSE]:
                    if other - at >= _CLOSE:
                        break
                    window |= more
                if window != meant or meant & (meant - 1):
                    closes.add(window)
            if hits and hits[0][0] <= 1 and hits[0][1] & self.doing:
                near |= first
            for bit, form in forms:
                if form.search(sentence):
                    near |= bit
            for bit, where, also, form in self.told if near & self.telling else ():
                if near & where and near & also and form.search(sentence):
                    near |= bit
            if near:
                if "?" in parts[number + 1] or "\uff1f" in parts[number + 1]:
                    near |= question
                if has_quotes and _QUOTED.search(sentence):
                    near |= quoted
                if hidden:
                    near |= hidden_bit
            yield near, closes


def with_neighbours(totals: list[float]) -> list[float]:
    """What each sentence says, with some of what the stronger one of those beside it says."""
    padded = [0.0, *totals, 0.0]
    return [
        total + BESIDE * max(0.0, padded[place], padded[place + 2]) if total > 0 else total
        for place, total in enumerate(totals)
    ]


def _filled(form: str, parts: dict[str, str]) -> str:
    for name, part in parts.items():
        form = form.replace(f"%{name}%", part)
    return form


def _either(bits: dict[str, int], names: str) -> int:
    found = 0
    for name in names.split():
        found |= bits[name]
    return found


@cache
def signs() -> Signs:
    """Read when the first text is scored."""
    text = (resources.files("penstock.guards") / "injection.toml").read_text(encoding="utf-8")
    return Signs(tomllib.loads(text))


def injection_score(text: str) -> Score:
    """How much of an injection the text reads like. Of very long texts the first and the last 100,000 characters."""
    if len(text) > _MOST_CHARS:
        half = _MOST_CHARS // 2
        text = text[:half] + "\n" + text[-half:]
    table = signs()
    best, best_signs = 0.0, []
    for number, variant in enumerate(variants(text)):
        sentences = list(table.found(variant, hidden=number > 0))
        totals = [sum(table.signs[one].weight for one in found) for found in sentences]
        for place, total in enumerate(with_neighbours(totals)):
            if total > best:
                best, best_signs = total, sentences[place]
    if not best:
        return Score(0.0, ())
    names = {table.signs[one].name for one in best_signs if table.signs[one].weight > 0}
    return Score(round(1 / (1 + exp(-best - table.bias)), 3), tuple(sorted(names - _WEAK)) or ("wording",))
