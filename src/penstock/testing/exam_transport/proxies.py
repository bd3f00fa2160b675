"""Points about proxies: from the pool or the environment, forwarded or through a tunnel."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager

from penstock.http import Pool, Timeouts
from penstock.testing.exam_transport.rules import QUICK, Opener, failing, ok, point, post
from penstock.testing.exam_transport.server import CA_FILE, Peer, relay, reply, serve

__all__ = ["environment"]

_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir", "requests_ca_bundle")


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """The environment with these proxy and certificate variables and no others."""
    ours = {name for base in (*_NAMES, "curl_ca_bundle", "request_method") for name in (base, base.upper())}
    before = {name: os.environ.pop(name) for name in ours if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            os.environ.pop(name, None)
        os.environ.update(before)


async def _answer(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(reply())


async def _tunnel(peer: Peer) -> None:
    """A proxy that takes CONNECT for any name and leads it to this machine."""
    arrived = await peer.head()
    peer.server.requests.append(arrived)
    assert arrived.method == "CONNECT", arrived
    await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
    await relay(peer, int(arrived.target.rpartition(":")[2]))


@point
async def proxy_forwards_plain_requests(open_transport: Opener) -> None:
    async with serve(_answer) as proxy:
        address = proxy.url.replace("http://", "http://us%40er:pa%3Ass@")
        async with open_transport(Pool(proxy=address)) as transport:
            await ok(transport, "http://penstock.invalid:81/v1?q=1")
        arrived = proxy.requests[0]
        assert arrived.target == "http://penstock.invalid:81/v1?q=1"
        assert arrived.header("host") == "penstock.invalid:81"
        token = base64.b64encode(b"us@er:pa:ss").decode()
        assert arrived.header("proxy-authorization") == f"Basic {token}"


@point
async def proxy_tunnels_tls(open_transport: Opener) -> None:
    async with serve(_answer, tls=True) as server, serve(_tunnel) as proxy:
        address = proxy.url.replace("http://", "http://user:secret@")
        pool = Pool(proxy=address, ca_file=str(CA_FILE))
        async with open_transport(pool) as transport:
            await ok(transport, f"https://localhost:{server.port}/v1")
            await ok(transport, f"https://localhost:{server.port}/v1")
        assert [arrived.target for arrived in proxy.requests] == [f"localhost:{server.port}"]
        assert proxy.requests[0].header("proxy-authorization") is not None
        assert proxy.requests[0].header("authorization") is None, "the key went to the proxy"
        assert server.requests[0].header("proxy-authorization") is None, "the proxy's password went to the server"


@point
async def proxy_that_refuses_sent_nothing(open_transport: Opener) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    async with serve(refuse) as proxy, open_transport(Pool(proxy=proxy.url)) as transport:
        error = await failing(transport.send(post("https://penstock.invalid/"), QUICK))
        assert (error.kind, error.code, error.sent) == ("transport", "proxy", False), error


@point
async def proxy_that_is_down_sent_nothing(open_transport: Opener) -> None:
    async with serve(_answer) as proxy:
        address = proxy.url
    async with open_transport(Pool(proxy=address)) as transport:
        for url in ("http://penstock.invalid/", "https://penstock.invalid/"):
            error = await failing(transport.send(post(url), QUICK))
            assert (error.kind, error.code, error.sent) == ("transport", "proxy", False), error


@point
async def silent_proxy_counts_as_connecting(open_transport: Opener) -> None:
    async def silent(peer: Peer) -> None:
        await peer.gone()

    async with serve(silent) as proxy, open_transport(Pool(proxy=proxy.url)) as transport:
        error = await failing(transport.send(post("https://penstock.invalid/"), Timeouts(connect=0.1, total=3)))
        assert (error.kind, error.code, error.sent) == ("timeout", "connect", False), error
        await proxy.until(lambda proxy: proxy.open == 0)


@point
async def cancel_in_connect_to_a_proxy(open_transport: Opener) -> None:
    there = asyncio.Event()

    async def script(peer: Peer) -> None:
        arrived = await peer.head()
        if arrived.method == "CONNECT":
            there.set()
            await peer.gone()
        else:
            await peer.reader.readexactly(int(arrived.header("content-length") or 0))
            await peer.send(reply())

    async with (
        serve(script) as proxy,
        open_transport(Pool(proxy=proxy.url, max_connections=1)) as transport,
    ):
        task = asyncio.ensure_future(transport.send(post("https://penstock.invalid/"), Timeouts()))
        await asyncio.wait_for(there.wait(), 5)
        task.cancel()
        await asyncio.wait({task}, timeout=1)
        assert task.cancelled()
        await proxy.until(lambda proxy: proxy.open == 0)
        await asyncio.wait_for(ok(transport, "http://penstock.invalid/"), 3)


@point
async def proxy_comes_from_the_environment(open_transport: Opener) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        async with serve(_answer) as proxy:
            with environment(**{name: proxy.url}):
                async with open_transport() as transport:
                    await ok(transport, "http://penstock.invalid/")
            assert len(proxy.requests) == 1, name


@point
async def environment_is_read_once(open_transport: Opener) -> None:
    async with serve(_answer) as proxy, serve(_answer) as server:
        with environment():
            transport = open_transport.factory(Pool())
        with environment(ALL_PROXY=proxy.url):
            await ok(transport, server.url)
        await transport.aclose()
        assert proxy.requests == []


@point
async def no_proxy_is_obeyed(open_transport: Opener) -> None:
    async with serve(_answer) as proxy, serve(_answer) as server:
        for exempt in ("*", "127.0.0.1", "127.0.0.0/8", f"127.0.0.1:{server.port}", "example.com, 127.0.0.1"):
            with environment(ALL_PROXY=proxy.url, NO_PROXY=exempt):
                async with open_transport() as transport:
                    await ok(transport, server.url)
            assert proxy.requests == [], exempt
        for exempt in ("example.com", "127.0.0.1:1", "27.0.0.1"):
            proxy.requests.clear()
            with environment(ALL_PROXY=proxy.url, NO_PROXY=exempt):
                async with open_transport() as transport:
                    await ok(transport, server.url)
            assert len(proxy.requests) == 1, exempt


@point
async def empty_proxy_means_none(open_transport: Opener) -> None:
    async with serve(_answer) as proxy, serve(_answer) as server:
        with environment(ALL_PROXY=proxy.url):
            async with open_transport(Pool(proxy="")) as transport:
                await ok(transport, server.url)
        assert proxy.requests == []
