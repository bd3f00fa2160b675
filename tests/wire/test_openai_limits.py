"""Every vendor's way of telling its limits becomes one form."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.call import RateLimits
from penstock.catalog import providers, vendor
from penstock.wire.openai import OpenAICodec
from penstock.wire.waits import go_duration_s

CASES = json.loads((Path(__file__).parent / "data" / "limits.json").read_text())
NAMES = sorted({name for case in CASES for name in case["headers"]})
CODECS = [OpenAICodec(known) for known in providers().values()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_headers_become_limits(case):
    limits = OpenAICodec(vendor(case["vendor"])).rate_limits(case["headers"])
    if case["said"] is None:
        assert limits is None
        return
    known = {"requests_window_s", "tokens_window_s"} & set(case["said"])
    for field in set(RateLimits.__struct_fields__) - {"requests_window_s", "tokens_window_s"} | known:
        wanted = case["said"].get(field)
        assert getattr(limits, field) == (None if wanted is None else pytest.approx(wanted)), field


VALUES = st.text() | st.from_regex(r"-?[0-9.]{1,9}(ms|s|m|h)?", fullmatch=True)


@given(headers=st.dictionaries(st.sampled_from(NAMES), VALUES), codec=st.sampled_from(CODECS))
def test_no_header_raises_and_no_number_is_wild(headers, codec):
    limits = codec.rate_limits(headers)
    if limits is not None:
        for field in RateLimits.__struct_fields__:
            value = getattr(limits, field)
            assert value is None or value >= 0
            assert not field.endswith("reset_s") or value is None or value <= 86400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("4ms", 0.004), ("6m0s", 360), ("1h2m3s", 3723), ("15m50.4s", 950.4), ("10.974999999s", 10.974999999)],
)
def test_go_durations_are_read(text, seconds):
    assert go_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1h 2m", "-1s", "1s" * 100])
def test_what_is_no_go_duration_says_nothing(text):
    assert go_duration_s(text) is None
