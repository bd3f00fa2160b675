"""Finds addresses and numbers of people, by form and by checksum where there is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv6Address

from penstock.guards.span import Span

__all__ = ["cards", "emails", "ibans", "ips", "phones", "ssns"]

_DOMAIN = re.compile(r"(?:[\w-]{1,63}\.){1,8}(xn--[a-z0-9-]{2,30}|[^\W\d_]{2,24})(?![\w@])")
_LOCAL = frozenset("._%+'-")
_PATH = re.compile(r":~?[\w.-]*/[\w.-]|:/")
"""What makes a place of it: `git@host:path/to`."""
_NO_TLD_WORDS = (
    "bat class corp cpp css csv dll exe filter getter gif go gz hpp html internal java jpeg jpg js json jsx lan "
    "local localdomain localhost lock log map mark md mount pdf png property py rb route service setter sh socket "
    "sty svg target tex timer toml ts tsx txt vue webp whl xml yaml yml"
)
_NO_TLD = frozenset(_NO_TLD_WORDS.split())
_LOGINS = frozenset(("git", "hg", "svn"))
"""Names that are no person's at any host."""
_REMOTE = re.compile(
    r"(?:(?:^|[\s`$'\"(])(?:ssh|scp|sftp|rsync|mosh|ssh-copy-id|autossh)\b[^\n@]{0,48}|\w{2,20}://[^\s@]{0,32}|@)$"
)
"""What stands before a login at a host, or a handle."""
_SPELT = re.compile(
    r"(?<![\w.+-])([\w.+-]{1,64})(?: ?[\[({] ?at ?[\])}] ?|%40|\uff20|&#64;|&commat;| AT |"
    r" @ (?=[\w.-]{1,64}\.(?:com|org|net|edu|gov|io|de|fr|uk|eu|ch|at|it|es|nl|pl|ru|jp|cn|br|in)\b))"
    r"([\w-]{1,63}(?:(?:\.| ?[\[({] ?(?:dot|punkt|punto|point) ?[\])}] ?| DOT )[\w-]{1,63}){1,5})(?!\w)"
)
_AT_NUMBER = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@\[[0-9A-Fa-f.:]{7,45}\]")

_RUN = re.compile(r"(?<!\d,)(?<![\w.])(?:\+ ?)?\(?\d[\d ()./\u00a0\u2010-\u2013\u202f-]{5,24}\d(?!\w)")
_NORTH_AMERICAN = re.compile(r"(?:\+?1[ .-]?)?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])[2-9]\d\d[-. ]\d{4}")
_NATIONAL = re.compile(
    # With a 0 before the area, as it is written in most of Europe, Japan, Korea and Australia.
    r"0[1-9](?:([ .-])\d\d)(?:\1\d\d){3}"
    r"|0[1-9]\d{0,3} ?[/] ?\d{3}[\d -]{2,7}\d"
    r"|(?:0[1-9]\d{0,3}[ -]|\(0[1-9]\d{0,3}\) ?)\d{3,4}[ -]\d{3,4}"
    r"|0[1-9]\d{2,3}[ -]\d{6,8}"
    r"|0[1-9]\d{1,3} \d{5,8}(?:-\d{1,4})?"
    r"|0[1-9]\d?-\d{3,4}-\d{4}|0[1-9]-\d{8}|0[1-9]0-\d{4}-\d{4}"
    r"|0[1-9]\d{1,2}[ -]\d{3}(?: \d\d){2}"
    r"|8 ?[( -]9\d\d[) -]{1,2}\d{3}[ -]\d\d[ -]\d\d"
    r"|\([1-9]\d\) ?9?\d{4}-\d{4}|1[3-9]\d[ -]\d{4}[ -]\d{4}"
)
_NO_PHONE_WORDS = (
    "account acct art article batch bestellnummer bestellung bill booking case chapter claim commande contract "
    "customer docket doi ean epoch flight gtin id imei invoice isbn issn item konto kontonummer license lot "
    "member model order orderid page pages part patent pedido po policy pp rechnung rechnungsnummer ref reference "
    "room score scores serial seriennummer sku span ticket trace tracking upc vat version zip"
)
_NO_PHONE = frozenset(_NO_PHONE_WORDS.split())
"""Words before numbers that nobody calls."""
_CALLED_WORDS = (
    "appeler appelez appelle call cell cellphone cellulare celular contact dial fax gsm handy handynummer hotline "
    "komórka mob mobil mobile movil móvil numéro ph phone phones portable puh puhelin ring ruf rufe rufnummer "
    "rückruf signal sms tel telefon telefone telefonnummer telefono telefonu telefoon telephone telepon teléfono "
    "text tlf téléphone whatsapp моб тел телефон טלפון هاتف फ़ोन 手机 手機 携帯 电话 電話 전화 휴대폰"
)
_CALLED = frozenset(_CALLED_WORDS.split())
"""Words before numbers that somebody calls."""
_WORDS = re.compile(r"[^\W\d_]+")
_CARD = re.compile(
    r"(?<![\d.-])(?<![A-Za-z])(?:\d{8}[ -]\d{8}|\d{6}[ -]\d{13}|\d{4}(?:\d{8,15}|"
    r"(?:[ ./_\u00a0\u2010-\u2013-]{1,2}\d{2,13}){2,5}|[ -]\d{8,10}))(?![\w-]|\.\d)"
)
_CARD_LENGTHS = (
    # What the numbers of an issuer begin with, and how many digits they have.
    (re.compile(r"4"), (13, 16, 19)),
    (re.compile(r"5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720)"), (16,)),
    (re.compile(r"3[47]"), (15,)),
    (re.compile(r"3(?:0[0-5]|[689])"), (14, 16)),
    (re.compile(r"35(?:2[89]|[3-8])"), (16, 19)),
    (re.compile(r"6(?:011|4[4-9]|5|2)"), (16, 17, 18, 19)),
    (re.compile(r"50|5[6-8]|6[0137]|220"), (13, 16, 18, 19)),
)
_SSN = re.compile(r"(?<![\w-])(\d{3})-(\d{2})-(\d{4})(?![\w-])")
_SSN_NAMED = re.compile(
    r"(?:\bssn\b|\bss ?#|soc(?:ial|\.)?[ _-]sec(?:urity|\.)?|\bmy social)(?:[ _-](?:number|num|"
    r"no\.?))?[\"'>]{0,2}(?: (?:is|was))?"
    r"[ :#=\"'\u2013-]{1,5}(\d{3})[ .-]?(\d{2})[ .-]?(\d{4})(?!\d)|<ssn>(\d{3})[ -]?(\d\d)[ -]?(\d{4})<",
    re.IGNORECASE,
)
_IBAN = re.compile(r"(?:(?<![A-Za-z0-9])|(?<=IBAN))([A-Za-z]{2})\d{2}[ .\u00a0-]?[A-Za-z0-9]")
_IBAN_BETWEEN = " -.\u00a0\u202f"
_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 "
    "FI18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IS26 IT27 JO30 KW30 KZ20 LB28 LI21 "
    "LT20 LU20 LV21 MC27 MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 "
    "SE24 SI19 SK24 SM27 TN24 TR26 UA29 VA22 VG24 XK20 "
)
_IBAN_LENGTHS = {country[:2]: int(country[2:]) for country in _LENGTHS.split()}
_V4 = re.compile(
    r"(?<![\w.])(?<![A-Za-z][/-])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d|\.(?:tar|zip|gz|whl|jar|deb|rpm|tgz|exe|dmg)\b)"
)
_V6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]*:[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*(?![\w:])")
_VERSIONS_WORDS = (
    "abschnitt android annex appendix article assemblyversion build chapter chrome clause driver fig figure "
    "fileversion firmware ios item java kapitel kernel library macos node numbering oid package para paragraph "
    "patch plugin python release released releases req requirement rev revision rule sdk section sections step "
    "table tag ubuntu update updated upgrade upgraded v version versions windows ziffer"
)
_VERSIONS = frozenset(_VERSIONS_WORDS.split())
"""Words before numbers with points that are no addresses."""
_OF_VERSION = re.compile(
    r"(?:(?:\u00a7{1,2}|==|[<>~]=|~>|\^)[ :]{0,2}|([^\W\d_]+)\.?(?:\([\"']?| from)?[ :=\"']{0,3})$"
)
_ON_TO = (" to ", " -> ", " and ", " or ", " through ", " until ")
_FROM_VERSION = re.compile(r"\d(?:\.\d{1,3}){3} (?:to|->|and|or|through|until) $")
_ABOUT_IPS = re.compile(
    r"(?i)\b(?:ip|ipv4|host|server|dns|ping|addr|address|from|gateway|subnet|router|resolver|nameserver|"
    r"ssh|curl|connect\w*|listen\w*|at)\b|[@/]$"
)
_WELL_KNOWN = frozenset(("1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4", "9.9.9.9", "4.4.4.4", "4.2.2.2", "4.2.2.1"))
_DASHES = str.maketrans("\u2010\u2011\u2012\u2013\u00a0\u202f", "----  ")
_DIGIT = re.compile(r"\d")


def emails(text: str) -> Iterator[Span]:
    """`local@domain.tld`, in letters of any script, and spelt as `local (at) domain.tld`; not logins at a host, such as
    `git@host:a/b` or what `ssh` is given, nor handles."""
    place = text.find("@")
    while place >= 0:
        start = place
        while start and place - start < 64 and (text[start - 1].isalnum() or text[start - 1] in _LOCAL):
            start -= 1
        while start < place and text[start] in ".'-%":
            start += 1
        match = _DOMAIN.match(text, place + 1) if start < place else None
        if match is not None and not _is_login(text, start, place, match):
            yield Span(start, match.end(), "email")
        place = text.find("@", place + 1)
    low = text.lower() if "at" in text or "AT" in text else ""
    if (
        "%40" in text
        or "\uff20" in text
        or "&#64;" in text
        or "@ " in text
        or " AT " in text
        or any(mark in low for mark in ("(at)", "[at]", "{at}", "( at", "[ at", "{ at"))
    ):
        for spelt in _SPELT.finditer(text):
            if _ends_as_domain(spelt.group(2)):
                yield Span(spelt.start(), spelt.end(), "email")
    if "@[" in text:
        for match in _AT_NUMBER.finditer(text):
            yield Span(match.start(), match.end(), "email")


def _is_login(text: str, start: int, place: int, match: re.Match[str]) -> bool:
    if match.group(1).lower() in _NO_TLD or _PATH.match(text, match.end()) or text[start:place] in _LOGINS:
        return True
    return _REMOTE.search(text[max(0, start - 60) : start]) is not None


def _ends_as_domain(domain: str) -> bool:
    end = re.split(r"[^\w-]+|DOT", domain)[-1].lower()
    return 2 <= len(end) <= 24 and end.isalpha() and end not in _NO_TLD


def phones(text: str) -> Iterator[Span]:
    """International numbers, North American ones as they are usually written, others after a word such as "Tel."."""
    for match in _RUN.finditer(text) if _DIGIT.search(text) else ():
        run = match.group()
        digits = sum(map(str.isdigit, run))
        if not 7 <= digits <= 15:
            continue
        words = _WORDS.findall(text[max(0, match.start() - 32) : match.start()].lower())[-3:]
        is_called = not _CALLED.isdisjoint(words) or "reach me" in " ".join(words)
        if is_called or (_is_phone(run.translate(_DASHES), digits) and _NO_PHONE.isdisjoint(words[-2:])):
            yield Span(match.start(), match.end(), "phone")


def _is_phone(run: str, digits: int) -> bool:
    if run[0] == "+":
        return digits >= 8
    if run.startswith("00") and run[2] != "0" and digits >= 10:
        return any(mark in run for mark in " -/()")
    if _NORTH_AMERICAN.fullmatch(run):
        return True
    return 9 <= digits <= 12 and _NATIONAL.fullmatch(run) is not None


def cards(text: str) -> Iterator[Span]:
    """13 to 19 digits of a known issuer whose Luhn sum is right."""
    if _DIGIT.search(text) is None:
        return
    for match in _CARD.finditer(text):
        digits = "".join(filter(str.isdigit, match.group()))
        if len(set(digits)) < 2 or not _luhn(digits):
            continue
        if any(len(digits) in lengths and issuer.match(digits) for issuer, lengths in _CARD_LENGTHS):
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
        packed = "".join(filter(str.isalnum, text[match.start() : end])).upper()
        if int("".join(str(int(char, 36)) for char in packed[4:] + packed[:4])) % 97 == 1:
            yield Span(match.start(), end, "iban")


def _end_of(text: str, start: int, length: int) -> int | None:
    """Where so many letters and digits, spaces or dashes between them, end; None where something else comes first."""
    place = start
    while length:
        if place >= len(text):
            return None
        char = text[place]
        if char.isascii() and char.isalnum():
            length -= 1
        elif char not in _IBAN_BETWEEN or not text[place - 1].isalnum():
            return None
        place += 1
    return None if place < len(text) and text[place].isalnum() else place


def ssns(text: str) -> Iterator[Span]:
    """US social security numbers that can have been given out: with dashes, or after their name."""
    if _DIGIT.search(text) is None:
        return
    low = text.lower()
    is_named = any(name in low for name in ("ssn", "soc", "ss#", "ss #"))
    for form in (_SSN, _SSN_NAMED) if is_named else (_SSN,):
        for match in form.finditer(text):
            first = 1 if match.group(1) else 4
            area, group, serial = match.group(first, first + 1, first + 2)
            if area not in ("000", "666") and area < "900" and group != "00" and serial != "0000":
                yield Span(match.start(first), match.end(first + 2), "ssn")


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
            parts = [int(part) for part in match.group().split(".")]
            if max(parts) <= 255 and not _is_version(text, match, parts):
                yield Span(match.start(), match.end(), "ip")


def _is_version(text: str, match: re.Match[str], parts: list[int]) -> bool:
    """What is called one, and four single digits that nothing calls an address."""
    before = text[max(0, match.start() - 40) : match.start()]
    is_package = before[-1:] == "@" and max(parts) < 30 and parts[0] < 10
    if is_package or _is_called_version(before) or match.group().startswith("1.3.6.1"):
        return True
    if before.endswith(_ON_TO) and _FROM_VERSION.search(before):
        earlier = before.rstrip().rsplit(" ", 1)[0].rsplit(" ", 1)
        return len(earlier) < 2 or _is_called_version(earlier[0] + " ")
    return max(parts) <= 9 and match.group() not in _WELL_KNOWN and not _ABOUT_IPS.search(before)


def _is_called_version(before: str) -> bool:
    match = _OF_VERSION.search(before, max(0, len(before) - 20))
    return match is not None and (match.group(1) is None or match.group(1).lower() in _VERSIONS)


def _is_v6(address: str) -> bool:
    """A whole one, or a shortened one of the ranges that are given out."""
    try:
        number = int(IPv6Address(address))
    except ValueError:
        return False
    groups = address.split(":")
    if "" not in groups:
        return any(len(group) != 2 for group in groups)
    return number >> 125 == 1 or number >> 121 in (0x7E, 0x7F) or number < 1 << 48 or number >> 96 == 0x64FF9B
