"""From a refusal to its class, by the exception's name, its words, and the status. Nothing here raises."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from penstock.errors import CallError, ErrorKind
from penstock.http import WireReply
from penstock.wire.eventstream import Frame
from penstock.wire.fault import Fault, fault_in, kept, mask, read_fault, request_id_of
from penstock.wire.waits import retry_after_s

__all__ = ["NAMES", "classify", "error_in", "error_of_frame", "name_of"]

NAMES: Final[dict[str, ErrorKind]] = {
    "throttlingexception": "rate_limited",
    "throttledexception": "rate_limited",
    "toomanyrequestsexception": "rate_limited",
    "requestthrottledexception": "rate_limited",
    "limitexceededexception": "rate_limited",
    "servicequotaexceededexception": "quota_exhausted",
    "modelnotreadyexception": "overloaded",
    "serviceunavailableexception": "overloaded",
    "serviceunavailable": "overloaded",
    "internalserverexception": "server_error",
    "internalserviceerror": "server_error",
    "internalfailure": "server_error",
    "modelerrorexception": "server_error",
    "modelstreamerrorexception": "server_error",
    "conflictexception": "server_error",
    "modeltimeoutexception": "timeout",
    "validationexception": "bad_request",
    "validationerror": "bad_request",
    "resourcenotfoundexception": "bad_request",
    "unknownoperationexception": "bad_request",
    "serializationexception": "bad_request",
    "requestentitytoolargeexception": "bad_request",
    "accessdeniedexception": "auth",
    "unrecognizedclientexception": "auth",
    "invalidsignatureexception": "auth",
    "incompletesignatureexception": "auth",
    "signaturedoesnotmatch": "auth",
    "missingauthenticationtokenexception": "auth",
    "missingauthenticationtoken": "auth",
    "expiredtokenexception": "auth",
    "expiredtoken": "auth",
    "requestexpired": "auth",
    "requesttimetooskewed": "auth",
    "invalidclienttokenid": "auth",
    "optinrequired": "auth",
    # What AWS has no name for and a server of this wire must say all the same.
    "quotaexhaustedexception": "quota_exhausted",
    "toobigforlimitexception": "too_big_for_limit",
    "contexttoolongexception": "context_too_long",
    "contentfilteredexception": "content_filtered",
    "upstreamconnectionexception": "transport",
    "emptyanswerexception": "empty",
    "invalidanswerexception": "invalid_answer",
}
"""An exception's name, in lower case."""

_STATUSES: Final[dict[int, ErrorKind]] = {
    401: "auth",
    403: "auth",
    408: "timeout",
    424: "server_error",
    429: "rate_limited",
    503: "overloaded",
}
_CONTEXT: Final = (
    r"input is too long|prompt is too long|too many input tokens|maximum context length|context window|context length"
    r"|input length .{0,60}exceed|input tokens? .{0,40}exceed|exceeds? the maximum (?:number of )?(?:input )?tokens"
    r"|maximum tokens you requested exceeds|reduce the length of the"
)
_FILTER: Final = (
    r"content filter|blocked by (?:the |our )?(?:content|guardrail)|content policy|safety polic|responsible ai"
)
_DAILY: Final = r"per day|daily"
_BAD_KEY: Final = r"security token|bearer token|api key .{0,30}(?:invalid|expired|not valid)"


def classify(reply: WireReply) -> CallError:
    """The error in a reply that is no success."""
    whole = _json(reply.body)
    name = reply.headers.get("x-amzn-errortype", "") or name_of(whole)
    fault = _fault(whole, reply.body)
    kind = _kind(name, fault, reply.status)
    return CallError(
        kind,
        fault.message or ("no explanation" if not reply.body.strip() else "an error in an unknown form"),
        status=reply.status,
        code=_short(name) or None,
        retry_after_s=retry_after_s(reply.headers, fault, kind),
        request_id=request_id_of(reply.headers),
        body=kept(reply.body),
    )


def error_in(whole: Any, reply: WireReply) -> CallError | None:
    """The error that came under a 200; None when `whole` holds none."""
    name = name_of(whole)
    if not name and (not isinstance(whole, dict) or fault_in(whole) is None):
        return None
    fault = _fault(whole, reply.body)
    kind = _kind(name, fault, None)
    return CallError(
        kind,
        fault.message or f"an error under a 200: {_short(name)}",
        status=reply.status,
        code=_short(name) or None,
        retry_after_s=retry_after_s(reply.headers, fault, kind),
        request_id=request_id_of(reply.headers),
        body=kept(reply.body),
    )


def error_of_frame(frame: Frame, partial: str) -> CallError:
    """The error that a frame of a stream is."""
    name, whole = frame.exception_type, _json(frame.payload)
    fault = _fault(whole, frame.payload)
    if not fault.message and frame.error_message:
        fault = Fault(message=mask(frame.error_message), text=frame.error_message.lower())
    kind = _kind(name, fault, None)
    return CallError(
        kind,
        fault.message or f"the stream ended with {name or 'an error'}",
        status=200,
        code=_short(name) or None,
        retry_after_s=retry_after_s({}, fault, kind),
        partial=partial,
        body=kept(frame.payload),
    )


def name_of(whole: Any) -> str:
    """The exception's name in a decoded body, "" when there is none."""
    if not isinstance(whole, dict):
        return ""
    inner = whole.get("Output")
    for place in (whole, inner if isinstance(inner, dict) else {}):
        name = place.get("__type")
        if isinstance(name, str):
            return name.rpartition("#")[2]
    return ""


def _short(name: str) -> str:
    """The name without the address that may follow it."""
    return name.partition(":")[0].rpartition("#")[2].strip()[:100]


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def _fault(whole: Any, body: bytes) -> Fault:
    if isinstance(whole, dict) and isinstance(whole.get("Message"), str):
        return read_fault(msgspec.json.encode({**whole, "message": whole["Message"]}))
    if isinstance(whole, dict) and fault_in(whole) is None:
        return Fault()
    fault = read_fault(body)
    fault.message = mask(fault.message)
    return fault


def _kind(name: str, fault: Fault, status: int | None) -> ErrorKind:
    known = NAMES.get(_short(name).lower())
    text = fault.text
    if known == "rate_limited" or (known is None and status == 429):
        return "quota_exhausted" if re.search(_DAILY, text) else "rate_limited"
    if known == "bad_request" or (known is None and (status is None or status < 500)):
        if re.search(_CONTEXT, text):
            return "context_too_long"
        if re.search(_FILTER, text):
            return "content_filtered"
        if known is None and re.search(_BAD_KEY, text):
            return "auth"
    if known is not None:
        return known
    if status is None:
        return "server_error"
    return _STATUSES.get(status, "server_error" if status >= 500 else "bad_request")
