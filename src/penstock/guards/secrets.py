"""Finds keys, tokens and passwords by the forms that their vendors gave them. A form nobody gave isn't found."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from itertools import pairwise

from penstock.guards.span import Span, looks_random

__all__ = ["api_keys", "aws_keys", "jwts", "passwords", "private_keys"]

_VENDORS: tuple[tuple[str, str], ...] = (
    # What a key begins with, and what follows.
    ("sk-", r"[A-Za-z0-9_-]{20,}"),
    ("sk_live_", r"[A-Za-z0-9]{16,}"),
    ("sk_test_", r"[A-Za-z0-9]{16,}"),
    ("rk_live_", r"[A-Za-z0-9]{16,}"),
    ("rk_test_", r"[A-Za-z0-9]{16,}"),
    ("whsec_", r"[A-Za-z0-9+/=]{20,}"),
    ("AIza", r"[A-Za-z0-9_-]{35}"),
    ("GOCSPX-", r"[A-Za-z0-9_-]{20,}"),
    ("ya29.", r"[A-Za-z0-9_-]{20,}"),
    ("ghp_", r"[A-Za-z0-9]{30,}"),
    ("gho_", r"[A-Za-z0-9]{30,}"),
    ("ghu_", r"[A-Za-z0-9]{30,}"),
    ("ghs_", r"[A-Za-z0-9]{30,}"),
    ("ghr_", r"[A-Za-z0-9]{30,}"),
    ("github_pat_", r"[A-Za-z0-9_]{30,}"),
    ("glpat-", r"[A-Za-z0-9_-]{20,}"),
    ("xoxb-", r"[A-Za-z0-9-]{20,}"),
    ("xoxp-", r"[A-Za-z0-9-]{20,}"),
    ("xoxa-", r"[A-Za-z0-9-]{20,}"),
    ("xapp-", r"[A-Za-z0-9-]{20,}"),
    ("hf_", r"[A-Za-z0-9]{30,}"),
    ("gsk_", r"[A-Za-z0-9]{40,}"),
    ("xai-", r"[A-Za-z0-9]{40,}"),
    ("pplx-", r"[A-Za-z0-9]{30,}"),
    ("r8_", r"[A-Za-z0-9]{30,}"),
    ("csk-", r"[A-Za-z0-9]{30,}"),
    ("tvly-", r"[A-Za-z0-9-]{20,}"),
    ("fw_", r"[A-Za-z0-9]{20,}"),
    ("nvapi-", r"[A-Za-z0-9_-]{40,}"),
    ("SG.", r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("SK", r"[0-9a-f]{32}(?![0-9a-f])"),
    ("key-", r"[0-9a-f]{32}(?![0-9a-f])"),
    ("npm_", r"[A-Za-z0-9]{30,}"),
    ("pypi-AgE", r"[A-Za-z0-9_-]{40,}"),
    ("dop_v1_", r"[0-9a-f]{40,}"),
    ("shpat_", r"[0-9a-fA-F]{32}"),
    ("dapi", r"[0-9a-f]{32}"),
    ("lin_api_", r"[A-Za-z0-9]{30,}"),
    ("ntn_", r"[A-Za-z0-9]{30,}"),
    ("hvs.", r"[A-Za-z0-9_-]{20,}"),
    ("glsa_", r"[A-Za-z0-9_]{30,}"),
    ("sbp_", r"[0-9a-f]{30,}"),
    ("figd_", r"[A-Za-z0-9_-]{30,}"),
    ("PMAK-", r"[0-9a-f]{20,}-[0-9a-f]{20,}"),
    ("lsv2_", r"[a-z]{2}_[0-9a-f]{30,}_[0-9a-f]+"),
    ("ATATT3", r"[A-Za-z0-9_=-]{40,}"),
    ("EAACEdEose0cBA", r"[A-Za-z0-9]{20,}"),
)
_TAILS = tuple((prefix, re.compile(tail)) for prefix, tail in _VENDORS)
_TELEGRAM = re.compile(r"(?<!\d)\d{8,10}:AA[A-Za-z0-9_-]{32,34}(?![A-Za-z0-9_-])")
_NAMED = re.compile(
    r"(?:api[_ -]?key|access[_ -]?token|auth[_ -]?token|secret[_ -]?key|client[_ -]?secret|[_-]token|apikey)"
    r"""["']?\s*[:=]\s*["']?([A-Za-z0-9_./+=-]{16,})""",
    re.IGNORECASE,
)
_NAMES = ("key", "token", "secret")

_AWS_ID = re.compile(
    r"(?<![A-Za-z0-9])(?:A3T[A-Z0-9]|AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA|AIPA)[A-Z0-9]{16,17}(?![A-Za-z0-9])"
)
_AWS_SECRET = re.compile(
    r"(?:secret[_ -]?access[_ -]?key|aws[_ -]?secret(?:[_ -]?key)?)"
    r"""["']?\s*[:=]\s*["']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])""",
    re.IGNORECASE,
)
_PRIVATE = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
    r"(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|\Z)"
)
_JWT = re.compile(r"(?<![\w-])(eyJ[\w-]{8,})\.[\w-]{8,}(?:\.[\w-]*){1,3}")
_IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/?#:@]*:([^\s/@]{2,})@")
_ASSIGNED = re.compile(
    r"(?:passwor[dt]|passwd|passphrase|passcode|pwd|kennwort|contraseña|mot de passe)"
    r"""["']?\s*(?:[:=]|is|lautet|es|est)\s*["']?([^\s"'<>,;|`]{6,})""",
    re.IGNORECASE,
)
_PASS = ("pass", "pwd", "kennwort", "contrase")
_NO_PASSWORD = re.compile(r"[({\[]|^\$|\$\{|^[*.x•]+$|^%")
_SPECIAL = re.compile(r"[!#$%&*^~@+=?-]")


def api_keys(text: str) -> Iterator[Span]:
    """Keys of the vendors in the table, and random values that a name such as `api_key` is given."""
    for prefix, tail in _TAILS:
        place = text.find(prefix)
        while place >= 0:
            begins = not place or not (text[place - 1].isalnum() or text[place - 1] in "_-")
            match = tail.match(text, place + len(prefix)) if begins else None
            if match is not None and (prefix.startswith("xox") or looks_random(match.group())):
                yield Span(place, match.end(), "api_key")
            place = text.find(prefix, match.end() if match else place + 1)
    if ":AA" in text:
        for match in _TELEGRAM.finditer(text):
            yield Span(match.start(), match.end(), "api_key")
    low = text.lower()
    if any(name in low for name in _NAMES):
        for match in _NAMED.finditer(text):
            if looks_random(match.group(1)):
                yield Span(match.start(1), match.end(1), "api_key")


def aws_keys(text: str) -> Iterator[Span]:
    """Ids by their form; secrets, forty characters without one, by the name that stands before them."""
    if "A" in text:
        for match in _AWS_ID.finditer(text):
            if match.group().startswith("AKIA") or any(map(str.isdigit, match.group()[4:])):
                yield Span(match.start(), match.end(), "aws_key")
    if "ecret" in text or "ECRET" in text:
        for match in _AWS_SECRET.finditer(text):
            yield Span(match.start(1), match.end(1), "aws_key")


def private_keys(text: str) -> Iterator[Span]:
    """Whole blocks; one that has no end goes to the text's end."""
    if "-----BEGIN" in text:
        for match in _PRIVATE.finditer(text):
            yield Span(match.start(), match.end(), "private_key")


def jwts(text: str) -> Iterator[Span]:
    """Signed and encrypted tokens whose header says how."""
    if "eyJ" in text:
        for match in _JWT.finditer(text):
            if b'"alg"' in _decoded(match.group(1)):
                yield Span(match.start(), match.end(), "jwt")


def _decoded(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return b""


def passwords(text: str) -> Iterator[Span]:
    """In addresses; and where `password` is given a value with letters and a digit, or of letters that look drawn."""
    if "://" in text and "@" in text:
        for match in _IN_URL.finditer(text):
            if not _NO_PASSWORD.search(match.group(1)):
                yield Span(match.start(1), match.end(1), "password")
    low = text.lower()
    if any(name in low for name in _PASS):
        for match in _ASSIGNED.finditer(text):
            value = match.group(1).rstrip(".)]}")
            if _is_password(value):
                yield Span(match.start(1), match.start(1) + len(value), "password")


def _is_password(value: str) -> bool:
    if len(value) < 6 or _NO_PASSWORD.search(value) or not any(map(str.isalpha, value)):
        return False
    return any(map(str.isdigit, value)) or looks_random(value) or _inner_capitals(value) >= 2


def _inner_capitals(value: str) -> int:
    return sum(one.islower() and other.isupper() for one, other in pairwise(value))
