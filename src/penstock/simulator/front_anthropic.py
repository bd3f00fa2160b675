"""Anthropic's wire as Anthropic, Vertex AI and Bedrock speak it: answers, and refusals in the words of each place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final, Literal, NamedTuple

import msgspec

from penstock.call import Call, Completion, Event, Finished, Started, UsageUpdate
from penstock.errors import CallError, ErrorKind
from penstock.http import WireRequest
from penstock.simulator.fast import CREATED
from penstock.simulator.front import StreamParts, deltas
from penstock.simulator.limits import Refusal, Snapshot
from penstock.simulator.refused import BadKey, Failed, NoKey, OutOfQuota, Refused, phrase_of
from penstock.wire.anthropic import AnthropicCodec
from penstock.wire.eventstream import CONTENT_TYPE, chunk_frame, exception_frame

__all__ = ["AnthropicFront"]

_BROKEN: Final = b'{"type":"content_block_delta","index":0,"delta":{"type":"text_del'
_NOW: Final = datetime.fromtimestamp(CREATED, UTC)
_DOCS: Final = "https://docs.claude.com/en/api/rate-limits"


class _Said(NamedTuple):
    """A refusal in each place's words: Anthropic's status and type, Google's, AWS's."""

    kind: ErrorKind
    status: int
    type: str
    google: tuple[int, str]
    aws: tuple[int, str]


_AUTH: Final = _Said(
    "auth", 401, "authentication_error", (401, "UNAUTHENTICATED"), (403, "UnrecognizedClientException")
)
_CREDIT: Final = _Said(
    "quota_exhausted", 400, "invalid_request_error", (403, "PERMISSION_DENIED"), (429, "ThrottlingException")
)
_LIMIT: Final = _Said(
    "rate_limited", 429, "rate_limit_error", (429, "RESOURCE_EXHAUSTED"), (429, "ThrottlingException")
)
_FAILED: Final = _Said("server_error", 500, "api_error", (500, "INTERNAL"), (500, "InternalServerException"))
_BAD: Final = _Said(
    "bad_request", 400, "invalid_request_error", (400, "INVALID_ARGUMENT"), (400, "ValidationException")
)
_BUSY: Final = _Said("overloaded", 529, "overloaded_error", (503, "UNAVAILABLE"), (503, "ServiceUnavailableException"))

_STATUSES: Final[dict[int, tuple[_Said, str]]] = {
    401: (_AUTH, "invalid x-api-key"),
    403: (_AUTH._replace(status=403, type="permission_error"), "Your API key may not use this resource."),
    404: (_BAD._replace(status=404, type="not_found_error"), "model: not found"),
    413: (_BAD._replace(status=413, type="request_too_large"), "Request exceeds the maximum size"),
    429: (_LIMIT, "Number of requests has exceeded your rate limit. Please try again later."),
    500: (_FAILED, "Internal server error"),
    503: (_BUSY._replace(status=503, type="api_error"), "Service unavailable"),
    504: (_FAILED._replace(kind="timeout", status=504, type="timeout_error"), "Request timed out"),
    529: (_BUSY, "Overloaded"),
}


class AnthropicFront:
    """The wire that `codec` speaks, in the words of the place that its form names."""

    json_headers: Mapping[str, str] = {"content-type": "application/json"}

    def __init__(self, codec: AnthropicCodec) -> None:
        self._codec = codec
        self._form = codec.form
        in_frames = codec.form == "bedrock"
        kind = CONTENT_TYPE if in_frames else "text/event-stream; charset=utf-8"
        self.stream_headers: Mapping[str, str] = {"content-type": kind, "cache-control": "no-cache"}
        self.request_id = "x-amzn-requestid" if in_frames else "request-id"
        self.broken_event = (
            chunk_frame(_BROKEN) if in_frames else b"event: content_block_delta\ndata: " + _BROKEN + b"\n\n"
        )

    def read(self, request: WireRequest) -> Call:
        return self._codec.decode_request(request)

    def whole(self, call: Call, completion: Completion) -> bytes:  # noqa: ARG002
        return self._codec.encode_reply(completion).body

    def streamed(self, call: Call, completion: Completion, *, paced: bool) -> StreamParts:
        """The input's tokens are told at the beginning, as Anthropic tells them."""
        encoder = self._codec.encoder(call, model=completion.model, id=completion.id)
        usage = completion.usage
        first: list[Event] = [] if usage is None else [UsageUpdate(usage)]
        start = encoder.feed([*first, Started(completion.model, completion.id, completion.created)])
        events, tokens = deltas(completion, paced=paced)
        pieces = [encoder.feed([event]) for event in events]
        last = [Finished(choice.finish, choice.finish_raw, choice.index) for choice in completion.choices]
        ending, stop = encoder.feed([*last]) + encoder.close(), encoder.stop()
        return StreamParts(start, pieces, ending, stop, tokens)

    def stream_error(self, call: Call, error: CallError) -> bytes:
        if self._form == "bedrock":
            body = msgspec.json.encode({"message": error.message})
            return exception_frame("internalServerException", body)
        return self._codec.encoder(call, model=call.model, id="").fail(error)

    def error(self, error: CallError) -> bytes:
        if error.body:
            return error.body
        if self._form == "direct":
            return self._codec.encode_error(error).body
        return self._told(_BAD, error.message).body

    def error_headers(self, error: CallError) -> dict[str, str]:
        headers: dict[str, str] = {}
        if self._form == "bedrock":
            headers["x-amzn-errortype"] = error.code if error.code and "_" not in error.code else _BAD.aws[1]
        elif error.retry_after_s is not None and self._form == "direct":
            headers["retry-after"] = str(math.ceil(error.retry_after_s))
        return headers

    def refused(self, why: Refused, model: str) -> CallError:
        """The error with the place's own status, words and body."""
        match why:
            case NoKey():
                return self._told(_AUTH, "x-api-key header is required")
            case BadKey():
                return self._told(_AUTH, "invalid x-api-key")
            case OutOfQuota():
                return self._told(_CREDIT, self._out_of_credit())
            case Refusal():
                wait = None if math.isinf(why.wait_s) else why.wait_s
                return self._told(_LIMIT, self._limited(why, model), wait)
            case Failed():
                said, message = _STATUSES.get(why.status, (_of_status(why.status), phrase_of(why.status)))
                told = self._told(said, why.message or message, why.retry_after_s)
                told.status = why.status
                return told

    def limit_headers(self, told: Mapping[Literal["requests", "tokens"], Snapshot]) -> dict[str, str]:
        """Resets are instants, measured from the reply's date. Neither Google nor AWS tells any."""
        if self._form != "direct":
            return {}
        headers = {"date": format_datetime(_NOW, usegmt=True)}
        for what, snapshot in told.items():
            reset = _NOW + timedelta(seconds=math.ceil(snapshot.reset_s))
            headers[f"anthropic-ratelimit-{what}-limit"] = str(snapshot.limit)
            headers[f"anthropic-ratelimit-{what}-remaining"] = str(snapshot.remaining)
            headers[f"anthropic-ratelimit-{what}-reset"] = reset.strftime("%Y-%m-%dT%H:%M:%SZ")
        return headers

    def models(self, names: Sequence[str], created: int) -> bytes:
        at = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        data = [
            {"type": "model", "id": name, "display_name": name, "created_at": at, "lifecycle": "active"}
            for name in names
        ]
        ends = {"first_id": names[0] if names else None, "last_id": names[-1] if names else None}
        return msgspec.json.encode({"data": data, "has_more": False, **ends})

    def _out_of_credit(self) -> str:
        if self._form == "bedrock":
            return "Too many tokens per day, please wait before trying again."
        if self._form == "vertex":
            return "This API method requires billing to be enabled. Please enable billing on project #sim."
        return (
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or "
            "purchase credits."
        )

    def _limited(self, why: Refusal, model: str) -> str:
        if self._form == "bedrock":
            return f"Too many {why.what}, please wait before trying again."
        if self._form == "vertex":
            return (
                f"Quota exceeded for aiplatform.googleapis.com/online_prediction_{why.what}_per_base_model with base "
                f"model: anthropic-{model}. Please submit a quota increase request."
            )
        if why.what == "concurrency":
            return "Number of concurrent connections has exceeded your rate limit. Please try again later."
        unit = "requests" if why.what == "requests" else "tokens"
        return (
            f"This request would exceed your organization's rate limit of {why.limit:,} {unit} per minute (model: "
            f"{model}). For details, refer to: {_DOCS}. You can see the response headers for current usage."
        )

    def _told(self, said: _Said, message: str, wait_s: float | None = None) -> CallError:
        status, code, whole = _SHAPES[self._form](said, message)
        body = msgspec.json.encode(whole)
        return CallError(said.kind, message, status=status, code=code, retry_after_s=wait_s, body=body)


def _anthropic(said: _Said, message: str) -> tuple[int, str, dict[str, Any]]:
    return said.status, said.type, {"type": "error", "error": {"type": said.type, "message": message}}


def _google(said: _Said, message: str) -> tuple[int, str, dict[str, Any]]:
    status, word = said.google
    return status, word, {"error": {"code": status, "message": message, "status": word}}


def _aws(said: _Said, message: str) -> tuple[int, str, dict[str, Any]]:
    return *said.aws, {"message": message}


_SHAPES: Final = {"direct": _anthropic, "vertex": _google, "bedrock": _aws}


def _of_status(status: int) -> _Said:
    return (_FAILED if status >= 500 else _BAD)._replace(status=status)
