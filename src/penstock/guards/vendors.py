"""What the keys of vendors begin with, and what follows.

In 2026-11 the forms were compared with two public sets of rules, those of gitleaks and TruffleHog (as of 2026-07 and
2026-08), which name some 120 of the 174 beginnings; the forms of 30 much used ones are held to them by
tests/guards/test_vendors.py. The other beginnings are from memory and not confirmed. No vendor's own pages were read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from penstock.guards.span import Span, looks_random

__all__ = ["vendor_keys"]

_A: Final = "[A-Za-z0-9]"
_U: Final = "[A-Za-z0-9_-]"
_H: Final = "[0-9a-f]"
_GUID: Final = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"

_VENDORS: Final[dict[str, str]] = {
    f"{_U}{{20,}}": (
        "sk- glpat- gldt- glrt- glptt- glcbt- glft- glimt- glagent- gloas- glsoat- glffct- GR1348941 hvs. hvb. "
        "hvr. GOCSPX- ya29. figd_ dckr_pat_ dckr_oat_ 1//0 sq0atp- sq0csp- "
        "fo1_ HRKU- tgp_v1_ jina_ pcsk_ nfp_ CLOJARS_ pnu_ sl.u. pul- bkua_ FLWSECK- "
        "FLWSECK_TEST- dp.pt. dp.st. dp.sa. sntryu_ glsa_ tskey- AQVN t1.9eu esecret_ vercel_ rnd_ "
        "napi_ xoxe- xoxe.xoxp- xoxe.xoxb- shippo_live_ shippo_test_ atlasv1."
    ),
    f"{_A}{{14,}}": "sk_live_ sk_test_ rk_live_ rk_test_ fw_ fc-",
    "[A-Za-z0-9+/=_-]{20,}": "whsec_ v1.0- ops_eyJ glc_ sntrys_ fm2_ fm1a_ fm1r_ EAAA",
    "[A-Za-z0-9_=.-]{20,}[A-Za-z0-9_=-]": "pscale_tkn_ pscale_pw_ pscale_oauth_ duffel_live_ duffel_test_ fio-u-",
    f"{_U}{{33,}}": "AIza nvapi- figu_ r8_ xai-",
    f"{_A}{{30,}}": (
        "ghp_ gho_ ghu_ ghs_ ghr_ hf_ api_org_ csk- pplx- npm_ lin_api_ lin_oauth_ ntn_ secret_ gsk_ "
        "AKCp cmVmdGtu EAACEdEose0cBA EAA shpat_ shpca_ shppa_ shpss_ sqp_ squ_ sqa_ pa- nebius- rdme_ sgp_ tfp_ "
        "ico- hd_live_ EZAK EZTK"
    ),
    f"{_H}{{30,}}": "dop_v1_ doo_v1_ dor_v1_ dapi sbp_ rubygems_ oy2",
    f"{_U}{{16,}}\\.{_U}{{16,}}": "SG. sk.eyJ pk.eyJ dt0c01. dt0s16.",
    f"{_H}{{32}}(?![0-9a-f])": "SK key- pubkey-",
    f"{_A}{{14}}\\.{_H}{{64}}": "pat",
    f"{_H}{{60,}}-{_A}{{12,}}": "xkeysib- xsmtpsib-",
    _GUID: "pat-na1- pat-eu1- pat-ap1-",
    "[A-Z0-9-]{24,}": "NRAK- NRII- NRJS- NRRA-",
    "[0-9A-Z]{50,}": "AGE-SECRET-KEY-1",
    "[A-Za-z0-9_]{30,}": "github_pat_ sb_secret_ CCIPAT_ wandb_v1_",
    "[A-Za-z0-9-]{20,}": "xoxb- xoxp- xoxa- xoxs- xoxr- xoxo- xapp- tvly- live_ test_ xwfp-",
    f"{_U}{{40,}}": "pypi-AgE sk_ tk-us-",
    f"{_H}{{20,}}-{_H}{{20,}}": "PMAK-",
    f"[a-z]{{2}}_{_H}{{30,}}_{_H}+": "lsv2_",
    "[A-Za-z0-9+/@_=-]{40,}": "ATATT3 ATCTT3 ATBB BBDC-",
    f"{_A}{{16,30}}": "LTAI sm_aat_ sm_pat_ sm_sat_ API-",
    f"{_U}{{40,}}={{0,2}}": "sha256~",
    "[A-Za-z0-9+/=]{100,}": "ABSK",
    "[A-Za-z0-9+/=_-]{60,}": "bedrock-api-key-",
}
"""What follows: after which beginnings."""


def _mark_of(prefix: str) -> str:
    return next((mark for mark in "_-." if mark in prefix), "")


_UNLIKELY: Final = re.compile(r"(?i)xxxx|\*\*\*|your|example|placeholder|0{10}|redacted|changeme")
_FULL: Final = {prefix: re.compile(tail) for tail, prefixes in _VENDORS.items() for prefix in prefixes.split()}
_MARKED: Final = {
    mark: tuple((prefix, form) for prefix, form in _FULL.items() if _mark_of(prefix) == mark)
    for mark in ("_", "-", ".", "")
}
"""The same by a character in the beginnings: a text without it has none of them."""
_NO_CHECK: Final = ("xox", "tskey-", "AGE-", "NRAK", "ops_", "sha256~", "rk_", "sk_live", "sk_test")
_FORMS: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    # A word that must be there, and forms that begin with nothing of their own.
    (":AA", re.compile(r"(?<!\d)(\d{8,10}:AA[A-Za-z0-9_-]{32,34})(?![A-Za-z0-9_-])")),
    (".", re.compile(r"(?<![\w-])([MNO][A-Za-z0-9_-]{22,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40})(?![\w-])")),
    ("hooks.slack.com", re.compile(r"hooks\.slack\.com/(?:services|workflows|triggers)/([A-Za-z0-9+/]{30,})")),
    ("/api/webhooks/", re.compile(r"/api/webhooks/\d{15,21}/([A-Za-z0-9_-]{50,})")),
    ("webhook.office.com", re.compile(r"webhook\.office\.com/(\S{60,})")),
    ("-us", re.compile(r"(?<![0-9a-f])([0-9a-f]{32}-us\d{1,2})(?!\w)")),
    ("Q~", re.compile(r"(?<![\w~.-])([A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34})(?![\w~.-])")),
    ("@", re.compile(r"https://([0-9a-f]{32})(?::[0-9a-f]{32})?@[\w.-]{4,80}/\d")),
    ("django-insecure-", re.compile(r"django-insecure-([^\s\"']{30,})")),
    ("tskey", re.compile(r"(tskey-[a-z]{2,12}-[A-Za-z0-9]{8,20}-[A-Za-z0-9]{20,})")),
)


def vendor_keys(text: str) -> Iterator[Span]:
    """Keys that can be known by their form alone."""
    for mark, forms in _MARKED.items():
        if mark in text:
            yield from _begun(text, forms)
    for word, form in _FORMS:
        if word in text:
            for match in form.finditer(text):
                if not _UNLIKELY.search(match.group(1)) and (word != "." or looks_random(match.group(1))):
                    yield Span(match.start(1), match.end(1), "api_key")


def _begun(text: str, forms: tuple[tuple[str, re.Pattern[str]], ...]) -> Iterator[Span]:
    for prefix, form in forms:
        place = text.find(prefix)
        while place >= 0:
            begins = not place or not (text[place - 1].isalnum() or text[place - 1] in "_-")
            tail = form.match(text, place + len(prefix)) if begins else None
            if tail is not None and _is_key(prefix, tail.group()):
                yield Span(place, tail.end(), "api_key")
            place = text.find(prefix, tail.end() if tail else place + 1)


def _is_key(prefix: str, tail: str) -> bool:
    return not _UNLIKELY.search(tail) and (prefix.startswith(_NO_CHECK) or looks_random(tail))
