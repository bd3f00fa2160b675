"""A question taken apart: what in it decides the answer, in a form in which the same question is the same. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import Final, NamedTuple

from penstock.policies.semantic.lexicon import (
    AUXILIARIES,
    COMPARATIVES,
    DATES,
    FILLERS,
    FOREIGN_NEGATIONS,
    INFINITIVES,
    IRREGULAR,
    LANGUAGES,
    MODALS,
    NEGATIONS,
    NO_SUFFIX,
    NUMBERS,
    PERSONS,
    QUESTIONS,
    STRICT_ROLES,
    SYNONYMS,
    TENSES,
    UNITS,
    WEAK_ROLES,
)
from penstock.policies.semantic.rewriting import REWRITES

__all__ = ["Profile", "Word", "kind_of", "profile"]


class Word(NamedTuple):
    """A word that counts: the part it plays ("" for none that is marked), and its normal form."""

    role: str
    text: str


class Profile(NamedTuple):
    """What decides the answer to a text."""

    language: str
    """"" where nothing tells."""
    scripts: frozenset[str]
    code: tuple[str, ...]
    quotes: tuple[str, ...]
    negations: int
    asks: tuple[str, ...]
    """What kind of answer is wanted."""
    modal: str
    tenses: frozenset[str]
    """`past`, `present`, `future`: what its auxiliary verbs say."""
    persons: frozenset[str]
    """Who is spoken of: `i`, `my`, `you`, `your`."""
    words: tuple[Word, ...]
    names: frozenset[str]
    """Words that are written as names, in normal form."""


_CODE: Final = re.compile(r"```.*?```|``.+?``|`[^`\n]+`", re.DOTALL)
_QUOTED: Final = re.compile(
    r'"([^"]+)"|“([^”]+)[”“]|„([^“”]+)[“”]|«([^»]+)»|‘([^’]+)’|(?:(?<=\s)|^)\'([^\'\n]+)\'(?=[\s.,;:?!)]|$)', re.DOTALL
)
_ADDRESS: Final = re.compile(
    r"\b[a-z][a-z0-9+.-]*://\S+|\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}|(?<!\w)[~.]*/[\w./-]+|\b[A-Za-z]:\\\S+",
    re.IGNORECASE,
)
_NUMBER: Final = r"\d+(?:[.,:/]\d+)*"
_TOKEN: Final = re.compile(
    rf"{_NUMBER}|[^\W\d_](?:[\w]|[.](?=\w)|'(?=[^\Ws]))*(?:\+\+|#)?|_\w+|[%$€£¥°]|[-+*/=<>^|&~@](?=[\s\d(])|[,.;:?!]|[^\w\s]"
)
_THOUSANDS: Final = re.compile(r"(?<=\d),(?=\d{3}\b)")
_POSSESSIVE: Final = re.compile(r"(?<=\w)'s\b|(?<=s)'(?=\s)")
_OWNED: Final = "\x00"
_SHOUTED: Final = re.compile(r"\b[A-Z]{2,}\b|(?<=[a-z,] )[A-HJ-Z]\b")
_SINGLE: Final = re.compile(r"(?<=[a-z,] )([A-Z]\w+) I\b")
_MINUS: Final = re.compile(r"(?<![\w)])-(?=\d)")
_MONTH_BEFORE: Final = frozenset(
    ("in", "on", "since", "until", "of", "last", "next", "by", "this", "early", "late", "before", "after", "from", "to")
)
_SUBJECTS: Final = frozenset(("i", "you", "we", "they", "he", "she", "it", "to", "not"))
_STOPS: Final = frozenset(",.;:?!")
_PLACES: Final = {"code": "qqcode", "quote": "qqquote", "address": "qqaddress"}
_REMEMBERED: Final = 4096


@lru_cache(_REMEMBERED)
def profile(text: str) -> Profile:
    """The text's profile."""
    text = unicodedata.normalize("NFKC", text)
    code: list[str] = []
    quotes: list[str] = []

    def keep_code(found: re.Match[str]) -> str:
        code.append(found[0].strip("`").strip())
        return f" {_PLACES['code']} "

    def keep_address(found: re.Match[str]) -> str:
        code.append(found[0].rstrip(".,;:?!)"))
        return f" {_PLACES['address']} "

    def keep_quote(found: re.Match[str]) -> str:
        quotes.append(next(group for group in found.groups() if group is not None).strip())
        return f" {_PLACES['quote']} "

    text = _CODE.sub(keep_code, text)
    text = _QUOTED.sub(keep_quote, text)
    text = _ADDRESS.sub(keep_address, text)
    language = _language(text)
    plain = _MINUS.sub(" minus ", _THOUSANDS.sub("", text))
    spoken = _SINGLE.sub(r"\1 qqi", plain if plain.isupper() else _SHOUTED.sub(_kept_apart, plain))
    lowered = " ".join(spoken.lower().split())
    is_english = language in ("en", "")
    if is_english:
        for pattern, by in REWRITES:
            lowered = pattern.sub(by, lowered)
    pieces = _TOKEN.findall(_POSSESSIVE.sub(f" {_OWNED}", lowered).replace("-", " - " if _is_sum(lowered) else " "))
    reading = _Reading(pieces) if is_english else _foreign(pieces)
    return Profile(
        language,
        _scripts(text),
        tuple(code),
        tuple(quotes),
        reading.negations,
        reading.wanted(),
        reading.modal,
        frozenset(reading.tenses),
        frozenset(PERSONS[piece] for piece in pieces if piece in PERSONS) if is_english else frozenset(),
        tuple(reading.words),
        _names(plain, is_english),
    )


def _kept_apart(found: re.Match[str]) -> str:
    """A word in capitals that would say nothing in small letters: IT, WHO, vitamin A."""
    word = found[0].lower()
    small = word in FILLERS or word in AUXILIARIES or word in MODALS or word in QUESTIONS or word in WEAK_ROLES
    return f"qq{word}" if small or word in STRICT_ROLES or word in NEGATIONS else found[0]


def _is_sum(text: str) -> bool:
    return bool(re.search(r"[\w)] - [\w(]", text))


class _Reading:
    """English pieces, one after the other, and what they come to."""

    def __init__(self, pieces: list[str]) -> None:
        self.words: list[Word] = []
        self.asks: list[str] = []
        self.modal = ""
        self.negations = 0
        self.tenses: set[str] = set()
        self._role = ""
        self._is_first, self._is_asked, self._has = True, False, False
        for before, piece, after in zip(["", *pieces], pieces, [*pieces[1:], ""], strict=False):
            is_month = piece == "may" and (before in _MONTH_BEFORE or before.isdigit() or after.isdigit())
            if piece in _STOPS or piece == _OWNED:
                self._pause(piece)
                continue
            if is_month:
                self.words.append(Word(self._role, piece))
            elif piece == "to" and _stem(after) in _VERBS:
                pass
            else:
                self._take(piece, before)
            self._is_first = False

    def wanted(self) -> tuple[str, ...]:
        """What kind of answer."""
        if self.asks or not self._is_asked or any(word.text == "or" for word in self.words):
            return tuple(sorted(ask for ask in self.asks if ask))
        return ("yes-no, to have" if self._has else "yes-no",)

    def _pause(self, piece: str) -> None:
        if piece == _OWNED:
            if self.words:
                self.words[-1] = Word("of", self.words[-1].text)
        else:
            self._is_first = True
        self._role = ""

    def _take(self, piece: str, before: str) -> None:
        sort, value = _SORTS.get(piece, ("word", ""))
        if sort == "role":
            self._role = value
        elif sort == "word":
            self.words.append(Word("degree" if _is_degree(piece) else self._role, _normal(piece)))
        elif sort != "filler":
            self._role = ""
            self._note(sort, value, piece, before)

    def _note(self, sort: str, value: str, piece: str, before: str) -> None:
        if sort == "negation":
            self.negations += 1
            self.words.append(Word("", value))
        elif sort == "question":
            self.asks.append(value)
        elif sort == "verb":
            self._is_asked |= self._is_first
            self._has |= not self._is_first and piece in ("have", "has", "had")
            self.modal = self.modal or value
            if piece in TENSES and not (piece == "do" and before in _SUBJECTS):
                self.tenses.add(TENSES[piece])


_SORTS: Final = {
    **dict.fromkeys(FILLERS, ("filler", "")),
    **{word: ("role", role) for word, role in (WEAK_ROLES | STRICT_ROLES).items()},
    **dict.fromkeys(AUXILIARIES, ("verb", "")),
    **{word: ("verb", modal) for word, modal in MODALS.items()},
    **{word: ("question", word) for word in QUESTIONS},
    **dict.fromkeys(("what", "which"), ("question", "")),
    **dict.fromkeys(("i", "you", "we"), ("subject", "")),
    **{word: ("negation", value) for word, value in NEGATIONS.items()},
}
"""What a piece is, where a table says so, and what it stands for."""


def _foreign(pieces: list[str]) -> _Reading:
    """Tokens of another language: each is a word for itself."""
    reading = _Reading([])
    for piece in pieces:
        reading.negations += piece in FOREIGN_NEGATIONS
        if piece not in _STOPS and piece != _OWNED and (piece not in FILLERS or len(piece) < 4):
            reading.words.append(Word("", _normal(piece, is_english=False)))
    return reading


def _is_degree(piece: str) -> bool:
    return piece in COMPARATIVES or (piece.endswith("est") and len(piece) > 5 and piece not in NO_SUFFIX)


def _normal(piece: str, *, is_english: bool = True) -> str:
    if (unit := UNITS.get(piece)) is not None:
        return unit
    if not is_english:
        return piece
    if (number := NUMBERS.get(piece)) is not None:
        return number
    piece = IRREGULAR.get(piece, piece)
    found = SYNONYMS.get(piece)
    if found is not None:
        return found
    stem = _stem(piece)
    return _STEMS.get(stem, stem)


def _stem(piece: str) -> str:
    """Without the endings of plurals, tenses and adverbs."""
    if len(piece) < 4 or piece in NO_SUFFIX or not piece.isalpha() or not piece.isascii():
        return piece
    for ending, by, least in _ENDINGS:
        if piece.endswith(ending) and len(piece) - len(ending) + len(by) >= least:
            piece = piece[: len(piece) - len(ending)] + by
            if ending in ("ing", "ed") and len(piece) > 3 and piece[-1] == piece[-2] and piece[-1] not in "lsz":
                piece = piece[:-1]
            break
    return piece[:-1] if piece.endswith("e") and len(piece) > 3 else piece


_ENDINGS: Final = (
    ("ies", "y", 4),
    ("ied", "y", 4),
    ("sses", "ss", 4),
    ("xes", "x", 3),
    ("ches", "ch", 4),
    ("shes", "sh", 4),
    ("ss", "ss", 3),
    ("us", "us", 3),
    ("is", "is", 3),
    ("s", "", 3),
    ("ing", "", 3),
    ("ed", "", 3),
    ("ly", "", 4),
)
_VERBS: Final = frozenset(map(_stem, INFINITIVES))
_STEMS: Final = {_stem(word): first for word, first in SYNONYMS.items()}


def _language(text: str) -> str:
    counts = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    shares = {name: sum(counts[word] for word in words) for name, words in LANGUAGES.items()}
    best = max(shares.values())
    leading = [name for name, share in shares.items() if share == best]
    return leading[0] if best and len(leading) == 1 else ""


def _scripts(text: str) -> frozenset[str]:
    return frozenset(unicodedata.name(char, "?").partition(" ")[0] for char in text if char.isalpha())


def _names(text: str, is_english: bool) -> frozenset[str]:
    """Words with a capital that no sentence begins with, in capitals altogether, or with a digit in them."""
    found = set()
    for match in re.finditer(r"[^\W_][\w.+#]*", text):
        word = match[0].rstrip(".")
        before = text[: match.start()].rstrip(" \"'(“")
        begins = not before or before[-1] in ".?!:\n"
        is_name = (word[0].isupper() and not begins) or (len(word) > 1 and any(char.isupper() for char in word[1:]))
        if is_name and word.lower() not in FILLERS and word.lower() not in QUESTIONS:
            found.add(_normal(word.lower(), is_english=is_english))
    return frozenset(found)


def kind_of(word: str) -> str:
    """What sort of word a normal form is: `numbers`, `units`, `dates`, `direction` or `words`."""
    if any(char.isdigit() for char in word):
        return "numbers"
    if word in UNITS:
        return "units"
    if word in _DATES:
        return "dates"
    return "direction" if word in COMPARATIVES else "words"


_DATES: Final = frozenset(_normal(word) for word in DATES)
