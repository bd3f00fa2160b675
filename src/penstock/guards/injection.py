"""Scores how much a text reads like an order to the model that wasn't meant to be one. A heuristic, no proof."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from base64 import b64decode
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

__all__ = ["Score", "injection_score"]


class Score(NamedTuple):
    """From 0, nothing found, to 1; and the names of what was found."""

    score: float
    found: tuple[str, ...]


_INVISIBLE: Final = dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF))
_SPACES: Final = re.compile(r"[ \t\r\f\v\u00a0]+")
_LEET: Final = str.maketrans("013457@$", "oieastas")
_LEET_CHAR: Final = re.compile(r"[0134578@$]")
_LEET_WORD: Final = re.compile(r"\b(?=[a-z]*[0134578@$]+[a-z])[a-z0134578@$]{4,}\b")
_SPREAD_SOME: Final = re.compile(r"[ .\-_*]\w[ .\-_*]\w[ .\-_*]")
_SPREAD: Final = re.compile(r"\b(?:\w[ .\-_*]){4,}\w\b")
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{24,}={0,2}")
_QUOTES: Final = ('"', "'", "`", "\u201c", "\u201d", "\u201e", "\u00ab", "\u00bb", "\u2018", "\u2019")
_ABOUT: Final = re.compile(
    r"\b(?:means?|meaning|called|phrases?|words|term|attacks?|injections?|examples?|paper|detect\w*|classif\w*)\b"
)
_SPOKEN_OF: Final = 0.5
_MOST_MENTIONS: Final = 64
_MOST_CHARS: Final = 200_000
_MOST_DECODED: Final = 8


@cache
def _rules() -> tuple[tuple[str, float, tuple[str, ...], re.Pattern[str]], ...]:
    """Name, weight, words of which one must be there, form. Read when the first text is scored."""
    data = tomllib.loads((resources.files("penstock.guards") / "injection.toml").read_text(encoding="utf-8"))
    rules = []
    for rule in data["rule"]:
        form = "|".join(rule["forms"])
        for name, words in data["words"].items():
            form = form.replace(f"%{name}%", words)
        rules.append((rule["name"], rule["weight"], tuple(rule["words"]), re.compile(form, re.MULTILINE)))
    return tuple(rules)


def injection_score(text: str) -> Score:
    """How much of an injection the text reads like. Of very long texts the first and the last 100,000 characters."""
    if len(text) > _MOST_CHARS:
        half = _MOST_CHARS // 2
        text = text[:half] + "\n" + text[-half:]
    found: dict[str, float] = {}
    for variant in _variants(text):
        for name, weight, anchors, form in _rules():
            if found.get(name, 0.0) >= weight or not any(anchor in variant for anchor in anchors):
                continue
            meant = _meant(variant, form)
            if meant:
                found[name] = max(found.get(name, 0.0), weight * meant)
    left = 1.0
    for weight in found.values():
        left *= 1 - weight
    return Score(round(1 - left, 3), tuple(sorted(found)))


def _meant(text: str, form: re.Pattern[str]) -> float:
    """How much of a sign counts: 1 where it is meant once; less where it is only spoken of; 0 without one."""
    mentions = 0
    for match in form.finditer(text):
        mentions += 1
        if mentions > _MOST_MENTIONS or not _is_mention(text, match):
            return 1.0
    return _SPOKEN_OF if mentions else 0.0


def _is_mention(text: str, match: re.Match[str]) -> bool:
    """Whether it stands in quotes and the sentence around speaks of it."""
    before, after = text[max(0, match.start() - 48) : match.start()], text[match.end() : match.end() + 48]
    if not before.rstrip().endswith(_QUOTES) or not after.lstrip(" .!").startswith(_QUOTES):
        return False
    return _ABOUT.search(before) is not None or _ABOUT.search(after) is not None


def _variants(text: str) -> list[str]:
    """The text as it is compared; and what is hidden in it, where something may be."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text.translate(_INVISIBLE))
    low = _SPACES.sub(" ", plain.replace("\u2019", "'").lower())
    variants = [low]
    if _LEET_CHAR.search(low) and _LEET_WORD.search(low):
        variants.append(_LEET_WORD.sub(lambda match: match.group().translate(_LEET), low))
    if _SPREAD_SOME.search(low) and _SPREAD.search(low):
        variants.append(_SPREAD.sub(lambda match: re.sub(r"[ .\-_*]", "", match.group()), low))
    for match in list(_BASE64.finditer(plain))[:_MOST_DECODED]:
        try:
            decoded = b64decode(match.group() + "=" * (-len(match.group()) % 4)).decode("utf-8")
        except ValueError:
            continue
        variants.append(decoded.lower())
    return variants
