"""The errors that every transport raises itself, in the same words."""

from __future__ import annotations

from urllib.parse import urlsplit

from penstock.errors import CallError

__all__ = ["closed", "origin_of", "too_large", "too_slow"]

_SLOW = {
    "connect": "no connection in time",
    "first_byte": "the first byte of the answer didn't come in time",
    "between_bytes": "the answer stalled between two pieces",
    "total": "no whole answer in time",
}


def origin_of(url: str) -> str:
    """`host:port` as messages name it: never the path, the query or a user."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "an address without a host"
    except ValueError:
        return "an address that is none"


def closed(*, sent: bool) -> CallError:
    return CallError("transport", "the transport is closed", code="closed", sent=sent)


def too_large(url: str, limit: int) -> CallError:
    text = f"{origin_of(url)}: the body is larger than {limit} bytes"
    return CallError("transport", text, code="body_too_large")


def too_slow(url: str, code: str, *, sent: bool = True) -> CallError:
    """A phase that took too long; `code` is its name."""
    return CallError("timeout", f"{origin_of(url)}: {_SLOW[code]}", code=code, sent=sent)
