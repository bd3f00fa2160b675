"""The fallback transport: aiohttp, with our own bounds, timeouts and decoding. Needs the `aiohttp` extra.

It costs about three times wreq's CPU per request, has wheels everywhere and five maintainers.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import aiohttp
import yarl

from penstock import __version__
from penstock.errors import CallError, ConfigError
from penstock.http import Pool, Timeouts, WireReply, WireRequest
from penstock.transport.aiohttp_connector import CleanConnector
from penstock.transport.aiohttp_errors import call_error
from penstock.transport.aiohttp_stream import AiohttpStream, Exchange
from penstock.transport.environment import proxy_rules, trusted_pem
from penstock.transport.faults import closed
from penstock.transport.patrol import Patrol
from penstock.transport.permits import Permits

__all__ = ["AiohttpTransport"]

_PIECE = 65536
_MAX_CACHED = 64
_MAX_FIELDS = 256
"""aiohttp bounds each field of a header and their number; wreq the whole header."""


class AiohttpTransport:
    """A provider's connections over aiohttp. It belongs to one event loop.

    Raises `ConfigError` at construction for a proxy or certificates that can't be used, and for HTTP/2.
    """

    def __init__(self, pool: Pool | None = None) -> None:
        self.pool = pool = pool or Pool()
        if pool.http2:
            raise ConfigError("http2: aiohttp speaks HTTP/1.1 only; leave it off")
        self._rules = proxy_rules(pool)
        for proxy in (self._rules.http, self._rules.https):
            if proxy is not None and not proxy.startswith(("http://", "https://")):
                raise ConfigError("proxy: aiohttp speaks to HTTP proxies only; transport = 'wreq' knows SOCKS")
        self._trust = _context(trusted_pem(pool))
        self._permits = Permits(pool.max_connections)
        self._patrol = Patrol()
        self._streams: WeakSet[AiohttpStream] = WeakSet()
        self._connector: CleanConnector | None = None
        self._plain: aiohttp.ClientSession | None = None
        self._watched: aiohttp.ClientSession | None = None
        self._timeouts: dict[float | None, aiohttp.ClientTimeout] = {}
        self._urls: dict[str, tuple[yarl.URL, str | None]] = {}
        self._is_closed = False

    async def send(self, request: WireRequest, timeouts: Timeouts) -> WireReply:
        stream = await self.stream(request, timeouts)
        return WireReply(stream.status, stream.headers, await stream.read())

    async def stream(self, request: WireRequest, timeouts: Timeouts) -> AiohttpStream:
        if self._is_closed:
            raise closed(sent=False)
        waited_s = 0.0
        if not self._permits.take():
            began_s = time.monotonic()
            await self._permits.wait(timeouts.total)
            waited_s = time.monotonic() - began_s
        exchange = Exchange(timeouts, waited_s=waited_s)
        self._patrol.add(exchange, exchange.shortest_s)
        exchange.start()
        try:
            try:
                response = await self._request(request, exchange)
            except aiohttp.ClientOSError as error:
                if not _found_closed(error) or len(request.body) > _PIECE:
                    raise
                # The server had closed the idle connection, and nothing was written to it: once more.
                response = await self._request(request, exchange)
        except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001 - aiohttp's errors share no other class
            was_interrupted = exchange.stop()
            self._patrol.drop(exchange)
            self._permits.give()
            raise self._told(error, request.url, exchange, was_interrupted=was_interrupted) from None
        exchange.stop()
        exchange.head_came()
        stream = AiohttpStream(
            response,
            request.url,
            exchange,
            max_bytes=self.pool.max_body_bytes,
            patrol=self._patrol,
            permit=self._permits.give,
        )
        self._streams.add(stream)
        return stream

    async def aclose(self) -> None:
        """Close every connection. What still waits raises `CallError` `closed`."""
        self._is_closed = True
        self._permits.close()
        self._patrol.close()
        for stream in list(self._streams):
            stream.close()
        # What was interrupted gives its connection back before the connector goes.
        await asyncio.sleep(0)
        for session in (self._plain, self._watched):
            if session is not None:
                await session.close()
        if self._connector is not None:
            await self._connector.close()

    async def _request(self, request: WireRequest, exchange: Exchange) -> aiohttp.ClientResponse:
        body = request.body
        url, proxy = self._address(request.url)
        headers = request.headers
        data: Any = body or None
        is_whole = len(body) <= _PIECE
        if not is_whole:
            data = exchange.pieces(body)
            headers = {**headers, "Content-Length": str(len(body))}
        response: aiohttp.ClientResponse = await self._session(is_watched=exchange.is_watched).request(
            request.method,
            url,
            data=data,
            headers=headers,
            proxy=proxy,
            allow_redirects=False,
            timeout=self._timeout(exchange.timeouts.connect),
            trace_request_ctx=(exchange, is_whole) if exchange.is_watched else None,
        )
        return response

    def _told(self, error: BaseException, url: str, exchange: Exchange, *, was_interrupted: bool) -> BaseException:
        """What to raise for `error`: itself when it needs no telling."""
        unsent = exchange.is_unsent
        if was_interrupted:
            return closed(sent=not unsent) if self._is_closed else exchange.told(url)
        if not isinstance(error, Exception) or isinstance(error, CallError):
            return error
        told = call_error(error, url)
        told.sent = told.sent and not unsent
        return told

    def _address(self, url: str) -> tuple[yarl.URL, str | None]:
        found = self._urls.get(url)
        if found is None:
            if len(self._urls) >= _MAX_CACHED:
                self._urls.clear()
            proxy = self._rules.proxy_for(url) if self._rules else None
            found = self._urls[url] = (yarl.URL(url, encoded=True), proxy)
        return found

    def _timeout(self, connect: float | None) -> aiohttp.ClientTimeout:
        found = self._timeouts.get(connect)
        if found is None:
            if len(self._timeouts) >= _MAX_CACHED:
                self._timeouts.clear()
            # `connect` covers the name, TCP, TLS and the proxy's tunnel; the patrol sees to the rest.
            found = self._timeouts[connect] = aiohttp.ClientTimeout(total=None, connect=connect)
        return found

    def _session(self, *, is_watched: bool) -> aiohttp.ClientSession:
        """The session, made when first used because it belongs to a running loop."""
        if self._connector is None:
            self._connector = CleanConnector(limit=0, ssl=self._trust, keepalive_timeout=self.pool.idle_s)
        if is_watched:
            if self._watched is None:
                trace = aiohttp.TraceConfig()
                trace.on_connection_create_end.append(_stood)
                trace.on_connection_reuseconn.append(_stood)
                self._watched = self._new_session(self._connector, trace)
            return self._watched
        if self._plain is None:
            self._plain = self._new_session(self._connector)
        return self._plain

    def _new_session(self, connector: CleanConnector, *traces: aiohttp.TraceConfig) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            connector_owner=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            # Decoding is ours: aiohttp takes a truncated compressed body for a whole one.
            auto_decompress=False,
            headers={"User-Agent": f"penstock/{__version__}", "Accept-Encoding": "identity"},
            skip_auto_headers=("Accept", "Content-Type"),
            max_line_size=self.pool.max_header_bytes,
            max_field_size=self.pool.max_header_bytes,
            max_headers=_MAX_FIELDS,
            trace_configs=list(traces),
        )


async def _stood(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    exchange, is_whole = context.trace_request_ctx
    exchange.stood(is_whole=is_whole)


def _found_closed(error: aiohttp.ClientOSError) -> bool:
    """The head and a short body go out in one write, and that one was refused."""
    return isinstance(error.__cause__, aiohttp.ClientConnectionResetError)


def _context(pem: bytes | None) -> ssl.SSLContext | bool:
    if pem is None:
        return True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=pem.decode("ascii", "ignore"))
    except ssl.SSLError as error:
        raise ConfigError("ca_file: the PEM certificates can't be read") from error
    return context
