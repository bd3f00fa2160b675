"""Keys in the forms that public rules give for much used vendors are found whole."""

from __future__ import annotations

from random import Random
from string import ascii_letters, ascii_uppercase, digits

import pytest

from penstock.guards.vendors import vendor_keys

ALNUM = ascii_letters + digits
HEX = digits + "abcdef"
URL = ALNUM + "_-"
BASE64 = ALNUM + "+/"
FORMS = {
    "openai": [("sk-" + "proj-", URL, 74), ("T3" + "BlbkFJ", URL, 74)],
    "anthropic": [("sk-" + "ant-api03-", URL, 93), ("AA", URL, 0)],
    "groq": [("gsk" + "_", ALNUM, 52)],
    "xai": [("xai" + "-", ALNUM + "_", 80)],
    "replicate": [("r8" + "_", URL, 37)],
    "nvidia": [("nvapi" + "-", URL, 64)],
    "hugging face": [("hf" + "_", ALNUM, 34)],
    "perplexity": [("pplx" + "-", ALNUM, 48)],
    "langsmith": [("lsv2" + "_pt_", HEX, 32), ("_", HEX, 10)],
    "google": [("AI" + "za", URL, 35)],
    "github": [("ghp" + "_", ALNUM, 36)],
    "github, fine": [("github" + "_pat_", ALNUM, 22), ("_", ALNUM, 59)],
    "gitlab": [("glpat" + "-", URL, 20)],
    "slack bot": [("xoxb" + "-", digits, 12), ("-", digits, 12), ("-", ALNUM, 24)],
    "slack app": [("xapp" + "-1-A", ascii_uppercase + digits, 10), ("-", digits, 13), ("-", HEX, 64)],
    "stripe": [("sk" + "_live_", ALNUM, 24)],
    "npm": [("npm" + "_", ALNUM, 36)],
    "pypi": [("pypi-" + "AgEIcHlwaS5vcmc", URL, 150)],
    "docker": [("dckr" + "_pat_", URL, 27)],
    "digitalocean": [("dop" + "_v1_", HEX, 64)],
    "databricks": [("dapi", HEX, 32)],
    "shopify": [("shpat" + "_", HEX, 32)],
    "1password": [("ops" + "_eyJ", BASE64, 250)],
    "grafana cloud": [("glc" + "_eyJ", BASE64, 120)],
    "fly": [("fm2" + "_", BASE64, 120)],
    "azure": [("a1.7Q" + "~", ALNUM + "_~.-", 31)],
    "planetscale": [("pscale" + "_tkn_", ALNUM + "_=.-", 42), ("x", ALNUM, 0)],
    "atlassian": [("ATATT3xFfGF0", BASE64 + "_-", 160), ("=", HEX.upper(), 8)],
    "alibaba": [("LTAI", ALNUM, 20)],
    "scalingo": [("tk-us" + "-", URL, 47), ("x", URL, 0)],
}


@pytest.mark.parametrize("vendor", FORMS)
def test_a_key_of_a_vendor_is_found_whole(vendor: str) -> None:
    draw = Random(vendor)
    for _ in range(20):
        key = "".join(begin + "".join(draw.choices(chars, k=count)) for begin, chars, count in FORMS[vendor])
        text = f"The key is {key} and was revoked."
        assert [text[one.start : one.end] for one in vendor_keys(text)] == [key]
