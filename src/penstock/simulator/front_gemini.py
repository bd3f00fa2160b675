"""Google's wire as the Gemini API and Vertex AI speak it: answers, refusals word for word, the list of models.

Both say nothing about limits in their headers; the wait stands in the refusal's body, on Vertex nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from penstock.call import (
    Call,
    Completion,
    Event,
    ReasoningDelta,
    TextDelta,
    ToolDelta,
)
from penstock.errors import CallError, ErrorKind
from penstock.http import WireRequest
from penstock.simulator.content import CHARS_PER_TOKEN
from penstock.simulator.front import StreamParts, parts
from penstock.simulator.limits import Refusal, Snapshot
from penstock.simulator.refused import BadKey, Failed, NoKey, OutOfQuota, Refused
from penstock.wire.gemini import GeminiCodec

__all__ = ["GeminiFront"]

_AT_ONCE_PIECES: Final = 16
_TYPES: Final = "type.googleapis.com/google.rpc."
_METRIC: Final = "generativelanguage.googleapis.com/generate_content_paid_tier_"
_QUOTA_DOCS: Final = "https://ai.google.dev/gemini-api/docs/rate-limits"
_METHODS: Final = ("generateContent", "countTokens", "embedContent")
_Detail = dict[str, Any]


class GeminiFront:
    """The wire that `codec` speaks, in the words of its platform."""

    json_headers: Mapping[str, str] = {"content-type": "application/json; charset=UTF-8"}
    stream_headers: Mapping[str, str] = {"content-type": "text/event-stream"}
    request_id = "x-request-id"
    broken_event = b'data: {"candidates": [{"content": {"parts": [{"te\r\n\r\n'

    def __init__(self, codec: GeminiCodec) -> None:
        self._codec = codec
        self._is_vertex = codec.platform == "vertex"

    def read(self, request: WireRequest) -> Call:
        return self._codec.decode_request(request)

    def whole(self, call: Call, completion: Completion) -> bytes:
        return self._codec.encode_reply(completion, call).body

    def streamed(self, call: Call, completion: Completion, *, paced: bool) -> StreamParts:
        encoder = self._codec.encoder(call, model=completion.model, id=completion.id)
        return parts(encoder, completion, _deltas(completion, paced=paced))

    def stream_error(self, call: Call, error: CallError) -> bytes:
        return self._codec.encoder(call, model=call.model, id="").fail(error)

    def error(self, error: CallError) -> bytes:
        return error.body or self._codec.encode_error(error).body

    def error_headers(self, error: CallError) -> dict[str, str]:  # noqa: ARG002
        """Nothing: Google says it in the body."""
        return {}

    def refused(self, why: Refused, model: str) -> CallError:
        say = (_VERTEX if self._is_vertex else _GEMINI)[type(why)]
        return say(why, model)

    def limit_headers(self, told: Mapping[Literal["requests", "tokens"], Snapshot]) -> dict[str, str]:  # noqa: ARG002
        return {}

    def models(self, names: Sequence[str], created: int) -> bytes:  # noqa: ARG002 - Google doesn't say when
        said = [
            {"name": f"models/{name}", "version": "001", "displayName": name, "supportedGenerationMethods": _METHODS}
            for name in names
        ]
        return msgspec.json.encode({"models": said})


def _deltas(completion: Completion, *, paced: bool) -> tuple[list[Event], float]:
    """The answer in pieces and the tokens in each: one when it is paced. Calls come whole, as this wire sends them."""
    longest = max((len(choice.message.get("content") or "") for choice in completion.choices), default=0)
    chars = CHARS_PER_TOKEN if paced else max(CHARS_PER_TOKEN, -(-longest // _AT_ONCE_PIECES))
    events: list[Event] = []
    for choice in completion.choices:
        thoughts, text = (choice.message.get(name) or "" for name in ("reasoning_content", "content"))
        events += [
            ReasoningDelta(thoughts[start : start + chars], choice.index) for start in range(0, len(thoughts), chars)
        ]
        events += [TextDelta(text[start : start + chars], choice.index) for start in range(0, len(text), chars)]
        for number, tool in enumerate(choice.message.get("tool_calls") or ()):
            function = tool["function"]
            events.append(ToolDelta(number, tool["id"], function["name"], function["arguments"], choice.index))
    return events, chars / CHARS_PER_TOKEN


def _error(status: int, word: str, message: str, *, kind: ErrorKind, details: Sequence[_Detail] = ()) -> CallError:
    said: dict[str, Any] = {"code": status, "message": message, "status": word}
    if details:
        said["details"] = details
    # The wait stands in the body alone: no header of Google's tells it.
    return CallError(kind, message, status=status, code=word, body=msgspec.json.encode({"error": said}))


def _info(reason: str, service: str) -> _Detail:
    return {
        "@type": f"{_TYPES}ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": service},
    }


def _retry(seconds: float) -> _Detail:
    return {"@type": f"{_TYPES}RetryInfo", "retryDelay": f"{math.ceil(seconds)}s"}


def _no_key(_why: NoKey, _model: str) -> CallError:
    message = (
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or "
        "other form of API consumer identity to call this API."
    )
    return _error(403, "PERMISSION_DENIED", message, kind="auth")


def _bad_key(_why: BadKey, _model: str) -> CallError:
    message = "API key not valid. Please pass a valid API key."
    details = [
        _info("API_KEY_INVALID", "generativelanguage.googleapis.com"),
        {"@type": f"{_TYPES}LocalizedMessage", "locale": "en-US", "message": message},
    ]
    return _error(400, "INVALID_ARGUMENT", message, kind="auth", details=details)


_QUOTAS: Final = {
    "requests": ("requests", "GenerateRequestsPerMinutePerProjectPerModel"),
    "tokens": ("input_token_count", "GenerateContentPaidTierInputTokensPerModelPerMinute"),
    "day": ("requests", "GenerateRequestsPerDayPerProjectPerModel"),
}


def _exceeded(what: str, limit: int, wait_s: float, model: str, *, kind: ErrorKind) -> CallError:
    metric, quota = _QUOTAS[what]
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this "
        f"error, head over to: {_QUOTA_DOCS}.\n* Quota exceeded for metric: {_METRIC}{metric}, limit: {limit}, "
        f"model: {model}\nPlease retry in {wait_s:.9f}s."
    )
    violation = {
        "quotaMetric": f"{_METRIC}{metric}",
        "quotaId": quota,
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": str(limit),
    }
    details: list[_Detail] = [
        {"@type": f"{_TYPES}Help", "links": [{"description": "Learn more about quotas", "url": _QUOTA_DOCS}]},
        {"@type": f"{_TYPES}QuotaFailure", "violations": [violation]},
        _retry(wait_s),
    ]
    return _error(429, "RESOURCE_EXHAUSTED", message, kind=kind, details=details)


def _out_of_quota(_why: OutOfQuota, model: str) -> CallError:
    return _exceeded("day", 1000, 3600.0, model, kind="quota_exhausted")


def _limit(why: Refusal, model: str) -> CallError:
    if why.what == "concurrency":
        message = "Resource has been exhausted (e.g. check quota)."
        return _error(429, "RESOURCE_EXHAUSTED", message, kind="rate_limited")
    # What can never pass is told to wait as well: so does Google.
    wait_s = why.wait_s if math.isfinite(why.wait_s) else 59.0
    return _exceeded(why.what, why.limit, wait_s, model, kind="rate_limited")


_STATUSES: Final[dict[int, tuple[str, ErrorKind, str]]] = {
    400: ("INVALID_ARGUMENT", "bad_request", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "auth", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "auth", "The caller does not have permission"),
    404: ("NOT_FOUND", "bad_request", "The model is not found, or is not supported for generateContent."),
    429: ("RESOURCE_EXHAUSTED", "rate_limited", "Resource has been exhausted (e.g. check quota)."),
    500: ("INTERNAL", "server_error", "An internal error has occurred. Please retry."),
    503: ("UNAVAILABLE", "overloaded", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "server_error", "The request timed out. Please try again."),
}


def _failed(why: Failed, _model: str) -> CallError:
    default: tuple[str, ErrorKind, str] = ("UNKNOWN", "server_error", f"Error {why.status}")
    word, kind, message = _STATUSES.get(why.status, default if why.status >= 500 else _STATUSES[400])
    details = [_retry(why.retry_after_s)] if why.retry_after_s is not None else []
    return _error(why.status, word, why.message or message, kind=kind, details=details)


def _no_token(_why: NoKey | BadKey, _model: str) -> CallError:
    message = (
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
    )
    details = [_info("ACCESS_TOKEN_TYPE_UNSUPPORTED", "aiplatform.googleapis.com")]
    return _error(401, "UNAUTHENTICATED", message, kind="auth", details=details)


def _exhausted(why: Refusal | OutOfQuota, _model: str) -> CallError:
    message = (
        "Resource exhausted. Please try again later. Please refer to "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details."
    )
    if isinstance(why, OutOfQuota):
        message = "This API method requires billing to be enabled. Please enable billing on the project."
        return _error(
            403,
            "PERMISSION_DENIED",
            message,
            kind="quota_exhausted",
            details=[_info("BILLING_DISABLED", "aiplatform.googleapis.com")],
        )
    return _error(429, "RESOURCE_EXHAUSTED", message, kind="rate_limited")


_Say = Mapping[type[Refused], Callable[..., CallError]]
_GEMINI: Final[_Say] = {
    NoKey: _no_key,
    BadKey: _bad_key,
    OutOfQuota: _out_of_quota,
    Refusal: _limit,
    Failed: _failed,
}
_VERTEX: Final[_Say] = {
    NoKey: _no_token,
    BadKey: _no_token,
    OutOfQuota: _exhausted,
    Refusal: _exhausted,
    Failed: _failed,
}
