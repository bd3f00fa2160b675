"""From a refusal to its class: Ollama says little more than a sentence. Nothing raises."""

from __future__ import annotations

import re
from typing import Any, Final

from penstock.errors import CallError, ErrorKind
from penstock.http import WireReply
from penstock.wire import refusals
from penstock.wire.fault import fault_in

__all__ = ["classify", "error_in", "in_band"]

_WORDS: Final[tuple[tuple[str, ErrorKind], ...]] = (
    (r"exceeds? (?:the )?(?:maximum )?context|context length|context window", "context_too_long"),
    (r"server busy|maximum pending requests", "overloaded"),
    (r"weekly (?:usage )?limit", "quota_exhausted"),
    (r"usage limit", "rate_limited"),
    (r"model .{1,200} not found|does not support|try pulling it", "bad_request"),
    (r"loading model|model is loading", "overloaded"),
    (r"unauthorized", "auth"),
)
"""What only Ollama says so. A stream that fails has no status: there the words are all that is known."""


def classify(reply: WireReply) -> CallError:
    """The error in a reply that is no success."""
    return _as_ollama_means(refusals.classify(reply))


def in_band(whole: Any, body: bytes, *, partial: str = "", reply: WireReply | None = None) -> CallError:
    """The error that came under a 200: `whole` is decoded JSON that holds one."""
    error = refusals.in_band(whole, body, reply.headers if reply is not None else None, partial=partial)
    error.status = reply.status if reply is not None else 200
    return _as_ollama_means(error)


def _as_ollama_means(error: CallError) -> CallError:
    named = error.code is not None and error.code.lower() in refusals.CODES | refusals.TYPES
    if not named and error.status in (200, 400, 404, 429, 500, 503):
        text = error.message.lower()
        kind = next((kind for pattern, kind in _WORDS if re.search(pattern, text)), error.kind)
        if error.kind != kind:
            error.kind = kind
            error.retry_after_s = None
    return error


def error_in(whole: Any, reply: WireReply) -> CallError | None:
    """The error that is the whole of a 2xx; None when `whole` holds none."""
    return in_band(whole, reply.body, reply=reply) if fault_in(whole) is not None else None
