"""What Google says of the quotas that were exceeded, on its own wire and behind OpenAI's."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.gemini_given import GEMINI

from penstock.call import RateLimits
from penstock.catalog import vendor
from penstock.http import WireReply
from penstock.wire.openai import OpenAICodec
from penstock.wire.quotas import read_quotas

CODECS = {"gemini": GEMINI, "openai": OpenAICodec(vendor("openai"))}
INPUT = {
    "quotaMetric": "generativelanguage.googleapis.com/generate_content_paid_tier_input_token_count",
    "quotaId": "GenerateContentPaidTierInputTokensPerModelPerMinute",
    "quotaValue": "1000000",
}
REQUESTS = {"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": 15}
DAILY = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "50"}


def refused(codec, *violations):
    details = [{"violations": list(violations)}, {"retryDelay": "48s"}]
    error = {"code": 429, "message": "You exceeded it", "status": "RESOURCE_EXHAUSTED", "details": details}
    return CODECS[codec].classify(WireReply(429, {}, json.dumps([{"error": error}]).encode()))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("violations", "limits"),
    [
        ([INPUT], RateLimits(input_tokens_limit=1_000_000)),
        ([REQUESTS, INPUT], RateLimits(requests_limit=15, input_tokens_limit=1_000_000)),
        ([INPUT, {**INPUT, "quotaValue": "250000"}], RateLimits(input_tokens_limit=250_000)),
        (
            [{"quotaMetric": "x/output_tokens_per_minute_per_model", "quotaValue": "9"}],
            RateLimits(output_tokens_limit=9),
        ),
        ([{"quotaId": "TokensPerMinute", "quotaValue": "9"}], RateLimits(tokens_limit=9)),
        ([{"quotaId": "GenerateContentPaidTierInputTokensPerModelPerMinute"}], None),
        ([{**INPUT, "quotaValue": "-1"}], None),
        ([{**INPUT, "quotaId": "InputTokensPerModelPerHour"}], None),
        ([], None),
    ],
)
def test_a_refusal_names_the_limits_by_the_minute(codec, violations, limits):
    error = refused(codec, *violations)
    assert (error.kind, error.limits, error.retry_after_s) == ("rate_limited", limits, 48)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("violations", [[DAILY], [INPUT, DAILY], [{**INPUT, "quotaValue": "0"}]])
def test_a_quota_by_the_day_or_of_nothing_is_spent(codec, violations):
    assert refused(codec, *violations).kind == "quota_exhausted"


JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3))


@given(st.lists(st.dictionaries(st.sampled_from(["violations", "x"]), st.lists(JSON)) | JSON) | JSON)
def test_details_of_no_form_say_nothing(details):
    assert read_quotas(details).limits is None
