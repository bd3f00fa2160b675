"""Every refusal gets its class, its wait and a message fit for people."""

import json
from pathlib import Path

import pytest

from penstock.catalog import vendor
from penstock.http import WireReply
from penstock.wire.openai import OpenAICodec
from penstock.wire.responses import ResponsesCodec

CASES = json.loads((Path(__file__).parent / "data" / "errors.json").read_text())
CODEC = OpenAICodec(vendor("openai"))


def reply_of(case) -> WireReply:
    body = case["text"].encode() if "text" in case else json.dumps(case["body"]).encode()
    return WireReply(case["status"], case["headers"], body)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_refusal_gets_its_class(case):
    error = CODEC.classify(reply_of(case))
    assert error.kind == case["kind"]
    assert error.status == case["status"]
    for name, field in (("code", "code"), ("message", "message"), ("request_id", "request_id")):
        if name in case:
            assert getattr(error, field) == case[name]
    if "wait_s" in case:
        assert error.retry_after_s == (None if case["wait_s"] is None else pytest.approx(case["wait_s"]))


@pytest.mark.parametrize(
    ("name", "headers", "wait_s"),
    [
        (
            "cerebras",
            {"limit-tokens-minute": "60000", "remaining-tokens-minute": "0", "reset-tokens-minute": "12.5"},
            12.5,
        ),
        (
            "cerebras",
            {"limit-tokens-minute": "60000", "remaining-tokens-minute": "9", "reset-tokens-minute": "12.5"},
            None,
        ),
        ("cerebras", {"limit-requests-day": "9", "remaining-requests-day": "0", "reset-requests-day": "24479.2"}, 300),
        ("together", {"limit": "10", "remaining": "0", "reset": "3"}, 3),
        ("openrouter", {"limit": "20", "remaining": "0", "reset": "1770199225000"}, 25),
        (
            "openai",
            {"limit-tokens_usage_based": "9", "remaining-tokens_usage_based": "0", "reset-tokens_usage_based": "4s"},
            4,
        ),
        ("azure", {"limit-requests": "9", "remaining-requests": "0", "reset-requests": "7"}, None),
    ],
)
@pytest.mark.parametrize("codec", [OpenAICodec, ResponsesCodec])
def test_the_wait_is_the_reset_of_what_is_empty_in_each_dialect(codec, name, headers, wait_s):
    said = {"date": "Wed, 04 Feb 2026 10:00:00 GMT", **{f"x-ratelimit-{key}": value for key, value in headers.items()}}
    error = codec(vendor(name), "https://api.example.org").classify(
        WireReply(429, said, b'{"error": {"message": "slow"}}')
    )
    assert (error.kind, error.retry_after_s) == ("rate_limited", wait_s)


def test_mistrals_older_names_tell_the_wait_too():
    headers = {"ratelimitbysize-limit": "500000", "ratelimitbysize-remaining": "0", "ratelimitbysize-reset": "9"}
    assert OpenAICodec(vendor("mistral")).classify(WireReply(429, headers, b"{}")).retry_after_s == 9


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_an_error_is_one_short_line_for_people(case):
    message = CODEC.classify(reply_of(case)).message
    assert message
    assert len(message) <= 500
    assert "\n" not in message


@pytest.mark.parametrize(
    "key", ["sk-test-not-a-key", "sk-proj-abc_DEF-123456", "gsk_abcdefghijk", "xai-abcdefghijk", "AIzaSyAbcdefghijk"]
)
def test_a_key_that_the_provider_echoes_is_masked_everywhere(key):
    body = json.dumps({"error": {"message": f"Incorrect API key provided: {key}.", "code": "invalid_api_key"}})
    error = CODEC.classify(WireReply(401, {}, body.encode()))
    assert key not in f"{error} {error.message} {error.body!r}"
    assert json.loads(error.body)["error"]["code"] == "invalid_api_key"


def test_the_body_that_an_error_keeps_is_bounded():
    assert len(CODEC.classify(WireReply(500, {}, b"x" * 1_000_000)).body) == 64 * 1024


def test_an_odd_key_pattern_over_a_long_body_takes_no_time():
    body = b"sk-" + b"a" * 60_000 + b" Bearer " * 1000
    assert CODEC.classify(WireReply(500, {}, body)).kind == "server_error"


@pytest.mark.parametrize(
    "body",
    [b"[]", b"[1]", b"{}", b"null", b'"text"', b'{"error":{}}', b'{"error":[]}', b"\xff\xfe{", b"[" * 100_000],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_without_sense_leaves_it_to_the_status(body):
    assert CODEC.classify(WireReply(429, {}, body)).kind == "rate_limited"
    assert CODEC.classify(WireReply(503, {}, body)).kind == "overloaded"
