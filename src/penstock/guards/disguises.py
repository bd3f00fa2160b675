"""Texts as they are compared, and what is hidden in them: letters of other scripts, codes, words read backwards."""

from __future__ import annotations

import html
import re
import unicodedata
from base64 import b32decode, b64decode
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import unquote

__all__ = ["SHIFTED", "fold", "variants"]

_INVISIBLE: Final = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_TAGS: Final = re.compile("[\U000e0020-\U000e007e]+")
_MARKS: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]"
)
_PERSIAN: Final = str.maketrans("\u06cc\u06a9\u0649", "\u064a\u0643\u064a")
_LIKE: Final = str.maketrans(
    "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0456\u0455\u0458\u0501\u04bb\u043a\u043c\u0442\u043d\u0432"
    "\u03b1\u03bf\u03c1\u03b5\u03b9\u03bd\u03c5\u03c4\u03ba\u0131\u0261\u04cf",
    "aceopxyisjdhkmthbaopeivutkigl",
)
_MIXED: Final = re.compile("[a-z][\u0370-\u052f]|[\u0370-\u052f][a-z]")
_SPACES: Final = re.compile(r"[ \t\r\f\v\u00a0\u2000-\u200a\u202f\u3000]+")

_LEET: Final = str.maketrans("013457@$", "oieastas")
_LEET_CHAR: Final = re.compile(r"[0134578@$]")
_LEET_WORD: Final = re.compile(
    r"(?<![\w@$])(?=[0-9@$]{0,20}[a-z])(?=[a-z]{0,20}[0134578@$])[a-z0134578@$]{2,24}(?![\w@$]|\.\w)"
)
_SINGLE: Final = re.compile(r"(?<!\w)[^\W\d_]([ .\-_*+|/])[^\W\d_](?!\w)(?:\1[^\W\d_](?!\w)){1,400}")
_APART: Final = re.compile(r"[ .\-_*+|/]\w[ .\-_*+|/]\w(?!\w)")
_GLUED: Final = re.compile(
    "ignore|disregard|forget|reveal|show|print|output|repeat|override|bypass|send|delete|all|any|every|previous|prior|above"
    "|your|the|my|me|and|you|are|now|system|prompt|instructions?|rules?|guidelines|filters?|password|secret|keys?|user|with"
    "|initial|hidden|without|restrictions?|developer|mode"
)
_BETWEEN: Final = re.compile(r"[ .\-_*+|/]+")
_SPACED_CJK: Final = re.compile(r"(?:[\u3040-\u30ff\u4e00-\u9fff] ){3,400}[\u3040-\u30ff\u4e00-\u9fff]")

_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_-]{16,}={0,2}")
_BASE32: Final = re.compile(r"(?<![A-Z2-7a-z])[A-Z2-7]{24,}={0,6}(?![A-Za-z])")
# Each begins with what its first character is, and looks behind it after that: so a text is searched fast.
_HEX: Final = re.compile(
    r"[0-9a-fA-F\\%](?<![0-9A-Za-z].)(?:(?<=[0\\])x[0-9a-fA-F]{2}|(?<=%)[0-9a-fA-F]{2}|(?<=[0-9a-fA-F])[0-9a-fA-F])"
    r"[ ,:]?(?:(?:0x|\\x|%)?[0-9a-fA-F]{2}[ ,:]?){7,}(?![0-9A-Za-z])"
)
_CODES: Final = re.compile(r"\d(?<!\d\d)\d{1,2}[ ,;]{1,2}(?:\d{2,3}[ ,;]{1,2}){6,}\d{2,3}(?!\d)")
_BINARY: Final = re.compile(r"[01](?<![01][01])[01]{7}[ ,]?(?:[01]{8}[ ,]?){5,}(?![01])")
_MORSE: Final = re.compile(r"[.\-](?<![.\-/].)[.\-]{0,5}[ /]{1,3}(?:[.\-]{1,6}[ /]{1,3}){7,}[.\-]{1,6}")
_ESCAPED: Final = re.compile(r"\\u([0-9a-fA-F]{4})")
_STRINGS: Final = re.compile(r'"([^"\n]{1,80})"')
_LONG_WORD: Final = re.compile(r"[a-z]{5,12}")
_CAMEL: Final = re.compile(r"[A-Z][a-z]{1,15}(?:[A-Z][a-z]{1,15}){3,}")
_HYPHENED: Final = re.compile(r"(?<=[a-z])-(?=[a-z])")
_LONG: Final = 16
"""Letters of the shortest word that may be a code, or words that were written as one."""
_NUMBERS: Final = re.compile(r"\d[ ,;:]{1,2}\d")
_MORSE_LETTERS: Final = (
    ".- -... -.-. -.. . ..-. --. .... .. .--- -.- .-.. -- -. --- .--. --.- .-. ... - ..- ...- .-- -..- -.-- --.. "
    "----- .---- ..--- ...-- ....- ..... -.... --... ---.. ----."
)
_MORSE_CODE: Final = dict(
    zip(
        _MORSE_LETTERS.split(),
        "abcdefghijklmnopqrstuvwxyz0123456789",
        strict=True,
    )
)
_KNOWN: Final = ("ignore", "instructions", "previous", "system", "prompt", "reveal", "rules", "disregard", "password")
_MOST: Final = 8
"""Hidden parts of one sort that are looked at."""


def _shift(word: str, by: int) -> str:
    return "".join(chr((ord(char) - 97 + by) % 26 + 97) if "a" <= char <= "z" else char for char in word)


SHIFTED: Final = {_shift(word, by): by for word in _KNOWN for by in range(1, 26)} | {word[::-1]: 0 for word in _KNOWN}
"""Words that show that letters were shifted, with how far; or read backwards: 0."""
_SHIFTED_WORDS: Final = frozenset(SHIFTED)


def fold(text: str) -> str:
    """In small letters of one kind, without accents or what can't be seen."""
    if not text.isascii():
        text = _TAGS.sub(lambda match: " " + "".join(chr(ord(char) - 0xE0000) for char in match.group()) + " ", text)
        text = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text))
        text = unicodedata.normalize("NFC", _MARKS.sub("", text)).replace("\u2019", "'").translate(_PERSIAN)
    low = text.lower()
    if not low.isascii() and _MIXED.search(low):
        low = low.translate(_LIKE)
    if "  " in low or "\t" in low or "\r" in low or not low.isascii():
        low = _SPACES.sub(" ", low)
    return low.replace("n't", " not")


def variants(text: str) -> Iterator[str]:
    """The text folded; then each thing that may be hidden in it, folded too."""
    low = fold(text)
    yield low
    words = low.split()
    has_long = max(map(len, words), default=0) >= _LONG
    yield from _rewritten(text, low, has_long=has_long)
    if not _SHIFTED_WORDS.isdisjoint(words):
        yield from _shifted(low)
    if not (has_long or _NUMBERS.search(text) or " .-" in text or " -" in text):
        return
    seen = 0
    for finder, decode in _CODED:
        for match in _most(finder, text):
            decoded = _readable(decode(match.group()))
            if decoded:
                seen += 1
                yield fold(decoded)
                if seen >= _MOST:
                    return


def _most(form: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    for number, match in enumerate(form.finditer(text)):
        if number >= _MOST:
            return
        yield match


def _rewritten(text: str, low: str, *, has_long: bool) -> Iterator[str]:
    """The whole, read in another way."""
    if _LEET_CHAR.search(low) and any(map(_is_leet, _LEET_WORD.findall(low))):
        yield _LEET_WORD.sub(lambda match: match.group().translate(_LEET), low).replace("n't", " not")
    if _APART.search(low) and _SINGLE.search(low):
        yield _together(text)
    if not text.isascii() and _INVISIBLE.search(text):
        yield fold(_INVISIBLE.sub(" ", text))
    if not low.isascii() and _SPACED_CJK.search(low):
        yield _SPACED_CJK.sub(lambda match: match.group().replace(" ", ""), low)
    if "\\u" in text and _ESCAPED.search(text):
        yield fold(_ESCAPED.sub(lambda match: chr(int(match[1], 16)), text))
    if "&#" in text:
        yield fold(html.unescape(text))
    if text.count("%") > 1 and (plain := unquote(text)) != text:
        yield fold(plain)
    if '"' in text and len(strings := _STRINGS.findall(text[:20_000])) > 2:
        yield fold("".join(strings))
    if low.count("\n") > 3 and low.count("\n") * 3 > low.count(" "):
        yield low.replace("\n", " ")
    if has_long and _CAMEL.search(text):
        yield fold(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text))
    if low.count("-") > 2 and len(_HYPHENED.findall(low)) > 2:
        yield _HYPHENED.sub("", low)


def _is_leet(word: str) -> bool:
    """It reads as a word, and half of it are letters already: no number with a unit and no code."""
    return len(word) > 2 and word.translate(_LEET).isalpha() and sum(map(str.isalpha, word)) * 2 >= len(word)


def _together(text: str) -> str:
    """Letters that stand apart put together; wider gaps between them are those between words."""

    def word(match: re.Match[str]) -> str:
        glued = _BETWEEN.sub("", match.group())
        return glued if len(glued) < 15 else _GLUED.sub(lambda known: f" {known.group()} ", glued)

    low = unicodedata.normalize("NFKC", text).lower()
    wide = re.sub(r"[ \t]{2,}", "\n", low)
    return _SPACES.sub(" ", _SINGLE.sub(word, wide).replace("\n", " "))


def _shifted(low: str) -> Iterator[str]:
    """The text read with its letters shifted, or backwards, where words tell of it."""
    ways: dict[int, int] = {}
    for word in _SHIFTED_WORDS.intersection(_LONG_WORD.findall(low[:20_000])):
        ways[SHIFTED[word]] = ways.get(SHIFTED[word], 0) + 1
    for by in [by for by, count in ways.items() if count > 1 or not by][:3]:
        if by:
            yield low.translate({97 + place: 97 + (place - by) % 26 for place in range(26)})
        else:
            yield "\n".join(line[::-1] for line in low.split("\n"))


def _readable(found: bytes) -> str:
    """As text, where it is one."""
    try:
        text = found.decode("utf-8")
    except ValueError:
        return ""
    letters = sum(char.isalpha() or char == " " for char in text)
    return text if letters >= 4 and letters * 4 > len(text) * 3 else ""


def _base64(text: str) -> bytes:
    body = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return b64decode(body[: len(body) - (len(body) % 4 == 1)] + "=" * (-len(body) % 4))
    except ValueError:
        return b""


def _base32(text: str) -> bytes:
    body = text.rstrip("=")
    try:
        return b32decode(body + "=" * (-len(body) % 8))
    except ValueError:
        return b""


def _hex(text: str) -> bytes:
    return bytes.fromhex(re.sub(r"0x|\\x|[%, :]", "", text))


def _decimal(text: str) -> bytes:
    return bytes(number for number in map(int, re.findall(r"\d+", text)) if number < 256)


def _binary(text: str) -> bytes:
    return bytes(int(byte, 2) for byte in re.findall(r"[01]{8}", text))


def _morse(text: str) -> bytes:
    words = re.split(r" ?/ ?| {2,}", text)
    return " ".join("".join(_MORSE_CODE.get(code, "") for code in word.split()) for word in words).encode()


_CODED: Final[tuple[tuple[re.Pattern[str], Callable[[str], bytes]], ...]] = (
    (_BASE64, _base64),
    (_BASE32, _base32),
    (_HEX, _hex),
    (_CODES, _decimal),
    (_BINARY, _binary),
    (_MORSE, _morse),
)
