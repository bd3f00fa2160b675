"""Bedrock's Converse as AWS speaks it: answers, and refusals in its own words. It says nothing of its limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec

from penstock.call import Call, Completion
from penstock.errors import CallError, ErrorKind
from penstock.http import WireRequest
from penstock.simulator.front import StreamParts, deltas, parts
from penstock.simulator.limits import Refusal, Snapshot
from penstock.simulator.refused import BadKey, Failed, NoKey, OutOfQuota, Refused, phrase_of
from penstock.wire.bedrock import BedrockCodec
from penstock.wire.eventstream import CONTENT_TYPE, event_frame

__all__ = ["BedrockFront"]

_LIMITED: Final = {
    "requests": "Too many requests, please wait before trying again.",
    "tokens": "Too many tokens, please wait before trying again.",
    "concurrency": "Too many concurrent requests, please wait before trying again.",
}
_STATUSES: Final[dict[int, tuple[str, ErrorKind, str]]] = {
    400: ("ValidationException", "bad_request", "The provided request is not valid"),
    403: ("AccessDeniedException", "auth", "You don't have access to the model with the specified model ID."),
    404: ("ResourceNotFoundException", "bad_request", "The model is not found."),
    408: ("ModelTimeoutException", "timeout", "Model has timed out in processing the request. Try your request again."),
    424: ("ModelErrorException", "server_error", "The model returned the following errors: unknown"),
    429: ("ThrottlingException", "rate_limited", _LIMITED["requests"]),
    500: ("InternalServerException", "server_error", "The system encountered an unexpected error during processing."),
    503: ("ServiceUnavailableException", "overloaded", "Bedrock is unable to process your request."),
}


class BedrockFront:
    """The wire that `codec` speaks, in AWS's words."""

    json_headers: Mapping[str, str] = {"content-type": "application/json"}
    stream_headers: Mapping[str, str] = {"content-type": CONTENT_TYPE}
    request_id = "x-amzn-requestid"
    broken_event = event_frame("contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"te')

    def __init__(self, codec: BedrockCodec) -> None:
        self._codec = codec

    def read(self, request: WireRequest) -> Call:
        return self._codec.decode_request(request)

    def whole(self, call: Call, completion: Completion) -> bytes:
        # Which model answered is known from the address.
        return self._codec.encode_reply(msgspec.structs.replace(completion, model=""), call).body

    def streamed(self, call: Call, completion: Completion, *, paced: bool) -> StreamParts:
        encoder = self._codec.encoder(call, model="", id=completion.id)
        return parts(encoder, completion, deltas(completion, paced=paced))

    def stream_error(self, call: Call, error: CallError) -> bytes:
        return self._codec.encoder(call, model="", id="").fail(error)

    def error(self, error: CallError) -> bytes:
        return error.body or self._codec.encode_error(error).body

    def error_headers(self, error: CallError) -> dict[str, str]:
        """The exception's name; AWS never says how long to wait."""
        name = error.code if error.body and error.code else self._codec.encode_error(error).headers["x-amzn-errortype"]
        return {"x-amzn-errortype": name}

    def refused(self, why: Refused, model: str) -> CallError:  # noqa: ARG002 - AWS names no model
        """The error with AWS's own status, words and body."""
        match why:
            case NoKey():
                return _error(403, "MissingAuthenticationTokenException", "auth", "Missing Authentication Token")
            case BadKey():
                message = "The security token included in the request is invalid."
                return _error(403, "UnrecognizedClientException", "auth", message)
            case OutOfQuota():
                message = "Too many tokens per day, please wait before trying again."
                return _error(429, "ThrottlingException", "quota_exhausted", message)
            case Refusal():
                # What can never pass is told to wait as well: so does AWS.
                kind: ErrorKind = "too_big_for_limit" if math.isinf(why.wait_s) else "rate_limited"
                return _error(429, "ThrottlingException", kind, _LIMITED[why.what])
            case Failed():
                return _failed(why)

    def limit_headers(self, told: Mapping[Literal["requests", "tokens"], Snapshot]) -> dict[str, str]:  # noqa: ARG002
        return {}

    def models(self, names: Sequence[str], created: int) -> bytes:  # noqa: ARG002 - AWS doesn't say when
        return msgspec.json.encode({"modelSummaries": [{"modelId": name, "modelName": name} for name in names]})


def _failed(why: Failed) -> CallError:
    status = why.status
    if status in _STATUSES:
        name, kind, message = _STATUSES[status]
    else:
        name, kind, _ = _STATUSES[500 if status >= 500 else 400]
        message = phrase_of(status)
    return _error(status, name, kind, why.message or message)


def _error(status: int, name: str, kind: ErrorKind, message: str) -> CallError:
    return CallError(kind, message, status=status, code=name, body=msgspec.json.encode({"message": message}))
