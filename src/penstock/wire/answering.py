"""What the server halves say alike of an error: its status, and how long to wait."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from typing import Final

from penstock.errors import CallError, ErrorKind

__all__ = ["OWN", "STATUSES", "headers_of", "status_of"]

STATUSES: Final[Mapping[ErrorKind, int]] = {
    "rate_limited": 429,
    "quota_exhausted": 402,
    "too_big_for_limit": 429,
    "overloaded": 503,
    "server_error": 500,
    "transport": 502,
    "timeout": 504,
    "auth": 401,
    "bad_request": 400,
    "context_too_long": 400,
    "content_filtered": 400,
    "empty": 502,
    "invalid_answer": 502,
}
"""The status of each class, where the provider's own servers have no other."""

OWN: Final = frozenset((400, 401, 403, 404, 405, 413))
"""Statuses of refused requests that mean the same on every wire."""


def status_of(error: CallError, usual: int, own: Container[int] = OWN) -> int:
    """The error's own status where that is among `own` and says the same as its class, else the `usual` one."""
    if error.kind not in ("bad_request", "auth") or error.status is None or error.status not in own:
        return usual
    means = "auth" if error.status in (401, 403) else "bad_request"
    return error.status if means == error.kind else usual


def headers_of(error: CallError, always: Mapping[str, str], *, request_id: str) -> dict[str, str]:
    """`always`, how long to wait in whole seconds where that is known, and the error's name in the header
    `request_id`."""
    headers = dict(always)
    if error.retry_after_s is not None and error.retry_after_s > 0:
        headers["retry-after"] = str(math.ceil(error.retry_after_s))
    if error.request_id:
        headers[request_id] = error.request_id
    return headers
