"""Finds keys, tokens and passwords by the forms that their vendors gave them. A form nobody gave isn't found."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from itertools import pairwise

from penstock.guards.span import Span, looks_random
from penstock.guards.vendors import vendor_keys

__all__ = ["api_keys", "aws_keys", "jwts", "passwords", "private_keys"]

_NAMED = re.compile(
    r"(?:key|token|secret|jeton|schlüssel|_auth|[?&]sig|\"auth\"|mailchimp|(?:key|token) for [\w ]{2,20})"
    r"""["']?\s{0,3}(?::=|=>|->|[:=]|is now|is|lautet|est|es|ist)\s{0,3}["'`]?([a-z0-9_./+=~%-]{16,})"""
)
_OF_KEY = re.compile(
    r"(?:(?:api|access|auth|admin|app|master|write|private|encryption|signing|service|account|"
    r"shared ?access|function|x-auth|rsa)"
    r"[_ -]?|[\w-][_-])$",
    re.IGNORECASE,
)
"""What makes a secret of a key."""
_HEADER = re.compile(
    r"(?:authorization[\"']?\s{0,2}[:=]\s{0,2}[\"']?(?:bearer|token|basic|apikey|key)|"
    r"(?<![a-z])bearer) ([a-z0-9_./+=~-]{16,})"
)
_COOKIE = re.compile(r"(?:session(?:_?id)?|sid|connect\.sid|auth)=([a-z0-9_.%+/=-]{24,})")
_LONG = re.compile(r"[\w+/=.%~-]{16}")
"""No key is shorter."""
_KEY_FORMS = (
    (("key", "token", "secret", "auth", "sig=", "jeton", "schlüssel", "mailchimp"), _NAMED),
    (("authorization", "bearer"), _HEADER),
    (("session", "sid=", "auth="), _COOKIE),
)
_PLACEHOLDER = re.compile(r"(?i)xxxx|\*\*\*|your|example|placeholder|redacted|changeme|<|\$\{")

_AWS_ID = re.compile(
    r"(?<![A-Za-z0-9])(?:A3T[A-Z0-9]|AKIA|ASIA|AROA|AIDA|AGPA|ANPA|ANVA|AIPA|ABIA|ACCA)[A-Z0-9]{16,17}(?![A-Za-z0-9])"
)
_FORTY = re.compile(r"(?<![A-Za-z0-9/+])([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])")
_AWS_SECRET = re.compile(
    r"(?:secret[_. -]?(?:access)?[_. -]?key|(?:aws|s3)[\w.-]{0,12}[_. -]?secret(?:[_. -]?key)?|zugriffsschlüssel|"
    r"clé (?:d'accès )?secrète|clave (?:de acceso )?secreta)"
    r"""["']?(?: is| ist| est| es)?\s{0,3}(?:=>|->|[:= ])\s{0,3}["']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])""",
    re.IGNORECASE,
)
_AWS_TOKEN = re.compile(r"(?<![A-Za-z0-9/+])(?:FwoGZXIvYXdz|IQoJb3JpZ2lu|FQoGZXIvYXdz|FQoDYXdz)[A-Za-z0-9/+=_-]{60,}")
_PRIVATE = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
    r"(?:-----END (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----|\Z)"
)
_PRIVATE_ELSE: tuple[tuple[str, re.Pattern[str]], ...] = (
    # A word that must be there, and forms of private keys that are no PEM.
    (
        "---- BEGIN SSH2",
        re.compile(r"---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE KEY ----[\s\S]*?(?:---- END SSH2 [A-Z ]{0,24}KEY ----|\Z)"),
    ),
    ("Private-Lines", re.compile(r"Private-Lines: \d{1,3}\s{1,2}((?:[A-Za-z0-9+/=]{8,80}\s?){1,60})")),
    ("LS0tLS1CRUdJTi", re.compile(r"LS0tLS1CRUdJTi[A-Za-z0-9+/=\n]{60,}")),
    ("PrivateKey", re.compile(r"PrivateKey\"?\s{0,3}[=:]\s{0,3}\"?([A-Za-z0-9+/]{43}=)")),
    ('"d"', re.compile(r'"d"\s{0,2}:\s{0,2}"([A-Za-z0-9_-]{40,})"')),
    ("<D>", re.compile(r"<D>([A-Za-z0-9+/=]{40,})</D>")),
)
_JWT = re.compile(r"(?<![\w-])(eyJ[\w-]{8,})\.[\w-]{8,}(?:\.[\w-]*){1,3}")
_IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://[^\s/?#:@]*:([^\s/@]{2,})@")
_WORD = (
    r"(?:passwor[dt]|passwd|passphrase|passcode|kennwort|zugangscode|contraseña|mot de passe|"
    r"palavra-passe|wachtwoord|hasł[oa]|"
    r"парол[ья]|lösenord|adgangskode|salasana|jelszó|parolă|κωδικός|密码|密碼|口令|パスワード|暗証番号|"
    r"비밀번호|암호|كلمة المرور|كلمة السر|"
    r"رمز عبور|סיסמה|पासवर्ड|mật khẩu|kata sandi|รหัสผ่าน|requirepass|wi-?fi[ -]key|wlan[ -]schlüssel|identified by|"
    r"(?<![^\W\d_])(?:pass|pwd|p[sw]wd|pw|clave|mdp|senha|parola|şifre|sifre|heslo|sandi|secret|passord))"
)
_BETWEEN = (
    r"(?:[\"'\]]{0,2}(?: \([\w ]{1,20}\)| (?:temporal|temporaire|temporary|now|provisorio|für|for|of|от|"
    r"do|di|de|to|da|der) "
    r"[\w .@-]{1,30}| (?:temporal|temporaire|provisoria|nueva|nuevo))?"
    r"\s{0,3}(?::=|=>|->|[:=：]|>|,|–|—|-(?= )|は|为|為|is now|is set to|was|是|is|lautet(?: jetzt)?|"
    r"ist(?: jetzt)?|est|es|è|é|to|"
    r"je|är|er|on|היא|הוא|là|adalah|это|set to)\s{0,3}|\s)[\"'`「«“]{0,2}"
)
_ASSIGNED = re.compile(rf"{_WORD}{_BETWEEN}([^\s\"'<>,;|`」»”]{{4,}})", re.IGNORECASE)
_PIN = re.compile(
    r"(?<![A-Za-z])(?:PIN|pin)(?: ?-?(?:code|Code|nummer|number))?\s?(?::|=|is|ist|lautet|es|est|"
    r"è)\s?[\"']?(\d{4,8})(?!\w)"
)
_IN_COMMAND = re.compile(
    r"(?:\bcurl\b[^\n]{0,80} (?:-u|--user)[ =][\"']?[^\s:\"']{1,64}:|\bsshpass -p ?[\"']?|"
    r"\bmysql\b[^\n]{0,60} -p(?=\S)[\"']?|"
    r"--pass(?:word|wd)?[ =][\"']?|\bnet user \S{1,32} )([^\s\"'<>;|`]{4,})",
    re.IGNORECASE,
)
_LOGIN = re.compile(
    r"(?:login|user|username|account|benutzer|utilisateur|zugang|access)[: ]{1,2}\S{1,64} / ([^\s\"'<>;|`]{6,})",
    re.IGNORECASE,
)
_PHRASE = re.compile(
    r"(?:passphrase|password|passwort|seed phrase)\"?\s{0,2}[:=]\s{0,2}([\"'])((?:[a-z]{2,12}[ -]){2,11}[a-z]{2,12})\1",
    re.IGNORECASE,
)
_BEGINNINGS = (
    "pass, pwd, pw, kennwort, contrase, clave, mdp, senha, parol, wachtwoord, hasł, парол, ifre, lösenord, "
    "adgangskode, salasana, heslo, jelszó, κωδικός, 密, 口令, パスワード, 暗証, 비밀, 암호, كلمة, رمز, סיסמה, "
    "पासवर्ड, mật "
    "khẩu, sandi, รหัส, fi key, fi-key, wlan, identified, secret, zugangscode"
)
_PASS = tuple(_BEGINNINGS.split(", "))
_COMMANDS = ("curl", "sshpass", "mysql", "--pass", "net user")
_NO_PASSWORD = re.compile(
    r"[({\[]|^\$[A-Za-z_{(]|\$\{|^[*.xX•]+$|^%|://|^/|^\.\.?/|^\d+(?:st|nd|rd|th|[ap]m)$|^\d[\d.,:-]*$|^v\d+\."
)
_SPECIAL = re.compile(r"[!#$%&*^~@+=?-]")


def api_keys(text: str) -> Iterator[Span]:
    """Keys of the vendors in the table, and random values that a name such as `api_key` is given."""
    if _LONG.search(text) is None:
        return
    yield from vendor_keys(text)
    low = _lower(text)
    for gates, form in _KEY_FORMS:
        for match in form.finditer(low) if any(gate in low for gate in gates) else ():
            value = text[match.start(1) : match.end(1)]
            if form is _NAMED and not _names_secret(text, match.start()):
                continue
            if looks_random(value) and not _PLACEHOLDER.search(value):
                yield Span(match.start(1), match.end(1), "api_key")


def _lower(text: str) -> str:
    """In small letters, each at its place."""
    low = text.lower()
    return low if len(low) == len(text) else "".join(char.lower()[0] for char in text)


def _names_secret(text: str, start: int) -> bool:
    """Whether the name at `start` is that of a secret: any token is, a key of an API, but not a key of a table."""
    before = text[max(0, start - 24) : start]
    if text[start : start + 3].lower() == "key" and text[start + 3 : start + 8].lower() != " for ":
        return _OF_KEY.search(before) is not None
    return not before[-1:].isalpha() or before[-6:].lower().endswith(("api", "access", "auth", "client", "bot", "jwt"))


def aws_keys(text: str) -> Iterator[Span]:
    """Ids by their form; secrets, forty characters without one, by the name that stands before them or by the id."""
    if "A" not in text and "ecret" not in text:
        return
    for match in _AWS_ID.finditer(text):
        value = match.group()
        if "EXAMPLE" in value or not (value.startswith("AKIA") or any(map(str.isdigit, value[4:]))):
            continue
        yield Span(match.start(), match.end(), "aws_key")
        beside = _FORTY.search(text, match.end(), match.end() + 120)
        if beside is not None and _is_aws_secret(beside.group(1)):
            yield Span(beside.start(1), beside.end(1), "aws_key")
    for match in _AWS_SECRET.finditer(text):
        if "EXAMPLE" not in match.group(1):
            yield Span(match.start(1), match.end(1), "aws_key")
    for match in _AWS_TOKEN.finditer(text):
        yield Span(match.start(), match.end(), "aws_key")


def _is_aws_secret(value: str) -> bool:
    """Not the hexadecimal digits of a commit."""
    return looks_random(value) and any(map(str.isupper, value)) and any(map(str.islower, value))


def private_keys(text: str) -> Iterator[Span]:
    """Whole blocks; one that has no end goes to the text's end."""
    if "-----BEGIN" in text:
        for match in _PRIVATE.finditer(text):
            yield Span(match.start(), match.end(), "private_key")
    for word, form in _PRIVATE_ELSE:
        if word in text:
            for match in form.finditer(text):
                yield Span(match.start(form.groups), match.end(form.groups), "private_key")


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
            value = match.group(1).rstrip(".)]}:?。")
            if _is_password(value):
                yield Span(match.start(1), match.start(1) + len(value), "password")
        for match in _PHRASE.finditer(text):
            yield Span(match.start(2), match.end(2), "password")
    if "pin" in low:
        for match in _PIN.finditer(text):
            yield Span(match.start(1), match.end(1), "password")
    forms = ([_IN_COMMAND] if any(name in low for name in _COMMANDS) else []) + ([_LOGIN] if " / " in low else [])
    for form in forms:
        for match in form.finditer(text):
            value = match.group(1).rstrip(".)]}:?")
            if _is_password(value):
                yield Span(match.start(1), match.start(1) + len(value), "password")


def _is_password(value: str) -> bool:
    if len(value) < 6 or _NO_PASSWORD.search(value) or not any(map(str.isalpha, value)):
        return False
    if any(map(str.isdigit, value)):
        return True
    return (
        looks_random(value)
        or _inner_capitals(value) >= 2
        or (_SPECIAL.search(value[1:-1]) is not None and value.isascii() and _inner_capitals(value) >= 1)
    )


def _inner_capitals(value: str) -> int:
    return sum(one.islower() and other.isupper() for one, other in pairwise(value))
