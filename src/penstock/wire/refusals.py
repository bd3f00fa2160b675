"""From a refusal to its class and back: the one table for OpenAI's API, both its wires, and everyone who speaks them.

Order of evidence: the body's codes, what its text can only mean, the status (the reply's, else the one that the
body claims), and at last `x-should-retry`. Nothing here raises.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from penstock.call import RateLimits
from penstock.errors import CallError, ErrorKind
from penstock.http import Headers, WireReply
from penstock.wire.answering import headers_of
from penstock.wire.fault import Fault, fault_in, kept, obeyed, read_fault, request_id_of, unexplained
from penstock.wire.waits import empty_bucket_s, retry_after_s

__all__ = ["CODES", "STATUSES", "TYPES", "class_name", "classify", "encode_error", "error_object", "in_band"]

CODES: Final[dict[str, ErrorKind]] = {
    "insufficient_quota": "quota_exhausted",
    "billing_hard_limit_reached": "quota_exhausted",
    "billing_not_active": "quota_exhausted",
    "access_terminated": "auth",
    "insufficient_balance": "quota_exhausted",
    "exceeded_current_quota_error": "quota_exhausted",  # Moonshot
    "arrearage": "quota_exhausted",  # Alibaba's DashScope, a 400
    "payment_required": "quota_exhausted",
    "request_quota_exceeded": "quota_exhausted",
    "1113": "quota_exhausted",  # z.ai: no balance
    "1308": "quota_exhausted",  # z.ai: the hours of a plan are used up
    "1261": "context_too_long",  # z.ai
    "1301": "content_filtered",  # z.ai
    "minimax_1008": "quota_exhausted",
    "minimax_1002": "rate_limited",
    "minimax_1039": "rate_limited",
    "minimax_1004": "auth",
    "minimax_1026": "content_filtered",
    "minimax_1027": "content_filtered",
    "too_big_for_limit": "too_big_for_limit",
    "context_length_exceeded": "context_too_long",
    "context_window_exceeded": "context_too_long",
    "string_above_max_length": "context_too_long",
    "tokens_limit_reached": "context_too_long",  # GitHub Models, a 413
    "exceed_context_size_error": "context_too_long",
    "content_filter": "content_filtered",
    "content_policy_violation": "content_filtered",
    "responsibleaipolicyviolation": "content_filtered",
    "data_inspection_failed": "content_filtered",
    # A response that failed after its 200 (Responses API)
    **dict.fromkeys(("invalid_prompt", "image_content_policy_violation"), "content_filtered"),
    **dict.fromkeys(("bio_policy", "misalignment_policy_violation"), "content_filtered"),
    **dict.fromkeys(
        ("invalid_image", "invalid_image_format", "invalid_base64_image", "invalid_image_url"), "bad_request"
    ),
    **dict.fromkeys(("image_too_large", "image_too_small", "image_parse_error", "invalid_image_mode"), "bad_request"),
    **dict.fromkeys(("image_file_too_large", "unsupported_image_media_type", "empty_image_file"), "bad_request"),
    **dict.fromkeys(("failed_to_download_image", "image_file_not_found", "data_residency_mismatch"), "bad_request"),
    "vector_store_timeout": "timeout",
    "invalid_api_key": "auth",
    "authentication_error": "auth",
    "invalid_authentication": "auth",
    "unauthenticated": "auth",
    "permission_denied": "auth",
    "rate_limit_exceeded": "rate_limited",
    "rate_limit_error": "rate_limited",
    "ratelimitreached": "rate_limited",
    "too_many_requests": "rate_limited",
    "dynamic_request_limited": "rate_limited",
    "dynamic_token_limited": "rate_limited",
    "queue_exceeded": "overloaded",
    "service_tier_capacity_exceeded": "overloaded",  # Mistral
    "overloaded": "overloaded",
    "overloaded_error": "overloaded",
    "unavailable_error": "overloaded",
    "model_overloaded": "overloaded",
    "engine_overloaded": "overloaded",
    "engine_overloaded_error": "overloaded",
    "capacity_exceeded": "overloaded",
    "service_unavailable": "overloaded",
    "unavailable": "overloaded",
    "model_not_found": "bad_request",
    "unsupported_parameter": "bad_request",
    "unsupported_value": "bad_request",
    "unknown_url": "bad_request",
    "tool_use_failed": "bad_request",
    "json_validate_failed": "bad_request",
    "upstream_connection_failed": "transport",
    "upstream_timeout": "timeout",
    "timeout": "timeout",
    "empty_answer": "empty",
    "invalid_answer": "invalid_answer",
}
"""A code or type, in lower case, that says enough by itself."""

TYPES: Final[dict[str, ErrorKind]] = {
    "invalid_request_error": "bad_request",
    "not_found_error": "bad_request",
    "server_error": "server_error",
    "internal_server_error": "server_error",
    "internal_error": "server_error",
    "api_error": "server_error",
}
"""Types that count only where there is no status, which knows better (Ollama writes `api_error` on a 401)."""

STATUSES: Final[dict[int, ErrorKind]] = {
    400: "bad_request",
    401: "auth",
    402: "quota_exhausted",
    403: "auth",
    408: "timeout",
    409: "server_error",
    424: "server_error",
    425: "server_error",
    429: "rate_limited",
    498: "overloaded",  # Groq: no flex capacity
    499: "server_error",
    501: "bad_request",
    503: "overloaded",
    529: "overloaded",
}

_CONTEXT: Final = (
    r"maximum context length|context[_ ]length[_ ]exceeded|context window|context length|prompt is too long"
    r"|input is too long|input length .{0,60}exceed|maximum prompt length|exceeds? the (?:available )?context size"
    r"|longer than the maximum model length|too large for model with \d+ maximum"
    r"|reduce the length of the (?:messages|prompt|input|conversation)"
    r"|tokens?`? \+ `?max_new_tokens|input token count .{0,60}exceeds|exceeds the maximum number of (?:input )?tokens"
    r"|too many (?:input )?tokens in the (?:prompt|request)|prompt tokens .{0,40}exceed|max_seq_len"
    r"|context size has been exceeded|maximum supported sequence length|exceeded model token limit"
    r"|range of input length should be"
)
# In a 413 alone: something is too large there, and these words say what.
_TOO_LONG: Final = r"\btokens?\b|\bcontext\b|\bprompt\b|(?:sequence|input) length"
_FILTER: Final = (
    r"content management policy|content filter(?:ing|ed)? |responsible ai|requires moderation|flagged (?:for|by|as)"
    r"|usage guidelines|content policy|safety (?:system|filters?) |content exists risk"
)
_BAD_KEY: Final = (
    r"api[ _]key not valid|(?:incorrect|invalid|wrong|expired|missing) api[ _]key"
    r"|api[ _]key (?:is )?(?:invalid|expired|missing)"
)
_NO_CREDIT: Final = (
    r"insufficient (?:balance|credits?|funds)|used all available credits|spending limit|requires more credits"
    r"|out of credits|have any credits|exceeded your (?:monthly|current) (?:included )?(?:credits|quota)"
)
# A 429 that no minutes cure: xAI, OpenRouter, GitHub.
_SPENT: Final = r"used all available credits|monthly spending limit|free-models-per-day|bymodelbyday"
_LOADING: Final = (
    r"overloaded|loading model|model is (?:currently )?(?:loading|busy)|at capacity|server is busy"
    r"|no available capacity"
)
_TOO_BIG: Final = r"limit:? ?([\d,]+)\b.{0,80}?requested:? ?([\d,]+)"


def classify(reply: WireReply, read_limits: Callable[[Headers], RateLimits | None] | None = None) -> CallError:
    """The error in a reply that is no success. `read_limits` knows the names that its headers may have."""
    fault = read_fault(reply.body)
    error = _error(fault, reply.status, reply.headers, reply.body)
    if error.kind == "rate_limited" and error.retry_after_s is None and read_limits is not None:
        error.retry_after_s = empty_bucket_s(read_limits(reply.headers))
    return error


def in_band(whole: Any, body: bytes, headers: Headers | None = None, *, partial: str = "") -> CallError:
    """The error that came under a 200: `whole` is decoded JSON that holds one."""
    fault = fault_in(whole) or read_fault(body)
    return _error(fault, None, headers or {}, body, partial)


def _error(fault: Fault, status: int | None, headers: Headers, body: bytes, partial: str = "") -> CallError:
    effective = status if status is not None and status >= 300 else fault.status
    kind = obeyed(headers.get("x-should-retry"), _kind(fault, effective))
    return CallError(
        kind,
        fault.message or unexplained(effective, body),
        status=status if status is not None else effective,
        code=fault.codes[0] if fault.codes else None,
        retry_after_s=retry_after_s(headers, fault, kind),
        request_id=request_id_of(headers),
        partial=partial,
        body=kept(body),
        limits=fault.quotas.limits,
    )


def _kind(fault: Fault, status: int | None) -> ErrorKind:
    codes = [code.lower() for code in fault.codes]
    return (
        _by_code(codes, CODES, fault)
        or _by_text(fault, status)
        or (_by_code(codes, TYPES, fault) if status is None else None)
        or _by_status(status)
    )


def _by_code(codes: list[str], table: dict[str, ErrorKind], fault: Fault) -> ErrorKind | None:
    kinds = [table[code] for code in codes if code in table]
    if not kinds:
        return None
    if "quota_exhausted" in kinds:  # its type may speak of a limit as well
        return "quota_exhausted"
    if kinds[0] == "rate_limited":
        return _limit_kind(fault)
    if kinds[0] == "bad_request" and re.search(_CONTEXT, fault.text):
        return "context_too_long"
    return kinds[0]


def _limit_kind(fault: Fault) -> ErrorKind:
    """A refusal at a limit: one that waiting cures, or one that it never will."""
    if re.search(_CONTEXT, fault.text):
        return "context_too_long"  # Azure dresses a context overflow as a 429
    too_big = re.search(_TOO_BIG, fault.text)
    if too_big is not None and _count(too_big[2]) > _count(too_big[1]):
        return "too_big_for_limit"
    if fault.quotas.daily or fault.quotas.nothing or re.search(_SPENT, fault.text):
        return "quota_exhausted"
    return "rate_limited"


def _count(text: str) -> int:
    return int(text.replace(",", "")[:18] or "0")


def _by_text(fault: Fault, status: int | None) -> ErrorKind | None:
    text = fault.text
    if status == 429:
        return "overloaded" if re.search(_LOADING, text) else _limit_kind(fault)
    if status == 413:
        kind = _limit_kind(fault)
        if kind != "rate_limited":
            return kind
        if re.search(_TOO_LONG, text):
            return "context_too_long"
    texts = _TEXTS if status is None or status < 500 else _TEXTS_OF_500
    return next((kind for pattern, kind in texts if re.search(pattern, text)), None)


_TEXTS: Final[tuple[tuple[str, ErrorKind], ...]] = (
    (_CONTEXT, "context_too_long"),
    (_BAD_KEY, "auth"),
    (_NO_CREDIT, "quota_exhausted"),
    (_FILTER, "content_filtered"),
    (_LOADING, "overloaded"),
)
_TEXTS_OF_500: Final[tuple[tuple[str, ErrorKind], ...]] = ((_CONTEXT, "context_too_long"), (_LOADING, "overloaded"))


def _by_status(status: int | None) -> ErrorKind:
    if status is None:
        return "server_error"
    known = STATUSES.get(status)
    if known is not None:
        return known
    return "server_error" if status >= 500 else "bad_request"


# status, type, code: what OpenAI itself would say, and otherwise a code that our own client half knows.
_ERRORS: Final[dict[ErrorKind, tuple[int, str, str | None]]] = {
    "rate_limited": (429, "requests", "rate_limit_exceeded"),
    "quota_exhausted": (429, "insufficient_quota", "insufficient_quota"),
    "too_big_for_limit": (429, "tokens", "too_big_for_limit"),
    "overloaded": (503, "server_error", "overloaded"),
    "server_error": (500, "server_error", None),
    "transport": (502, "server_error", "upstream_connection_failed"),
    "timeout": (504, "server_error", "upstream_timeout"),
    "auth": (401, "invalid_request_error", "invalid_api_key"),
    "bad_request": (400, "invalid_request_error", None),
    "context_too_long": (400, "invalid_request_error", "context_length_exceeded"),
    "content_filtered": (400, "invalid_request_error", "content_filter"),
    "empty": (502, "server_error", "empty_answer"),
    "invalid_answer": (502, "server_error", "invalid_answer"),
}


def error_object(error: CallError) -> dict[str, Any]:
    """OpenAI's error shape. The provider's own code stays where it means the same class."""
    _, type_, code = _ERRORS[error.kind]
    if error.code and (CODES.get(error.code.lower()) == error.kind or code is None):
        code = error.code
    return {"error": {"message": error.message, "type": type_, "param": None, "code": code}}


def class_name(error: CallError) -> str:
    """The one word of OpenAI's that names an error's class, for wires that have no other: `CODES` knows it, or it is
    one of `TYPES`."""
    said = error_object(error)["error"]
    return said["code"] if said["code"] in CODES else str(said["type"])


def encode_error(error: CallError) -> WireReply:
    """The error with the status of its class (its own where that means the same), and how long to wait."""
    status = _ERRORS[error.kind][0]
    own = error.status
    if own is not None and own >= 400 and _means(own) == error.kind:
        status = own
    headers = headers_of(error, {"content-type": "application/json"}, request_id="x-request-id")
    if error.retry_after_s is not None and error.retry_after_s > 0:
        headers["retry-after-ms"] = str(math.ceil(error.retry_after_s * 1000))
    return WireReply(status, headers, msgspec.json.encode(error_object(error)))


def _means(status: int) -> ErrorKind:
    return STATUSES.get(status, "server_error" if status >= 500 else "bad_request")
