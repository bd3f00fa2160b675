"""Cohere's wire as Cohere speaks it: answers, and refusals in its own words. It names no model in an answer."""

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
from penstock.wire.cohere import CohereCodec

__all__ = ["CohereFront"]

_DONE: Final = b"data: [DONE]\n\n"
_UPGRADE: Final = (
    "You can continue to use the Trial key for free or upgrade to a Production key with higher rate limits at "
    "'https://dashboard.cohere.com/api-keys'."
)
_STATUSES: Final[dict[int, tuple[ErrorKind, str]]] = {
    401: ("auth", "invalid api token"),
    402: ("quota_exhausted", "please add or update your payment method"),
    403: ("auth", "you do not have access to this resource"),
    404: ("bad_request", "model not found, make sure the correct model ID was used and that you have access to it."),
    422: ("bad_request", "unprocessable entity"),
    429: ("rate_limited", "you are being rate limited, please slow down"),
    498: ("content_filtered", "blocked input: a deny-listed token was found"),
    500: ("server_error", "internal server error, this has been reported to our developers."),
    503: ("overloaded", "the service is unavailable"),
    504: ("timeout", "the request timed out"),
}


class CohereFront:
    """The wire that `codec` speaks, in Cohere's words."""

    json_headers: Mapping[str, str] = {"content-type": "application/json"}
    stream_headers: Mapping[str, str] = {"content-type": "text/event-stream", "cache-control": "no-cache"}
    request_id = "x-debug-trace-id"
    broken_event = b'event: content-delta\ndata: {"type":"content-delta","index":0,"delta":{"mess\n\n'

    def __init__(self, codec: CohereCodec) -> None:
        self._codec = codec

    def read(self, request: WireRequest) -> Call:
        return self._codec.decode_request(request)

    def whole(self, call: Call, completion: Completion) -> bytes:
        return self._codec.encode_reply(msgspec.structs.replace(completion, model=""), call).body

    def streamed(self, call: Call, completion: Completion, *, paced: bool) -> StreamParts:
        encoder = self._codec.encoder(call, model="", id=completion.id)
        return parts(encoder, completion, deltas(completion, paced=paced), terminator=_DONE)

    def stream_error(self, call: Call, error: CallError) -> bytes:
        return self._codec.encoder(call, model="", id="").fail(error)

    def error(self, error: CallError) -> bytes:
        return error.body or self._codec.encode_error(error).body

    def error_headers(self, error: CallError) -> dict[str, str]:  # noqa: ARG002 - Cohere never says how long to wait
        return {}

    def refused(self, why: Refused, model: str) -> CallError:  # noqa: ARG002 - Cohere's refusals name no model
        """The error with Cohere's own status, words and body."""
        match why:
            case NoKey():
                return _error(401, "auth", "no api key supplied")
            case BadKey():
                return _error(401, "auth", "invalid api token")
            case OutOfQuota():
                limited = "You are using a Trial key, which is limited to 1000 API calls / month."
                return _error(429, "quota_exhausted", f"{limited} {_UPGRADE}")
            case Refusal():
                # What can never pass is told to wait as well: Cohere doesn't tell them apart.
                kind: ErrorKind = "too_big_for_limit" if math.isinf(why.wait_s) else "rate_limited"
                return _error(429, kind, _limited(why))
            case Failed():
                return _failed(why)

    def limit_headers(self, told: Mapping[Literal["requests", "tokens"], Snapshot]) -> dict[str, str]:
        """A trial key is told its calls a minute; of tokens nobody is told."""
        calls = told.get("requests")
        if calls is None:
            return {}
        return {
            "x-trial-endpoint-call-limit": str(calls.limit),
            "x-trial-endpoint-call-remaining": str(calls.remaining),
        }

    def models(self, names: Sequence[str], created: int) -> bytes:  # noqa: ARG002 - Cohere doesn't say when
        models = [{"name": name, "endpoints": ["chat"], "finetuned": False, "context_length": 128000} for name in names]
        return msgspec.json.encode({"models": models})


def _limited(why: Refusal) -> str:
    if why.what == "tokens":
        return f"trial token rate limit exceeded, limit is {why.limit} tokens per minute"
    if why.what == "concurrency":
        return "too many concurrent requests, please slow down"
    return f"You are using a Trial key, which is limited to {why.limit} API calls / minute. {_UPGRADE}"


def _failed(why: Failed) -> CallError:
    status = why.status
    phrase = phrase_of(status)
    kind, message = _STATUSES.get(status, ("server_error" if status >= 500 else "bad_request", phrase.lower()))
    return _error(status, kind, why.message or message)


def _error(status: int, kind: ErrorKind, message: str) -> CallError:
    return CallError(kind, message, status=status, body=msgspec.json.encode({"id": "sim", "message": message}))
