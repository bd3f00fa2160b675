"""Every refusal of Bedrock's has a class, a code, and no secret in it."""

import json

import pytest

from penstock.catalog import Vendor
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.wire.bedrock import BedrockCodec

CODEC = BedrockCodec(Vendor(name="bedrock", title="Amazon Bedrock"), "https://bedrock.test")
CORAL = ":http://internal.amazon.com/coral/com.amazon.bedrock/"


def refusal(status: int, name: str = "", message: str = "", *, body: bytes | None = None, **headers: str) -> CallError:
    said = {"x-amzn-errortype": name + CORAL, **headers} if name else headers
    return CODEC.classify(WireReply(status, said, json.dumps({"message": message}).encode() if body is None else body))


@pytest.mark.parametrize(
    ("status", "name", "message", "kind"),
    [
        (429, "ThrottlingException", "Too many requests, please wait before trying again.", "rate_limited"),
        (429, "ThrottlingException", "Too many tokens, please wait before trying again.", "rate_limited"),
        (429, "ThrottlingException", "Too many tokens per day, please wait before trying again.", "quota_exhausted"),
        (400, "ThrottlingException", "Rate exceeded", "rate_limited"),
        (400, "ServiceQuotaExceededException", "Your request exceeds the service quota", "quota_exhausted"),
        (429, "ModelNotReadyException", "Model is not ready for inference.", "overloaded"),
        (503, "ServiceUnavailableException", "Bedrock is unable to process your request.", "overloaded"),
        (500, "InternalServerException", "The system encountered an unexpected error", "server_error"),
        (424, "ModelErrorException", "The model returned an error", "server_error"),
        (408, "ModelTimeoutException", "Model has timed out in processing the request.", "timeout"),
        (400, "ValidationException", "The provided model identifier is invalid.", "bad_request"),
        (400, "ValidationException", "Input is too long for requested model.", "context_too_long"),
        (400, "ValidationException", "prompt is too long: 210000 tokens > 200000 maximum", "context_too_long"),
        (400, "ValidationException", "The maximum tokens you requested exceeds the model limit", "context_too_long"),
        (400, "ValidationException", "Output blocked by content filtering policy", "content_filtered"),
        (404, "ResourceNotFoundException", "The model has reached the end of its life.", "bad_request"),
        (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", "auth"),
        (403, "UnrecognizedClientException", "The security token included in the request is invalid.", "auth"),
        (403, "ExpiredTokenException", "The security token included in the request is expired", "auth"),
        (403, "InvalidSignatureException", "Signature expired: x is now earlier than y", "auth"),
        # Without the header: by the words and the status.
        (403, "", "Authentication failed: Please make sure your API Key is valid.", "auth"),
        (400, "", "The provided model identifier is invalid.", "bad_request"),
        (400, "", "Input is too long for requested model.", "context_too_long"),
        (429, "", "Too many requests", "rate_limited"),
        (413, "", "too large", "bad_request"),
        (502, "", "Bad gateway", "server_error"),
        (500, "", "Input is too long", "server_error"),
    ],
)
def test_every_refusal_has_its_class(status, name, message, kind):
    error = refusal(status, name, message)
    assert (error.kind, error.status, error.message, error.code) == (kind, status, message, name or None)


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"Message":"User is not authorized"}', "User is not authorized", None),
        (b'{"__type":"com.amazon#ThrottlingException","message":"slow down"}', "slow down", "ThrottlingException"),
        (
            b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"}}',
            None,
            "UnknownOperationException",
        ),
        (b"", "no explanation", None),
        (b"{}", "an error in an unknown form", None),
        (b"<html><title>502 Bad Gateway</title></html>", "an HTML page: 502 Bad Gateway", None),
    ],
    ids=str,
)
def test_errors_in_every_shape_are_read(body, message, code):
    error = refusal(403, body=body)
    assert error.code == code
    assert message is None or error.message == message


def test_a_wait_is_taken_where_one_is_told():
    assert refusal(429, "ThrottlingException", "no", **{"retry-after": "7"}).retry_after_s == 7.0
    assert refusal(429, "ThrottlingException", "no").retry_after_s is None


def test_the_name_of_the_request_is_kept():
    assert refusal(500, **{"x-amzn-requestid": "abc"}).request_id == "abc"
    assert CODEC.request_id({"x-amzn-requestid": "abc"}) == "abc"


def test_bedrock_tells_no_limits():
    assert CODEC.rate_limits({"x-ratelimit-limit-requests": "5"}) is None


def test_an_error_that_goes_on_keeps_its_own_name_where_it_means_the_same():
    known = CallError("server_error", "m", code="modelErrorException")
    assert CODEC.encode_error(known).headers["x-amzn-errortype"] == "ModelErrorException"
    foreign = CallError("server_error", "m", code="api_error")
    assert CODEC.encode_error(foreign).headers["x-amzn-errortype"] == "InternalServerException"
