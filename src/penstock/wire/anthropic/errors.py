"""From a refusal to its class: the one table for the Messages API, its shapes on Vertex AI and Bedrock included.

Order of evidence: the error's own type or code, what its text can only mean, the status, and `x-should-retry`.
Nothing here raises.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

from penstock.errors import CallError, ErrorKind
from penstock.http import Headers, WireReply
from penstock.wire.anthropic.limits import empty_bucket_s
from penstock.wire.fault import Fault, fault_in, kept, mask, obeyed, read_fault, request_id_of, unexplained
from penstock.wire.waits import retry_after_s

__all__ = ["ERROR_TYPES", "KINDS", "TYPES", "answer_id_of", "classify", "in_band", "named"]

TYPES: Final[dict[str, ErrorKind]] = {
    "invalid_request_error": "bad_request",
    "authentication_error": "auth",
    "billing_error": "quota_exhausted",
    "permission_error": "auth",
    "not_found_error": "bad_request",
    "request_too_large": "bad_request",
    "rate_limit_error": "rate_limited",
    "api_error": "server_error",
    "timeout_error": "timeout",
    "overloaded_error": "overloaded",
    # Vertex AI: google.rpc.Code
    "invalid_argument": "bad_request",
    "failed_precondition": "bad_request",
    "not_found": "bad_request",
    "unauthenticated": "auth",
    "permission_denied": "auth",
    "resource_exhausted": "rate_limited",
    "unavailable": "overloaded",
    "deadline_exceeded": "timeout",
    "internal": "server_error",
    "aborted": "server_error",
    # Bedrock, in lower case: the header of a refusal, the name of an exception in a stream
    "validationexception": "bad_request",
    "resourcenotfoundexception": "bad_request",
    "accessdeniedexception": "auth",
    "unrecognizedclientexception": "auth",
    "missingauthenticationtokenexception": "auth",
    "invalidsignatureexception": "auth",
    "expiredtokenexception": "auth",
    "throttlingexception": "rate_limited",
    "servicequotaexceededexception": "rate_limited",
    "modelnotreadyexception": "overloaded",
    "serviceunavailableexception": "overloaded",
    "modeltimeoutexception": "timeout",
    "modelerrorexception": "server_error",
    "modelstreamerrorexception": "server_error",
    "internalserverexception": "server_error",
}
"""What an error calls itself, in lower case."""

KINDS: Final[dict[str, ErrorKind]] = {
    "context_too_long": "context_too_long",
    "content_filtered": "content_filtered",
    "quota_exhausted": "quota_exhausted",
    "too_big_for_limit": "too_big_for_limit",
    "transport": "transport",
    "empty": "empty",
    "invalid_answer": "invalid_answer",
}
"""`details.error_code` as the server half writes it, where a type says too little."""

_DETAILS: Final[dict[str, ErrorKind]] = {
    "contract_spend_limit_reached": "quota_exhausted",
    "enforced_spend_limit_reached": "quota_exhausted",
    "organization_on_hold": "auth",
}
"""`details.error_code` of Anthropic's own, where it says more than the type."""

ERROR_TYPES: Final[dict[ErrorKind, tuple[int, str]]] = {
    "rate_limited": (429, "rate_limit_error"),
    "quota_exhausted": (402, "billing_error"),
    "too_big_for_limit": (429, "rate_limit_error"),
    "overloaded": (529, "overloaded_error"),
    "server_error": (500, "api_error"),
    "transport": (502, "api_error"),
    "timeout": (504, "timeout_error"),
    "auth": (401, "authentication_error"),
    "bad_request": (400, "invalid_request_error"),
    "context_too_long": (400, "invalid_request_error"),
    "content_filtered": (400, "invalid_request_error"),
    "empty": (502, "api_error"),
    "invalid_answer": (502, "api_error"),
}
"""What the server half says for each class."""

_STATUSES: Final[dict[int, ErrorKind]] = {
    401: "auth",
    402: "quota_exhausted",
    403: "auth",
    408: "timeout",
    409: "server_error",
    424: "server_error",
    425: "server_error",
    429: "rate_limited",
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}

_CONTEXT: Final = (
    r"prompt is too long|exceeds? (?:the )?(?:model'?s? )?context (?:window|limit|length)|context limit"
    r"|input is too long|too many (?:input )?tokens in|maximum context length|request size exceeds model context"
)
_NO_CREDIT: Final = (
    r"credit balance is too low|specified api usage limits|purchase credits|spend(?:ing)? limit|out of credits"
    r"|requires billing to be enabled"
)
_FILTER: Final = r"content filtering policy|blocked by .{0,40}(?:filter|polic)|usage policy|guardrail"
_TOO_BIG: Final = r"extra usage is required|long context (?:beta|request)"
_DAILY: Final = r"too many tokens per day|per day"
_LOADING: Final = r"overloaded|at capacity|no available capacity|too many connections"

_TEXTS: Final[dict[ErrorKind, tuple[tuple[str, ErrorKind], ...]]] = {
    "bad_request": (
        (_CONTEXT, "context_too_long"),
        (_NO_CREDIT, "quota_exhausted"),
        (_FILTER, "content_filtered"),
        (r"invalid x-api-key|api[ _]key not valid|organization has been disabled", "auth"),
    ),
    "rate_limited": (
        (_TOO_BIG, "too_big_for_limit"),
        (_DAILY, "quota_exhausted"),
        (_NO_CREDIT, "quota_exhausted"),
        (r"\boverloaded\b", "overloaded"),
    ),
    "server_error": ((_LOADING, "overloaded"),),
    "auth": ((_NO_CREDIT, "quota_exhausted"),),
}
"""What the words make of a class that the type or status gave."""


def answer_id_of(headers: Headers) -> str | None:
    """The provider's name for an exchange."""
    return headers.get("request-id") or request_id_of(headers)


def classify(reply: WireReply) -> CallError:
    """The error in a reply that is no success."""
    headers = reply.headers
    fault = read_fault(reply.body)
    # Bedrock names an error in a header, a colon and an address behind it.
    told = (headers.get("x-amzn-errortype") or "").partition(":")[0]
    return _error(fault, _names(reply.body, told), reply.status, headers, reply.body)


def in_band(body: bytes, *, headers: Headers | None = None, partial: str = "") -> CallError:
    """The error that came under a 200, in a body or as an event of a stream."""
    return _error(read_fault(body), _names(body, ""), None, headers or {}, body, partial)


def named(name: str, message: str, *, body: bytes = b"") -> CallError:
    """The error that a stream calls by a name alone: an exception among AWS events."""
    fault = Fault(message=" ".join(mask(message[:2000]).split())[:500], codes=(name,), text=message.lower())
    return _error(fault, [name], None, {}, body)


def _names(body: bytes, told: str) -> list[str]:
    """What the error calls itself, the most telling first: `details.error_code`, the header, type, code, status."""
    names = [told] if told else []
    try:
        whole = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return names
    error = whole.get("error") if isinstance(whole, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    code = details.get("error_code") if isinstance(details, dict) else None
    fault = fault_in(whole)
    return [*([code] if isinstance(code, str) else []), *names, *(fault.codes if fault is not None else ())]


def _error(
    fault: Fault, names: list[str], status: int | None, headers: Headers, body: bytes, partial: str = ""
) -> CallError:
    effective = status if status is not None and status >= 300 else fault.status
    kind = obeyed(headers.get("x-should-retry"), _kind(names, fault.text, effective))
    return CallError(
        kind,
        fault.message or unexplained(effective, body),
        status=status if status is not None else effective,
        code=names[0] if names else None,
        retry_after_s=retry_after_s(headers, fault, kind)
        or (empty_bucket_s(headers) if kind == "rate_limited" else None),
        request_id=answer_id_of(headers) or _request_id_in(body),
        partial=partial,
        body=kept(body),
    )


def _request_id_in(body: bytes) -> str | None:
    found = re.search(rb'"request_id"\s*:\s*"([\w-]{1,100})"', body[:65_536])
    return found[1].decode("ascii", "replace") if found is not None else None


def _kind(names: list[str], text: str, status: int | None) -> ErrorKind:
    lower = [name.lower() for name in names]
    told = next((KINDS.get(name) or _DETAILS[name] for name in lower if name in KINDS or name in _DETAILS), None)
    if told is not None:
        return told
    kind = next((TYPES[name] for name in lower if name in TYPES), None)
    if kind is None or (kind == "server_error" and status is not None and status in _STATUSES):
        kind = _by_status(status)
    return next((better for pattern, better in _TEXTS.get(kind, ()) if re.search(pattern, text)), kind)


def _by_status(status: int | None) -> ErrorKind:
    if status is None:
        return "server_error"
    known = _STATUSES.get(status)
    if known is not None:
        return known
    return "server_error" if status >= 500 else "bad_request"
