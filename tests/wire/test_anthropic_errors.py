"""Every refusal of Anthropic, and of those who serve its models, gets its class and its wait."""

import json

import pytest
from tests.wire.anthropic_given import codec, data

from penstock.http import WireReply

CASES = data("anthropic_errors.json")


def reply_of(case) -> WireReply:
    body = case["text"].encode() if "text" in case else json.dumps(case["body"]).encode()
    return WireReply(case["status"], case["headers"], body)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_refusal_gets_its_class(case):
    error = codec().classify(reply_of(case))
    assert error.kind == case["kind"]
    assert error.status == case["status"]
    for name in ("code", "message", "request_id"):
        if name in case:
            assert getattr(error, name) == case[name]
    if "wait_s" in case:
        assert error.retry_after_s == case["wait_s"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_an_error_is_one_short_line_for_people(case):
    message = codec().classify(reply_of(case)).message
    assert message
    assert len(message) <= 500
    assert "\n" not in message


def test_a_key_that_is_echoed_is_masked():
    body = {"type": "error", "error": {"type": "authentication_error", "message": "bad key sk-ant-test-not-a-key"}}
    error = codec().classify(WireReply(401, {}, json.dumps(body).encode()))
    assert "sk-ant-test-not-a-key" not in f"{error.message} {error.body!r}"


def test_limits_are_read_with_resets_from_the_replys_own_date():
    headers = {
        "date": "Sat, 15 Mar 2025 12:54:38 GMT",
        "anthropic-ratelimit-requests-limit": "4000",
        "anthropic-ratelimit-requests-remaining": "3999",
        "anthropic-ratelimit-requests-reset": "2025-03-15T12:54:26Z",
        "anthropic-ratelimit-input-tokens-limit": "200000",
        "anthropic-ratelimit-input-tokens-remaining": "186000",
        "anthropic-ratelimit-input-tokens-reset": "2025-03-15T12:54:41Z",
        "anthropic-ratelimit-output-tokens-limit": "-1",
    }
    limits = codec().rate_limits(headers)
    assert (limits.requests_limit, limits.requests_remaining, limits.requests_reset_s) == (4000, 3999, 0.0)
    assert (limits.input_tokens_limit, limits.input_tokens_reset_s) == (200_000, 3.0)
    assert (limits.output_tokens_limit, limits.tokens_limit) == (None, None)


@pytest.mark.parametrize(
    "headers",
    [
        {"anthropic-ratelimit-requests-limit": "many", "anthropic-ratelimit-requests-reset": "soon"},
        {"anthropic-ratelimit-requests-limit": "9" * 5000, "date": "yesterday"},
        {"anthropic-ratelimit-tokens-limit": "", "anthropic-ratelimit-tokens-reset": "9999-99-99T00:00:00Z"},
    ],
)
def test_odd_limits_say_nothing(headers):
    limits = codec().rate_limits(headers)
    assert limits is None or (limits.requests_limit is None and limits.tokens_reset_s is None)


def test_no_limits_are_none():
    assert codec().rate_limits({"retry-after": "30", "date": "Sat, 15 Mar 2025 12:54:38 GMT"}) is None


@pytest.mark.parametrize(
    ("status", "type_", "code", "kind"),
    [
        (429, "rate_limit_error", "contract_spend_limit_reached", "quota_exhausted"),
        (429, "rate_limit_error", "enforced_spend_limit_reached", "quota_exhausted"),
        (429, "rate_limit_error", "ramp_limit_exceeded", "rate_limited"),
        (402, "billing_error", "linked_organization_spend_limit_reached", "quota_exhausted"),
        (400, "invalid_request_error", "organization_on_hold", "auth"),
        (413, "invalid_request_error", "request_body_too_large_after_decoding", "bad_request"),
        (503, "api_error", "cmek_key_unreachable", "overloaded"),
    ],
)
def test_a_code_among_the_details_says_more_than_the_type(status, type_, code, kind):
    said = {"type": type_, "message": "Not now.", "details": {"error_code": code}}
    error = codec().classify(WireReply(status, {}, json.dumps({"type": "error", "error": said}).encode()))
    assert (error.kind, error.code) == (kind, code)
