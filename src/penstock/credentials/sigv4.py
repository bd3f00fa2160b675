"""AWS Signature Version 4, without I/O: headers from a request, credentials and the time."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final, Protocol
from urllib.parse import quote, urlsplit

import msgspec

from penstock.credentials.keys import Secret
from penstock.errors import CallError
from penstock.http import WireReply, WireRequest

__all__ = ["AwsCredentials", "CredentialSource", "Given", "SigV4", "sign"]

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_UNSIGNED: Final = frozenset(
    (
        *("authorization", "baggage", "connection", "expect", "keep-alive", "proxy-authenticate"),
        *("proxy-authorization", "te", "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade"),
        *("user-agent", "x-amzn-trace-id"),
    )
)
"""What proxies and tracers put on or change on the way."""
_PORTS: Final = {"http": 80, "https": 443}
_SAFE_IN_QUERY: Final = "%!$&'()*+,;=:@/?~-._"
_SKEW_MATTERS_S: Final = 30.0
"""AWS allows five minutes; a clock that is this much wrong is put right at the first refusal that shows it."""
_MAX_KEYS: Final = 64

_CLOCK: Final = re.compile(
    rb"signature (?:expired|not yet current)|request ?timetoo ?skewed|request ?expired"
    rb"|request time .{0,80}difference|is (?:now )?(?:earlier|later) than",
    re.IGNORECASE,
)
_EXPIRED: Final = re.compile(rb"expired ?token|security token (?:included in the request )?is expired", re.IGNORECASE)


class AwsCredentials(msgspec.Struct, frozen=True):
    """An access key. `expires_at_s` is in seconds since 1970, None for one that lasts."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret | None = None
    expires_at_s: float | None = None


class CredentialSource(Protocol):
    """Where credentials come from. Lives on one loop."""

    def current(self) -> AwsCredentials | None:
        """Credentials that are good now; None when they must be found first."""
        ...

    async def find(self) -> AwsCredentials:
        """Credentials that are good now. Raises `CallError` auth, unsent, when there are none."""
        ...

    def forget(self, refused: AwsCredentials) -> bool:
        """`refused` had expired. True when others can be found."""
        ...


class Given:
    """Credentials that were handed in and last."""

    __slots__ = ("_credentials",)

    def __init__(self, credentials: AwsCredentials) -> None:
        self._credentials = credentials

    def current(self) -> AwsCredentials:
        """What was handed in."""
        return self._credentials

    async def find(self) -> AwsCredentials:
        """The same."""
        return self._credentials

    def forget(self, refused: AwsCredentials) -> bool:  # noqa: ARG002 - the protocol's word
        """There are no others."""
        return False


def sign(
    request: WireRequest, credentials: AwsCredentials, *, region: str, service: str, now_s: float
) -> dict[str, str]:
    """The request's headers and those that sign it: `authorization`, `x-amz-date`, and the session's token.

    `now_s` is in seconds since 1970. All headers are signed but those that change on the way.
    """
    stamp = time.strftime(_STAMP, time.gmtime(now_s))
    url = urlsplit(request.url)
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() != "authorization"}
    headers["x-amz-date"] = stamp
    headers.pop("x-amz-security-token", None)
    if credentials.session_token is not None:
        headers["x-amz-security-token"] = credentials.session_token.reveal()
    host = url.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    if url.port is not None and url.port != _PORTS.get(url.scheme):
        host = f"{host}:{url.port}"
    signed = {name: " ".join(value.split()) for name, value in headers.items() if name not in _UNSIGNED}
    signed.setdefault("host", host)
    names = sorted(signed)
    listed = ";".join(names)
    canonical = "\n".join(
        (
            request.method.upper(),
            _canonical_path(url.path),
            _canonical_query(url.query),
            *[f"{name}:{signed[name]}" for name in names],
            "",
            listed,
            sha256(request.body).hexdigest(),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    to_sign = f"{_ALGORITHM}\n{stamp}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    key = _signing_key(credentials.secret_access_key, stamp[:8], region, service)
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders={listed}, Signature={signature}"
    )
    return headers


class SigV4:
    """Signs requests to one service in one region: a `penstock.credentials.signing.Credential`.

    Every attempt is signed anew, with the time of now. `now_s` gives seconds since 1970.
    """

    __slots__ = ("_credentials", "_now_s", "_region", "_service", "_skew_s", "_source")

    def __init__(
        self,
        source: CredentialSource,
        *,
        region: str,
        service: str = "bedrock",
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._region = region
        self._service = service
        self._now_s = now_s
        self._skew_s = 0.0
        self._credentials: AwsCredentials | None = None

    def __repr__(self) -> str:
        return f"SigV4({self._region!r}, {self._service!r})"

    @property
    def skew_s(self) -> float:
        """Seconds by which AWS is ahead of this machine, as far as refusals have told."""
        return self._skew_s

    def waits(self) -> Awaitable[None] | None:
        """What to await before `sign`; None while there are credentials. Raises `CallError` auth, unsent."""
        self._credentials = self._source.current()
        return self._find() if self._credentials is None else None

    def sign(self, request: WireRequest) -> WireRequest:
        """The request, signed for now, as another value. Raises `CallError` auth, unsent, without credentials."""
        credentials = self._credentials
        if credentials is None:
            raise CallError("auth", "no AWS credentials were found before the request was to be signed", sent=False)
        now_s = self._now_s() + self._skew_s
        headers = sign(request, credentials, region=self._region, service=self._service, now_s=now_s)
        return WireRequest(request.method, request.url, headers, request.body)

    def renewed(self, request: WireRequest, reply: WireReply) -> bool:
        """Whether another signature would be taken: the clock was wrong, or the session has expired."""
        if reply.status not in (400, 401, 403):
            return False
        said = reply.headers.get("x-amzn-errortype", "").encode() + b" " + reply.body[:4096]
        if _EXPIRED.search(said):
            return self._forgotten(request)
        return _CLOCK.search(said) is not None and self._put_right(request, reply)

    async def _find(self) -> None:
        self._credentials = await self._source.find()

    def _forgotten(self, request: WireRequest) -> bool:
        credentials = self._credentials
        if credentials is None:
            return True
        token = credentials.session_token
        if token is not None and token.reveal() != request.headers.get("x-amz-security-token"):
            # Another request's refusal has led to new ones already.
            return True
        return self._source.forget(credentials)

    def _put_right(self, request: WireRequest, reply: WireReply) -> bool:
        """Take the server's time. False when it isn't told, or hardly another one than the request's."""
        try:
            told_s = parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
            signed = datetime.strptime(request.headers.get("x-amz-date", ""), _STAMP).replace(tzinfo=UTC)
        except (TypeError, ValueError, OverflowError):
            return False
        if abs(told_s - signed.timestamp()) < _SKEW_MATTERS_S:
            return False
        self._skew_s = told_s - self._now_s()
        return True


def _canonical_path(path: str) -> str:
    """The path without dots and doubled slashes, encoded once more than it is sent."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part and part != ".":
            kept.append(part)
    last = "/" if path.endswith("/") and kept else ""
    return quote("/" + "/".join(kept) + last, safe="/~")


def _canonical_query(query: str) -> str:
    if not query:
        return ""
    pairs = [quote(pair, safe=_SAFE_IN_QUERY).partition("=") for pair in query.split("&")]
    return "&".join(f"{name}={value}" for name, value in sorted((name, value) for name, _, value in pairs))


@lru_cache(maxsize=_MAX_KEYS)
def _signing_key(secret: Secret, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{secret.reveal()}".encode()
    for word in (day, region, service, "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    return key
