"""Finds addresses and numbers of people, by form and by checksum where there is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv6Address

from penstock.guards.span import Span

__all__ = ["cards", "emails", "ibans", "ips", "phones", "ssns"]

_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.){1,8}([^\W\d_]{2,24})(?![\w@])")
_LOCAL = frozenset("._%+'-")
_PATH = re.compile(r":~?[\w.-]*/[\w.-]")
"""What makes a place of it: `git@host:path/to`."""
_NO_TLD = frozenset(("css", "gif", "html", "jpeg", "jpg", "js", "json", "md", "png", "py", "svg", "ts", "webp"))

_RUN = re.compile(r"(?<!\d,)(?<![\w.])(?:\+ ?)?\(?\d[\d ()./\u00a0-]{5,22}\d(?!\w)")
_NORTH_AMERICAN = re.compile(r"(?:\+?1[ .-]?)?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])[2-9]\d\d[-. ]\d{4}")
_CALLED = re.compile(
    r"(?:tel(?:e?[fp]h?on[eo]?)?|phone|call(?: me)?(?: at| on)?|mobile|mobil|cell|fax|whatsapp|handy|m[óo]vil)"
    r"[\w ]{0,10}[.:]{0,2} {0,2}$",
    re.IGNORECASE,
)
_CARD = re.compile(
    r"(?<![\w.-])(?:\d{13,19}|\d{4}(?:([ -])\d{4})(?:\1\d{4}){2}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{5})(?![\w-]|\.\d)"
)
_ISSUERS = re.compile(r"4|5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)|3[47]|3(?:0[0-5]|[689])|35|6(?:011|4[4-9]|5|2)")
_SSN = re.compile(r"(?<![\w-])(\d{3})-(\d{2})-(\d{4})(?![\w-])")
_SSN_NAMED = re.compile(
    r"(?:\bssn\b|social security)(?: (?:number|no\.?))?(?: is)?[ :#]{1,3}(\d{3})[ -]?(\d{2})[ -]?(\d{4})(?!\d)",
    re.IGNORECASE,
)
_IBAN = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2})\d{2} ?[A-Za-z0-9]")
_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 "
    "FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IS26 IT27 JO30 KW30 KZ20 LB28 LI21 "
    "LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 "
    "SE24 SI19 SK24 SM27 TN24 TR26 UA29 VA22 VG24 XK20 "
)
_IBAN_LENGTHS = {country[:2]: int(country[2:]) for country in _LENGTHS.split()}
_V4 = re.compile(r"(?<![\w.])(?<![A-Za-z]/)(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)")
_V6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?![\w:])")
_VERSION = re.compile(r"(?:versions?|release|build|firmware|v\.?) ?$", re.IGNORECASE)
_DIGIT = re.compile(r"\d")


def emails(text: str) -> Iterator[Span]:
    """`local@domain.tld`, in letters of any script; not where a path follows, as in `git@host:a/b`."""
    place = text.find("@")
    while place >= 0:
        start = place
        while start and place - start < 64 and (text[start - 1].isalnum() or text[start - 1] in _LOCAL):
            start -= 1
        while start < place and text[start] in ".'-%":
            start += 1
        match = _DOMAIN.match(text, place + 1) if start < place else None
        if match is not None and match.group(1).lower() not in _NO_TLD and not _PATH.match(text, match.end()):
            yield Span(start, match.end(), "email")
        place = text.find("@", place + 1)


def phones(text: str) -> Iterator[Span]:
    """International numbers, North American ones as they are usually written, others after a word such as "Tel."."""
    for match in _RUN.finditer(text) if _DIGIT.search(text) else ():
        run = match.group()
        digits = sum(map(str.isdigit, run))
        if not 7 <= digits <= 15:
            continue
        is_international = run[0] == "+" and digits >= 8
        if run.startswith("00") and run[2] != "0" and digits >= 10:
            is_international = any(mark in run for mark in " -/()")
        if (
            is_international
            or _NORTH_AMERICAN.fullmatch(run)
            or _CALLED.search(text[max(0, match.start() - 24) : match.start()])
        ):
            yield Span(match.start(), match.end(), "phone")


def cards(text: str) -> Iterator[Span]:
    """13 to 19 digits of a known issuer whose Luhn sum is right."""
    if _DIGIT.search(text) is None:
        return
    for match in _CARD.finditer(text):
        digits = match.group().replace(" ", "").replace("-", "")
        if _ISSUERS.match(digits) and len(set(digits)) > 1 and _luhn(digits):
            yield Span(match.start(), match.end(), "card")


def _luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def ibans(text: str) -> Iterator[Span]:
    """Of a country that has them, of its length, with the right check digits."""
    for match in _IBAN.finditer(text) if _DIGIT.search(text) else ():
        length = _IBAN_LENGTHS.get(match.group(1).upper())
        end = _end_of(text, match.start(), length) if length else None
        if end is None:
            continue
        packed = text[match.start() : end].replace(" ", "").upper()
        if int("".join(str(int(char, 36)) for char in packed[4:] + packed[:4])) % 97 == 1:
            yield Span(match.start(), end, "iban")


def _end_of(text: str, start: int, length: int) -> int | None:
    """Where so many letters and digits, single spaces between them, end; None where something else comes before."""
    place = start
    while length:
        if place >= len(text):
            return None
        char = text[place]
        if char.isascii() and char.isalnum():
            length -= 1
        elif char != " " or text[place - 1] == " ":
            return None
        place += 1
    return None if place < len(text) and text[place].isalnum() else place


def ssns(text: str) -> Iterator[Span]:
    """US social security numbers that can have been given out: with dashes, or after their name."""
    for form in (_SSN, _SSN_NAMED) if _DIGIT.search(text) else ():
        for match in form.finditer(text):
            area, group, serial = match.groups()
            if area not in ("000", "666") and area < "900" and group != "00" and serial != "0000":
                yield Span(match.start(1), match.end(3), "ssn")


def ips(text: str) -> Iterator[Span]:
    """IPv4 but in version numbers, IPv6 but for loopback and what only looks like two words."""
    if _DIGIT.search(text) is None:
        return
    if ":" in text:
        for match in _V6.finditer(text):
            address = match.group().rstrip(".")
            if len(address) > 4 and _DIGIT.search(address) and _is_v6(address):
                yield Span(match.start(), match.start() + len(address), "ip")
    if "." in text:
        for match in _V4.finditer(text):
            is_version = _VERSION.search(text[max(0, match.start() - 12) : match.start()])
            if not is_version and all(int(part) <= 255 for part in match.group().split(".")):
                yield Span(match.start(), match.end(), "ip")


def _is_v6(address: str) -> bool:
    try:
        IPv6Address(address)
    except ValueError:
        return False
    return True
