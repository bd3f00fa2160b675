"""The default transport: wreq over HTTP/1.1, with the bounds and the meanings that it doesn't have itself.

A unary call that bounds only connect and total runs on wreq's own timeouts. Any other call is watched: its body is
handed over by a generator, which wreq starts when the connection stands, so that the phases can be told apart and
`sent` is certain, and the patrol interrupts the wait.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import sys
import time
from collections.abc import Coroutine
from datetime import timedelta
from ipaddress import IPv4Address, IPv6Address
from typing import Any, NamedTuple
from weakref import WeakSet

import wreq

from penstock import __version__
from penstock.errors import CallError, ConfigError
from penstock.http import Pool, Timeouts, WireReply, WireRequest
from penstock.transport.environment import proxy_rules, trusted_pem
from penstock.transport.faults import closed, too_slow
from penstock.transport.headers import LazyHeaders
from penstock.transport.patrol import Patrol, Wait
from penstock.transport.permits import Permits
from penstock.transport.wreq_errors import call_error, cancelled_by_close
from penstock.transport.wreq_stream import WreqStream
from penstock.transport.wreq_upload import HeadWait, Upload

__all__ = ["WreqTransport", "client_options"]

_METHODS = {name: getattr(wreq.Method, name) for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")}
_MAX_CACHED = 64
_SMALL_BODY = 65536
"""A body of a known length up to this is read whole, as one piece."""
_BODIES = frozenset({"POST", "PUT", "PATCH"})

_FOREVER = timedelta(days=3650)
_SOON = timedelta(milliseconds=1)

_runtimes: dict[int, wreq.Runtime] = {}
_transports: WeakSet[WreqTransport] = WeakSet()


def _runtime() -> wreq.Runtime:
    """This process's runtime: a forked child has none of its parent's threads, so it starts its own."""
    pid = os.getpid()
    if pid not in _runtimes:
        _runtimes[pid] = wreq.Runtime(thread_name="penstock-wreq")
    return _runtimes[pid]


@atexit.register
def _abandon() -> None:
    for transport in list(_transports):
        transport.abandon()


if sys.platform != "win32":
    # What a forked child has of them belongs to threads that it doesn't have.
    os.register_at_fork(after_in_child=_transports.clear)


class _Limits(NamedTuple):
    """One `Timeouts` value as this transport uses it."""

    total: timedelta
    is_plain: bool
    """Until the body comes wreq's own timeouts say all of it."""
    is_patient: bool
    """It may connect for longer than the common client does."""


class WreqTransport:
    """A provider's connections over wreq.

    Raises `ConfigError` at construction for a proxy or certificates that can't be used, and for HTTP/2. It belongs
    to one event loop and one process: a forked child opens its own.
    """

    def __init__(self, pool: Pool | None = None) -> None:
        self.pool = pool = pool or Pool()
        if pool.http2:
            raise ConfigError("http2: an answer that is cut passes as whole over HTTP/2 with wreq; leave it off")
        self._rules = proxy_rules(pool)
        pem = trusted_pem(pool)
        try:
            self._trust: wreq.CertStore | bool = True if pem is None else wreq.CertStore.from_pem_stack(pem)
        except Exception as error:
            raise ConfigError("ca_file: the PEM certificates can't be read") from error
        self._permits = Permits(pool.max_connections)
        self._small_body = min(_SMALL_BODY, pool.max_body_bytes)
        self._connect: float | None = None
        self._asked: float | None = 0.0
        self._client: wreq.Client | None = None
        self._patient: wreq.Client | None = None
        self._limits_of: dict[Timeouts, _Limits] = {}
        self._last: tuple[Timeouts | None, _Limits | None] = (None, None)
        self._proxies: dict[str, wreq.Proxy | None] = {}
        self._patrol = Patrol()
        self._streams: WeakSet[WreqStream] = WeakSet()
        self._is_closed = False
        _transports.add(self)

    async def send(self, request: WireRequest, timeouts: Timeouts) -> WireReply:
        last, limits = self._last
        if last is not timeouts or limits is None:
            limits = self._limits(timeouts)
        if not limits.is_plain:
            opened = await self._open(request, timeouts, limits)
            return WireReply(opened.status, opened.headers, await opened.read())
        permits = self._permits
        total = limits.total if permits.take() else await self._take(limits.total)
        stream: WreqStream | None = None
        wait: Wait | None = None
        try:
            response = await self._request(request, limits, total)
            length = response.content_length
            if length is None or length > self._small_body:
                stream = self._stream(response, request.url, None, timeouts.between_bytes)
                return WireReply(stream.status, stream.headers, await stream.read())
            wait = Wait(timeouts.between_bytes)
            wait.start()
            self._patrol.add(wait, timeouts.between_bytes)
            body = await response.bytes()
            return WireReply(response.status.as_int(), LazyHeaders(response.headers), bytes(body))
        except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - wreq's errors share no other class
            raise self._told(error, request.url, wait) from None
        finally:
            if wait is not None:
                wait.stop()
                self._patrol.drop(wait)
            if stream is None:
                permits.give()

    async def stream(self, request: WireRequest, timeouts: Timeouts) -> WreqStream:
        return await self._open(request, timeouts, self._limits(timeouts))

    async def aclose(self) -> None:
        """Close every connection. What still waits raises `CallError` `closed`."""
        self._is_closed = True
        self._permits.close()
        # First: a wait that is interrupted is told apart from one whose caller cancels it.
        self._patrol.close()
        for stream in list(self._streams):
            stream.close()
        self.abandon()
        # wreq closes a client's idle connections when the last reference to it goes.
        self._client = self._patient = None
        self._limits_of.clear()
        self._last = (None, None)

    def abandon(self) -> None:
        """Let wreq drop what is under way; for a process that ends without closing."""
        for client in (self._client, self._patient):
            if client is not None:
                client.close()

    def _request(
        self, request: WireRequest, limits: _Limits, total: timedelta, upload: Upload | None = None
    ) -> Coroutine[Any, Any, wreq.Response]:
        # The client is no other frame's local: a traceback that someone keeps would keep its idle connections open.
        client = self._patient if limits.is_patient else self._client
        if client is None:
            raise closed(sent=False)
        headers = request.headers
        if upload is not None or not request.body:
            # wreq says the length of bytes, but neither of a generator nor of nothing.
            headers = {**headers, "content-length": str(len(request.body))} if request.method in _BODIES else headers
        method = _METHODS[request.method]
        body = request.body if upload is None else upload.pieces()
        proxy = self._proxy(request.url) if self._rules else None
        if proxy is None:
            return client.request(method, request.url, headers=headers, body=body, timeout=total)
        return client.request(method, request.url, headers=headers, body=body, timeout=total, proxy=proxy)

    async def _open(self, request: WireRequest, timeouts: Timeouts, limits: _Limits) -> WreqStream:
        """The reply's stream, which owns the permit."""
        total = limits.total if self._permits.take() else await self._take(limits.total)
        try:
            if limits.is_plain:
                response, first_s = await self._request(request, limits, total), None
            else:
                response, first_s = await self._watched(request, timeouts, limits, total)
            stream = self._stream(response, request.url, first_s, timeouts.between_bytes)
        except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - wreq's errors share no other class
            self._permits.give()
            raise self._told(error, request.url) from None
        return stream

    async def _watched(
        self, request: WireRequest, timeouts: Timeouts, limits: _Limits, total: timedelta
    ) -> tuple[wreq.Response, float | None]:
        """The reply's head, and the seconds left for its first byte.

        A connection that the server had closed while it was idle fails before the upload starts: nothing was sent,
        so the request is sent again, once.
        """
        started_s = time.monotonic()
        for is_last in (False, True):
            wait = HeadWait(timeouts, Upload(request.body) if request.body else None)
            wait.start()
            self._patrol.add(wait, wait.shortest_s)
            try:
                response = await self._request(request, limits, total, wait.upload)
                return response, wait.first_left_s()
            except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - wreq's errors share no other class
                told = self._told(error, request.url, wait)
                if is_last or not isinstance(told, CallError) or told.sent or told.code not in _BROKEN:
                    raise told from None
                total = _left(total, started_s)
            finally:
                wait.stop()
                self._patrol.drop(wait)
        raise AssertionError("the second try returns or raises")

    def _stream(self, response: wreq.Response, url: str, first_s: float | None, between_s: float | None) -> WreqStream:
        stream = WreqStream(
            response,
            url,
            max_bytes=self.pool.max_body_bytes,
            first_s=first_s,
            between_s=between_s,
            patrol=self._patrol,
            permit=self._permits.give,
        )
        self._streams.add(stream)
        return stream

    def _told(self, error: BaseException, url: str, wait: Wait | None = None) -> BaseException:
        """What to raise for `error`: itself when it needs no telling."""
        unsent = isinstance(wait, HeadWait) and wait.is_unsent
        if isinstance(error, asyncio.CancelledError):
            if wait is not None and wait.stop():
                if self._is_closed:
                    return closed(sent=not unsent)
                code = "between_bytes" if not isinstance(wait, HeadWait) else "connect" if unsent else "first_byte"
                return too_slow(url, code, sent=not unsent)
            return closed(sent=not unsent) if cancelled_by_close(error) else error
        if isinstance(error, CallError) or not isinstance(error, Exception):
            return error
        told = call_error(error, url)
        told.sent = told.sent and not unsent
        return told

    async def _take(self, total: timedelta) -> timedelta:
        """Wait for a permit; what is left of `total` then."""
        started_s = time.monotonic()
        await self._permits.wait(total.total_seconds())
        return _left(total, started_s)

    def _limits(self, timeouts: Timeouts) -> _Limits:
        if self._is_closed:
            raise closed(sent=False)
        limits = self._limits_of.get(timeouts)
        if limits is None:
            limits = self._new_limits(timeouts)
            if limits.is_patient:
                return limits
            if len(self._limits_of) >= _MAX_CACHED:
                self._limits_of.clear()
            self._limits_of[timeouts] = limits
        self._last = (timeouts, limits)
        return limits

    def _new_limits(self, timeouts: Timeouts) -> _Limits:
        """Everyone shares one client, whose bound on connecting is the longest that was asked for twice in a row.

        wreq bounds connecting by client and not by request. Who waits less is watched; who waits longer, as happens
        when the first call was near its deadline, takes a client that waits for ever and is watched.
        """
        connect = timeouts.connect
        is_patient = self._client is not None and _longer(connect, self._connect)
        if self._client is None or (is_patient and connect == self._asked):
            self._client = wreq.Client(**client_options(self.pool, self._trust, connect))
            self._connect = connect
            self._limits_of.clear()
            is_patient = False
        elif is_patient and self._patient is None:
            self._patient = wreq.Client(**client_options(self.pool, self._trust, None))
        self._asked = connect
        total = _FOREVER if timeouts.total is None else timedelta(seconds=timeouts.total)
        # A total that ends first would hide whether the request was still connecting.
        connects_first = timeouts.total is None or connect is None or connect < timeouts.total
        is_plain = connect == self._connect and timeouts.first_byte is None and connects_first
        return _Limits(total, is_plain, is_patient)

    def _proxy(self, url: str) -> wreq.Proxy | None:
        if url in self._proxies:
            return self._proxies[url]
        address = self._rules.proxy_for(url)
        if len(self._proxies) >= _MAX_CACHED:
            self._proxies.clear()
        proxy = self._proxies[url] = None if address is None else wreq.Proxy.all(address)
        return proxy


def client_options(pool: Pool, trust: wreq.CertStore | bool, connect: float | None) -> wreq.ClientConfig:
    """How a client of `pool` is made."""
    # Asking for both families at once waits 15 s for a name server that drops AAAA.
    names = wreq.DnsOptions(lookup_ip_strategy=wreq.LookupIpStrategy.IPV4_THEN_IPV6)
    # No name server is asked here, and a local server may listen on either.
    names.add_resolve("localhost", [IPv4Address("127.0.0.1"), IPv6Address("::1")])
    # wreq accepts unknown options in silence: the type checker reads these names against its `ClientConfig`.
    options: wreq.ClientConfig = {
        "runtime": _runtime(),
        "user_agent": f"penstock/{__version__}",
        # A short answer isn't worth its decompression; who asks for gzip, or gets it unasked, has it decoded.
        "headers": {"accept-encoding": "identity"},
        "gzip": True,
        "brotli": True,
        "deflate": True,
        "zstd": True,
        "http1_only": True,
        "http1_options": wreq.Http1Options(max_buf_size=max(pool.max_header_bytes, 8192)),
        "redirect": wreq.redirect.Policy.none(),
        "cookie_store": False,
        "referer": False,
        "no_proxy": True,
        "tls_verify": trust,
        "pool_idle_timeout": timedelta(seconds=pool.idle_s),
        "pool_max_idle_per_host": pool.max_connections,
        "dns_options": names,
    }
    if connect is not None:
        options["connect_timeout"] = timedelta(seconds=connect)
    return options


def _longer(connect: float | None, than: float | None) -> bool:
    return than is not None and (connect is None or connect > than)


def _left(total: timedelta, started_s: float) -> timedelta:
    return max(total - timedelta(seconds=time.monotonic() - started_s), _SOON)


_BROKEN = frozenset({"cut", "reset"})
