"""Every refusal of Google's gets its class and its wait, wherever the wait stands."""

import json
from pathlib import Path

import pytest
from tests.wire.gemini_given import GEMINI, VERTEX, reply

from penstock.http import WireReply

CASES = json.loads((Path(__file__).parent / "data" / "gemini_errors.json").read_text())


def reply_of(case) -> WireReply:
    body = case["text"].encode() if "text" in case else json.dumps(case["body"]).encode()
    return WireReply(case["status"], case.get("headers", {}), body)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_refusal_gets_its_class(case):
    error = GEMINI.classify(reply_of(case))
    assert (error.kind, error.status) == (case["kind"], case["status"])
    for name in ("code", "message"):
        if name in case:
            assert getattr(error, name) == case[name]
    if "wait_s" in case:
        assert error.retry_after_s == (None if case["wait_s"] is None else pytest.approx(case["wait_s"]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_an_error_is_one_short_line_for_people(case):
    message = GEMINI.classify(reply_of(case)).message
    assert message
    assert len(message) <= 500
    assert "\n" not in message


@pytest.mark.parametrize("key", ["AIzaSyAbcdefghijk-not", "ya29.a0AfB_not-a-token", "sk-test-not-a-key"])
def test_a_key_that_is_echoed_is_masked_everywhere(key):
    error = GEMINI.classify(reply({"error": {"code": 400, "message": f"bad key {key}", "status": "X"}}, 400))
    assert key not in f"{error} {error.message} {error.body!r}"


@pytest.mark.parametrize(
    "body",
    [b"[]", b"[1]", b"{}", b"null", b'"text"', b'{"error":{}}', b'{"error":[]}', b"\xff\xfe{", b"[" * 100_000],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_without_sense_leaves_it_to_the_status(body):
    assert GEMINI.classify(WireReply(429, {}, body)).kind == "rate_limited"
    assert GEMINI.classify(WireReply(503, {}, body)).kind == "overloaded"


def test_the_body_that_an_error_keeps_is_bounded():
    assert len(GEMINI.classify(WireReply(500, {}, b"x" * 1_000_000)).body) == 64 * 1024


def test_a_bad_key_has_each_platforms_own_status():
    bad = GEMINI.classify(reply_of(CASES[0]))
    assert GEMINI.encode_error(bad).status == 400
    assert VERTEX.encode_error(bad).status == 401


def test_headers_tell_no_limits():
    assert GEMINI.rate_limits({"x-ratelimit-limit-requests": "10"}) is None
