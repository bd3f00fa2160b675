"""What aiohttp raises, as `CallError`: one table, the narrowest class first. Observed with aiohttp 3.14.5."""

from __future__ import annotations

import ssl
from typing import NamedTuple

import aiohttp

from penstock.errors import CallError, ErrorKind
from penstock.transport.faults import origin_of

__all__ = ["call_error"]


class _Case(NamedTuple):
    classes: tuple[type[BaseException], ...]
    kind: ErrorKind
    code: str
    sent: bool
    text: str
    marker: str = ""


_TOO_LARGE = "the reply's header is too large"
_CASES = (
    _Case((aiohttp.ConnectionTimeoutError,), "timeout", "connect", sent=False, text="no connection in time"),
    _Case(
        (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError, aiohttp.ClientSSLError),
        "transport",
        "tls",
        sent=False,
        text="the TLS handshake failed",
    ),
    _Case((aiohttp.ClientProxyConnectionError,), "transport", "proxy", sent=False, text="no connection to the proxy"),
    _Case((aiohttp.ClientHttpProxyError,), "transport", "proxy", sent=False, text="the proxy refused"),
    _Case((aiohttp.ClientConnectorDNSError,), "transport", "dns", sent=False, text="the host name has no address"),
    _Case((aiohttp.ClientConnectorError,), "transport", "connect", sent=False, text="no connection"),
    _Case((aiohttp.ClientResponseError,), "transport", "header_too_large", sent=True, text=_TOO_LARGE, marker="than"),
    _Case((aiohttp.ClientResponseError,), "transport", "header_too_large", sent=True, text=_TOO_LARGE, marker="many"),
    _Case((aiohttp.ClientResponseError,), "transport", "protocol", sent=True, text="the reply isn't HTTP"),
    _Case((aiohttp.ClientPayloadError,), "transport", "cut", sent=True, text="the body was cut"),
    _Case((aiohttp.ServerDisconnectedError,), "transport", "cut", sent=True, text="the connection closed too early"),
    _Case((aiohttp.ClientOSError, ConnectionError), "transport", "reset", sent=True, text="the connection was reset"),
    _Case((ssl.SSLError,), "transport", "tls", sent=True, text="TLS failed"),
    _Case(
        (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, ValueError, TypeError),
        "bad_request",
        "invalid_request",
        sent=False,
        text="HTTP can't carry this request",
    ),
    _Case((Exception,), "transport", "unknown", sent=True, text="the request failed"),
)


def call_error(error: Exception, url: str) -> CallError:
    """What happened, with `sent` False only when it is certain."""
    text = str(error)
    case = next(case for case in _CASES if isinstance(error, case.classes) and case.marker in text)
    return CallError(case.kind, f"{origin_of(url)}: {case.text}", code=case.code, sent=case.sent)
