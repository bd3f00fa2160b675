"""From a refusal to its class: by what Cohere's own words and statuses mean, else as everywhere. Nothing raises."""

from __future__ import annotations

import re
from typing import Any, Final

from penstock.errors import CallError, ErrorKind
from penstock.http import WireReply
from penstock.wire import refusals
from penstock.wire.fault import fault_in

__all__ = ["classify", "error_in", "in_band"]

_WORDS: Final[tuple[tuple[str, ErrorKind], ...]] = (
    (r"too many tokens|tokens in the prompt cannot exceed|context (?:length|window)", "context_too_long"),
    (r"calls? ?/ ?month|per month|monthly", "quota_exhausted"),
    (r"invalid api token|no api key supplied", "auth"),
    (r"blocked (?:input|output)|deny-?list", "content_filtered"),
)
"""What only Cohere says so, in the errors that are the caller's."""

_BLOCKED: Final = 498


def classify(reply: WireReply) -> CallError:
    """The error in a reply that is no success."""
    return _as_cohere_means(refusals.classify(reply))


def in_band(whole: Any, body: bytes, *, partial: str = "", reply: WireReply | None = None) -> CallError:
    """The error that came under a 200: `whole` is decoded JSON that holds one."""
    error = refusals.in_band(whole, body, reply.headers if reply is not None else None, partial=partial)
    error.status = reply.status if reply is not None else 200
    return _as_cohere_means(error)


def _as_cohere_means(error: CallError) -> CallError:
    if error.code is not None and error.code.lower() in refusals.CODES:
        return error
    if error.status is not None and error.status >= 500:
        return error
    text = error.message.lower()
    kind = next((kind for pattern, kind in _WORDS if re.search(pattern, text)), error.kind)
    if kind == error.kind and error.status == _BLOCKED:
        kind = "content_filtered"
    if kind != error.kind:
        error.kind = kind
        error.retry_after_s = None
    return error


def error_in(whole: Any, reply: WireReply) -> CallError | None:
    """The error that is the whole of a 2xx; None when `whole` holds none."""
    return in_band(whole, reply.body, reply=reply) if fault_in(whole) is not None else None
