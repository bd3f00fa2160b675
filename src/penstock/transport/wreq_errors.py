"""What wreq raises, as `CallError`. One table: its exception classes are coarse, so a marker narrows each.

wreq's texts carry the whole URL, and a URL may carry a key: nothing of them reaches a message but the operating
system's or the TLS library's own reason. Observed with wreq 0.13.
"""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple

from wreq import exceptions as wreq_exceptions

from penstock.errors import CallError, ErrorKind
from penstock.transport.faults import origin_of

__all__ = ["call_error", "cancelled_by_close"]


class _Case(NamedTuple):
    marker: str
    kind: ErrorKind
    code: str
    sent: bool
    text: str


_UNSENDABLE = (_Case("", "bad_request", "invalid_request", sent=False, text="HTTP can't carry this request"),)

# The first case whose marker stands in the text of the error holds; the last of each class has none.
_CASES: dict[type[Exception], tuple[_Case, ...]] = {
    wreq_exceptions.ConnectionError: (
        _Case("connect timeout", "timeout", "connect", sent=False, text="no connection in time"),
        _Case("TimedOut", "timeout", "connect", sent=False, text="no connection in time"),
        _Case("dns error", "transport", "dns", sent=False, text="the host name has no address"),
        _Case("CERTIFICATE_VERIFY_FAILED", "transport", "tls", sent=False, text="the certificate isn't trusted"),
        _Case("code: SSL", "transport", "tls", sent=False, text="the TLS handshake failed"),
        _Case("Ssl", "transport", "tls", sent=False, text="the TLS handshake failed"),
        _Case("handshake", "transport", "tls", sent=False, text="the TLS handshake failed"),
        _Case("", "transport", "connect", sent=False, text="no connection"),
    ),
    wreq_exceptions.ProxyConnectionError: (
        _Case("TimedOut", "timeout", "connect", sent=False, text="no connection through the proxy in time"),
        _Case("", "transport", "proxy", sent=False, text="no connection through the proxy"),
    ),
    wreq_exceptions.TlsError: (_Case("", "transport", "tls", sent=False, text="the TLS handshake failed"),),
    wreq_exceptions.TimeoutError: (_Case("", "timeout", "total", sent=True, text="no answer in time"),),
    wreq_exceptions.ConnectionResetError: (
        _Case("", "transport", "reset", sent=True, text="the connection was reset"),
    ),
    wreq_exceptions.RequestError: (
        _Case("Parse(TooLarge)", "transport", "header_too_large", sent=True, text="the reply's header is too large"),
        _Case("Parse(", "transport", "protocol", sent=True, text="the reply isn't HTTP"),
        _Case("IncompleteMessage", "transport", "cut", sent=True, text="the connection closed before a reply"),
        _Case("", "transport", "reset", sent=True, text="the connection broke"),
    ),
    wreq_exceptions.BodyError: (
        _Case("TimedOut", "timeout", "total", sent=True, text="the answer didn't end in time"),
        _Case("", "transport", "cut", sent=True, text="the body was cut"),
    ),
    wreq_exceptions.DecodingError: (
        _Case("TimedOut", "timeout", "total", sent=True, text="the answer didn't end in time"),
        _Case("Invalid", "transport", "protocol", sent=True, text="the body's chunks aren't HTTP"),
        _Case("Error(Body", "transport", "cut", sent=True, text="the body was cut"),
        _Case("", "transport", "decode", sent=True, text="the compressed body is broken"),
    ),
    wreq_exceptions.BuilderError: _UNSENDABLE,
    RuntimeError: _UNSENDABLE,
    TypeError: _UNSENDABLE,
    ValueError: _UNSENDABLE,
}
_OTHERWISE = (_Case("", "transport", "unknown", sent=True, text="the request failed"),)

_REASON = re.compile(r'(?:message|reason): "([^"]{1,120})"')


def call_error(error: Exception, url: str) -> CallError:
    """What happened, with `sent` False only when it is certain."""
    text = str(error)
    cases = _CASES.get(type(error), _OTHERWISE)
    case = next(case for case in cases if case.marker in text)
    found = _REASON.search(text)
    reason = f" ({found[1].replace('_', ' ').lower()})" if found else ""
    return CallError(case.kind, f"{origin_of(url)}: {case.text}{reason}", code=case.code, sent=case.sent)


def cancelled_by_close(error: asyncio.CancelledError) -> bool:
    """wreq cancels what waits on a client that closes; nobody asked this task to stop."""
    task = asyncio.current_task()
    return bool(error.args) and "closed" in str(error.args[0]) and (task is None or not task.cancelling())
