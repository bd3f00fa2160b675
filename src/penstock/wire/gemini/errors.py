"""From a refusal to its class: the one table for Google's errors.

Order of evidence: the reasons in the details, what the text can only mean, Google's status word, the HTTP status.
Nothing here raises.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

from penstock.errors import CallError, ErrorKind
from penstock.http import Headers, WireReply
from penstock.wire.bodies import broken
from penstock.wire.fault import unexplained
from penstock.wire.gemini.fault import Fault, duration_s, fault_in, mask_bytes, read_fault

__all__ = ["MAX_WAIT_S", "REASONS", "WORDS", "blocked", "broken", "classify", "in_band", "kept", "request_id_of"]

MAX_KEPT_BODY: Final = 64 * 1024
MAX_WAIT_S: Final = 300.0
"""No single word of a server makes anyone wait longer before asking again."""

REASONS: Final[dict[str, ErrorKind]] = {
    "API_KEY_INVALID": "auth",
    "API_KEY_EXPIRED": "auth",
    "API_KEY_SERVICE_BLOCKED": "auth",
    "API_KEY_HTTP_REFERRER_BLOCKED": "auth",
    "API_KEY_IP_ADDRESS_BLOCKED": "auth",
    "ACCESS_TOKEN_EXPIRED": "auth",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "auth",
    "ACCESS_TOKEN_TYPE_UNSUPPORTED": "auth",
    "CREDENTIALS_MISSING": "auth",
    "ACCOUNT_STATE_INVALID": "auth",
    "CONSUMER_INVALID": "auth",
    "CONSUMER_SUSPENDED": "auth",
    "SERVICE_DISABLED": "auth",
    "IAM_PERMISSION_DENIED": "auth",
    "BILLING_DISABLED": "quota_exhausted",
    "QUOTA_EXHAUSTED": "quota_exhausted",
    "TOO_BIG_FOR_LIMIT": "too_big_for_limit",
    "CONTEXT_TOO_LONG": "context_too_long",
    "CONTENT_FILTERED": "content_filtered",
    "UPSTREAM_CONNECTION_FAILED": "transport",
    "UPSTREAM_TIMEOUT": "timeout",
    "EMPTY_ANSWER": "empty",
    "INVALID_ANSWER": "invalid_answer",
}
"""An `ErrorInfo`'s reason that says enough by itself. The last ones are what our own server half adds."""

WORDS: Final[dict[str, ErrorKind]] = {
    "INVALID_ARGUMENT": "bad_request",
    "FAILED_PRECONDITION": "bad_request",
    "OUT_OF_RANGE": "bad_request",
    "NOT_FOUND": "bad_request",
    "ALREADY_EXISTS": "bad_request",
    "UNIMPLEMENTED": "bad_request",
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "auth",
    "RESOURCE_EXHAUSTED": "rate_limited",
    "UNAVAILABLE": "overloaded",
    "INTERNAL": "server_error",
    "UNKNOWN": "server_error",
    "DATA_LOSS": "server_error",
    "ABORTED": "server_error",
    "CANCELLED": "server_error",
    "DEADLINE_EXCEEDED": "server_error",
}
"""Google's status words (google.rpc.Code)."""

_STATUSES: Final[dict[int, ErrorKind]] = {
    401: "auth",
    402: "quota_exhausted",
    403: "auth",
    408: "timeout",
    409: "server_error",
    425: "server_error",
    429: "rate_limited",
    499: "server_error",
    501: "bad_request",
    503: "overloaded",
    529: "overloaded",
}

_CONTEXT: Final = (
    r"token count .{0,60}exceeds|exceeds the (?:maximum|model's).{0,40}tokens|context (?:window|length)"
    r"|(?:prompt|input|request|content)s? (?:is|are) too long"
)
_BAD_KEY: Final = (
    r"api[ _]key (?:is )?(?:not valid|invalid|expired|missing|not found)|(?:invalid|expired) api[ _]key"
    r"|unregistered callers|user location is not supported|authentication credential"
)
_BILLING: Final = (
    r"enable billing|billing (?:is disabled|to be enabled|account)|prepa(?:y|id|yment) credits|spending cap"
)
_TEXTS: Final[tuple[tuple[str, ErrorKind], ...]] = (
    (_CONTEXT, "context_too_long"),
    (_BAD_KEY, "auth"),
    (_BILLING, "quota_exhausted"),
)
_NO_QUOTA: Final = r"limit: 0(?![\d.])"
_OVERLOADED: Final = r"overloaded|high demand"
_HINT: Final = r"(?:retry|try again) (?:in|after) ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)"
_WAITABLE: Final = frozenset({"rate_limited", "overloaded", "server_error", "quota_exhausted", "timeout"})
_REQUEST_IDS: Final = ("x-request-id", "x-goog-request-id", "x-guploader-uploadid", "x-cloud-trace-context")


def request_id_of(headers: Headers) -> str | None:
    """The provider's name for this exchange, where it gives one."""
    return next((value for name in _REQUEST_IDS if (value := headers.get(name))), None)


def kept(body: bytes) -> bytes:
    """What an error keeps of a body: up to 64 KiB, without anything like a key."""
    return mask_bytes(body[:MAX_KEPT_BODY])


def classify(reply: WireReply) -> CallError:
    """The error in a reply that is no success."""
    return _error(read_fault(reply.body), reply.status, reply.headers, reply.body)


def in_band(whole: Any, body: bytes, headers: Headers | None = None, *, partial: str = "") -> CallError:
    """The error that came under a 200: `whole` is decoded JSON that holds one."""
    return _error(fault_in(whole) or read_fault(body), None, headers or {}, body, partial)


def blocked(feedback: Any, body: bytes, headers: Headers | None = None, *, status: int = 200) -> CallError | None:
    """The error of a prompt that was blocked; None when `promptFeedback` says nothing of the kind."""
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if not reason:
        return None
    said = feedback.get("blockReasonMessage")
    why = f": {said}" if isinstance(said, str) and said else ""
    return CallError(
        "content_filtered",
        f"the prompt was blocked ({reason}){why}"[:500],
        status=status,
        code=str(reason)[:100],
        request_id=request_id_of(headers or {}),
        body=kept(body),
    )


def _error(fault: Fault, status: int | None, headers: Headers, body: bytes, partial: str = "") -> CallError:
    effective = status if status is not None and status >= 300 else fault.status
    kind = _kind(fault, effective)
    return CallError(
        kind,
        fault.message or unexplained(effective, body),
        status=status if status is not None else effective,
        code=fault.reasons[0] if fault.reasons else (fault.word or None),
        retry_after_s=_wait_s(fault, headers, kind),
        request_id=request_id_of(headers),
        partial=partial,
        body=kept(body),
        limits=fault.quotas.limits,
    )


def _kind(fault: Fault, status: int | None) -> ErrorKind:
    by_reason = next((REASONS[reason] for reason in fault.reasons if reason in REASONS), None)
    if by_reason is not None:
        return by_reason
    by_word = WORDS.get(fault.word.upper())
    if by_word == "rate_limited" or status == 429:
        return _limit_kind(fault)
    if status is None or status < 500:
        by_text = next((kind for pattern, kind in _TEXTS if re.search(pattern, fault.text)), None)
        if by_text is not None:
            return by_text
    return by_word or _by_status(status)


def _limit_kind(fault: Fault) -> ErrorKind:
    """A refusal at a limit: one that waiting cures within minutes, or one that it doesn't."""
    if fault.quotas.nothing or fault.quotas.daily:
        return "quota_exhausted"
    if re.search(_NO_QUOTA, fault.text) or re.search(_BILLING, fault.text):
        return "quota_exhausted"
    return "overloaded" if re.search(_OVERLOADED, fault.text) else "rate_limited"


def _by_status(status: int | None) -> ErrorKind:
    if status is None:
        return "server_error"
    return _STATUSES.get(status, "server_error" if status >= 500 else "bad_request")


def _wait_s(fault: Fault, headers: Headers, kind: ErrorKind) -> float | None:
    """Seconds to wait in (0, 300]: `RetryInfo`, then the text, then `retry-after`; None when nothing usable came."""
    if kind not in _WAITABLE:
        return None
    hint = re.search(_HINT, fault.text)
    for wait in (fault.wait_s, duration_s(hint[1]) if hint else None, _number(headers.get("retry-after"))):
        if wait is not None and math.isfinite(wait) and wait > 0:
            return min(wait, MAX_WAIT_S)
    return None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None
