"""Texts of the blind and the varied set: lines in files, in which `{...}` is drawn from a seed of the line's own."""

from __future__ import annotations

import codecs
import json
import re
import string
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bench.guards.making import Make, upper

__all__ = ["Text", "injections", "texts"]

_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Text:
    """A line as it is measured."""

    text: str
    is_positive: bool
    start: int
    """Where the value stands in a positive one; 0 and 0 where there is none."""
    end: int
    sort: str = ""


_ALPHABETS = {
    "a": string.ascii_letters + string.digits,
    "d": string.digits,
    "p": string.digits,
    "h": "0123456789abcdef",
    "H": "0123456789ABCDEF",
    "l": string.ascii_lowercase,
    "L": string.ascii_uppercase,
    "U": upper,
    "B": string.ascii_uppercase + "234567",
    "s": string.ascii_letters + string.digits + "+/",
}


def _grouped(digits: str, form: str = "") -> str:
    """Digits in groups: "4 6 5" or "4-4-4-4"; the character between the lengths is that between the groups."""
    parts = re.split(r"([ .-])", form)
    if len(parts) == 1:
        return digits
    groups, start = [], 0
    for length in map(int, parts[::2]):
        groups.append(digits[start : start + length])
        start += length
    return parts[1].join([*groups, digits[start:]] if start < len(digits) else groups)


def _fours(iban: str, by: str = " ") -> str:
    return by.join(iban[start : start + 4] for start in range(0, len(iban), 4))


def _iban(make: Make, country: str, bban: str, form: str = "") -> str:
    whole = make.iban(country, bban)
    return _fours(whole) if form == "g" else whole


def _bad_iban(make: Make, country: str, bban: str, form: str = "") -> str:
    good = make.iban(country, bban)
    whole = f"{country}{(int(good[2:4]) + make.number(1, 90)) % 97:02d}{good[4:]}"
    return _fours(whole) if form == "g" else whole


def _ssn(make: Make, by: str) -> str:
    area = make.number(1, 899)
    area += area == 666  # never issued
    return by.join((f"{area:03d}", f"{make.number(1, 99):02d}", f"{make.number(1, 9999):04d}"))


def _jwt(make: Make, head: dict[str, str], signature: int = 32) -> str:
    claims = {"sub": make.alnum(12), "iat": make.number(1_600_000_000, 1_800_000_000)}
    return make.jwt(json.dumps(head).encode(), json.dumps(claims, separators=(",", ":")).encode(), signature)


def _jwe(make: Make) -> str:
    head = urlsafe_b64encode(b'{"alg":"RSA-OAEP","enc":"A256GCM"}').decode().rstrip("=")
    return ".".join([head, *(make.of(_ALPHABETS["a"], count) for count in (342, 16, 88, 22))])


_NAMED: dict[str, Callable[..., str]] = {
    "b": lambda make: str(make.number(1, 254)),
    "b64": lambda make, count: make.base64(int(count)),
    "luhn": lambda make, prefix, length, form="": _grouped(make.luhn(prefix, int(length)), form),
    "bad": lambda make, prefix, length, form="": _grouped(make.not_luhn(prefix, int(length)), form),
    "iban": _iban,
    "badiban": _bad_iban,
    "ibanlower": lambda make, country, bban: make.iban(country, bban).lower(),
    "ibandash": lambda make, country, bban: _fours(make.iban(country, bban), "-"),
    "ssn": lambda make: _ssn(make, "-"),
    "ssnplain": lambda make: _ssn(make, ""),
    "ssnspace": lambda make: _ssn(make, " "),
    "pem": lambda make, label, count: make.pem(label, int(count)),
    "pem1": lambda make, label, count: make.pem(label, int(count)).replace("\n", "\\n"),
    "pem2": lambda make, label, count: make.pem(label, int(count)).replace("\n", "\n  "),
    "pem3": lambda make, label, count: make.pem(label, int(count)).replace("\n", "\n> "),
    "pemcr": lambda make, label, count: make.pem(label, int(count)).replace("\n", "\r\n"),
    "jwt": lambda make, alg: _jwt(make, {"alg": alg, "typ": "JWT"}, 64 if alg[0] in "RP" else 32),
    "jwtnone": lambda make: _jwt(make, {"alg": "none"}).rpartition(".")[0] + ".",
    "jwtkid": lambda make: _jwt(make, {"kid": make.hex(8), "typ": "at+jwt", "alg": "RS256"}),
    "jwe": _jwe,
    "json64": lambda _: urlsafe_b64encode(b'{"just":"json","no":"token","in":"here"}').decode(),
}

_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
_LIKE = str.maketrans("aceopxyiIPES", "асеорхуіІРЕЅ")  # Cyrillic letters
_LEET = str.maketrans("aeios", "43105")
_BOLD = {
    **{ord(char): 0x1D41A + place for place, char in enumerate(string.ascii_lowercase)},
    **{ord(char): 0x1D400 + place for place, char in enumerate(string.ascii_uppercase)},
}

_DISGUISES: dict[str, Callable[[str], str]] = {
    "b64": lambda text: b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "spaced": lambda text: "   ".join(" ".join(word) for word in text.split()),
    "dotted": lambda text: " ".join(".".join(word) for word in text.split()),
    "zw": lambda text: "\u200b".join(text),
    "leet": lambda text: text.translate(_LEET),
    "full": lambda text: text.translate(_WIDE),
    "homo": lambda text: text.translate(_LIKE),
    "rev": lambda text: text[::-1],
    "tags": lambda text: "".join(chr(0xE0000 + ord(char)) for char in text),
    "math": lambda text: text.translate(_BOLD),
    "url": quote,
    "html": lambda text: "".join(f"&#{ord(char)};" for char in text),
    "uesc": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "accents": lambda text: "".join(char + ("\u0301" if char in "aeiou" else "") for char in text),
    "mixed": lambda text: "".join(char.upper() if place % 2 else char for place, char in enumerate(text)),
    "lines": lambda text: text.replace(" ", "\n"),
}


def _drawn(make: Make, text: str) -> str:
    def value(match: re.Match[str]) -> str:
        name, *rest = match[1].split(":")
        if name in _NAMED:
            return _NAMED[name](make, *rest)
        if (short := re.fullmatch(r"([a-zA-Z])(\d+)", name)) and not rest:
            count = int(short[2])
            if short[1] == "u":
                return make.urlsafe(count)
            if short[1] in _ALPHABETS:
                return make.of(_ALPHABETS[short[1]], count)
        return match[0]

    disguised = re.sub(r"\{(\w+)\|([^{}]*)\}", lambda match: _DISGUISES[match[1]](match[2]), text)
    return re.sub(r"\{([a-zA-Z]\w*(?::[^{}]*)?)\}", value, disguised)


def _lines(folder: str, name: str) -> list[tuple[bool, str]]:
    lines = (_FOLDER / folder / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [(line[0] == "+", line[2:].replace("\\n", "\n")) for line in lines if line[:2] in ("+ ", "- ")]


def texts(kind: str, folder: str = "blind") -> list[Text]:
    """The texts of a kind of value."""
    found = []
    for number, (is_positive, line) in enumerate(_lines(folder, kind)):
        text = _drawn(Make(f"{folder} {kind} {number}"), line)
        if not is_positive:
            found.append(Text(text, False, 0, 0))
            continue
        before, rest = text.split("«")
        value, after = rest.split("»")
        found.append(Text(before + value + after, True, len(before), len(before) + len(value)))
    return found


def injections(folder: str = "blind") -> list[Text]:
    """The texts of injections, each with its sort."""
    found = []
    for number, (is_positive, line) in enumerate(_lines(folder, "injection")):
        sort, _, text = line.partition(" ")
        found.append(Text(_drawn(Make(f"{folder} injection {number}"), text), is_positive, 0, 0, sort))
    return found
