"""Whether two questions that look alike have the same answer. Pure, symmetric, and no is the safe answer.

Nothing is guessed: every word of one question has to be accounted for in the other. What an embedder finds near is a
proposal; this decides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, Literal, get_args

from penstock.policies.semantic.profile import Profile, Word, kind_of, profile

__all__ = ["REASONS", "Reason", "Strictness", "refusal"]

Reason = Literal[
    "language",
    "code",
    "quotes",
    "numbers",
    "units",
    "dates",
    "names",
    "negation",
    "direction",
    "question",
    "tense",
    "words",
]
REASONS: Final[tuple[Reason, ...]] = get_args(Reason)
Strictness = Literal["words", "facts"]
"""`words`: every word that counts is in both. `facts`: names, numbers, negation and the like agree, and whether the
other words mean the same is left to the embedder."""

_STRICT: Final = ("to", "from", "by", "than", "as", "about")
_SHORT: Final = 3
_EXCHANGED: Final = frozenset(("", "in", "of"))
"""Parts that are taken for each other where the words stand in the same order: `days in May`, `the days of May`."""


def refusal(asked: str, kept: str, strictness: Strictness = "words") -> Reason | None:
    """Why the answer to one isn't the answer to the other; None when it is. The same whichever is which."""
    if asked == kept:
        return None
    one, other = profile(asked), profile(kept)
    if not one.words or not other.words:
        return "words"
    return _told(one, other) or _words(one, other, strictness)


def _told(one: Profile, other: Profile) -> Reason | None:
    """What differs in what stands outside the words."""
    if one.scripts != other.scripts and (one.scripts - {"LATIN"} or other.scripts - {"LATIN"}):
        return "language"
    if one.language and other.language and one.language != other.language:
        return "language"
    if one.code != other.code:
        return "code"
    if one.quotes != other.quotes:
        return "quotes"
    return None


def _words(one: Profile, other: Profile, strictness: Strictness) -> Reason | None:
    names = one.names | other.names
    left = _left(one.words, other.words)
    kinds = {_kind(word, names) for word in left}
    for reason in ("numbers", "units", "dates", "names"):
        if reason in kinds:
            return reason
    if one.negations != other.negations:
        return "negation"
    if "direction" in kinds:
        return "direction"
    if one.tenses and other.tenses and not one.tenses & other.tenses:
        return "tense"
    if one.asks != other.asks or one.modal != other.modal or _of_another_person(one, other):
        return "question"
    if strictness == "words":
        if left:
            return "words"
        return None if _same_parts(one.words, other.words) else "direction"
    return None if _same_parts(_facts(one.words, names), _facts(other.words, names)) else "direction"


def _of_another_person(one: Profile, other: Profile) -> bool:
    """`Where do I live?` isn't `Where do you live?`; in a longer question `you` is anyone."""
    here, there = one.persons, other.persons
    if {"my", "your"} <= here | there and not here & there & {"my", "your"}:
        return True
    is_short = len(one.words) <= _SHORT
    return is_short and {"i", "you"} <= here | there and not here & there & {"i", "you"}


def _left(one: Sequence[Word], other: Sequence[Word]) -> list[str]:
    """Words of either that the other lacks."""
    here, there = Counter(word.text for word in one), Counter(word.text for word in other)
    return [*((here - there) + (there - here))]


def _kind(word: str, names: frozenset[str]) -> Reason:
    kind = kind_of(word)
    return "names" if kind == "words" and word in names else kind  # type: ignore[return-value]


def _facts(words: Iterable[Word], names: frozenset[str]) -> list[Word]:
    return [word for word in words if _kind(word.text, names) != "words"]


def _same_parts(one: Sequence[Word], other: Sequence[Word]) -> bool:
    """The same words play the same parts: who does what to whom, from where to where.

    They do when they stand in the same order; when what a preposition marks has moved as a whole; or when one such
    phrase has become an attribute: `a branch in git`, `a git branch`.
    """
    here, there = _by_role(one), _by_role(other)
    if any(here.get(role) != there.get(role) for role in _STRICT):
        return False
    if here == there:
        return True
    return _in_one_order(one, other) or _moved(one, other) or _moved(other, one)


def _in_one_order(one: Sequence[Word], other: Sequence[Word]) -> bool:
    return len(one) == len(other) and all(
        here.text == there.text and (here.role == there.role or {here.role, there.role} <= _EXCHANGED)
        for here, there in zip(one, other, strict=True)
    )


def _by_role(words: Sequence[Word]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in words:
        found.setdefault("in" if word.role == "of" else word.role, []).append(word.text)
    return found


def _moved(one: Sequence[Word], other: Sequence[Word]) -> bool:
    """What a weak preposition marks here is an attribute there, and without it both are in one order."""
    texts = [word.text for word in other]
    for role, group in groupby(enumerate(one), lambda placed: placed[1].role):
        if role not in ("in", "of", "for"):
            continue
        run = [place for place, _ in group]
        phrase = [word.text for word in one[run[0] : run[-1] + 1]]
        rest = [*one[: run[0]], *one[run[-1] + 1 :]]
        for at in range(len(texts) - len(phrase)):
            end = at + len(phrase)
            if texts[at:end] == phrase and all(word.role in ("", "of") for word in other[at:end]):
                return _in_one_order(rest, [*other[:at], *other[end:]])
    return False
