"""Points about replies that are in order: they arrive whole, and nothing is done that wasn't asked for."""

from __future__ import annotations

import asyncio
import gzip

from penstock.http import Timeouts
from penstock.testing.exam_transport.rules import QUICK, Opener, failing, ok, point, post, read_all
from penstock.testing.exam_transport.server import Peer, Script, reply, serve

__all__: list[str] = []


def answering(data: bytes) -> Script:
    """Each request gets this reply: which connection it comes on is the client's to choose."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(data)

    return script


@point
async def reply_arrives_whole(open_transport: Opener) -> None:
    data = reply(b'{"a": 1}', headers="X-Request-ID: r1\r\nX-Part: a\r\nx-part: b\r\n")
    async with serve(answering(data)) as server, open_transport() as transport:
        got = await transport.send(post(server.url + "/v1?q=%20a"), QUICK)
        assert (got.status, got.body) == (200, b'{"a": 1}')
        assert got.headers["x-request-id"] == "r1"
        assert got.headers["x-part"] == "a, b"
        assert got.headers.get("x-none") is None
        assert set(got.headers) == {"x-request-id", "x-part", "content-length"}
        assert len(got.headers) == 3
        assert "x-part" in got.headers


@point
async def request_arrives_unchanged(open_transport: Opener) -> None:
    async with serve(answering(reply())) as server, open_transport() as transport:
        await transport.send(post(server.url + "/v1/x?q=%20a&b=c", b"\x00body", x_own="v"), QUICK)
        arrived = server.requests[0]
        assert (arrived.method, arrived.target, arrived.body) == ("POST", "/v1/x?q=%20a&b=c", b"\x00body")
        assert arrived.header("host") == f"127.0.0.1:{server.port}"
        assert arrived.header("content-length") == "5"
        assert arrived.header("transfer-encoding") is None
        assert arrived.header("x-own") == "v"
        assert arrived.header("authorization") == "Bearer sk-test-not-a-key"
        assert [name for name, _ in arrived.headers if name in ("cookie", "referer", "origin")] == []


@point
async def compression_is_not_asked_for(open_transport: Opener) -> None:
    async with serve(answering(reply())) as server, open_transport() as transport:
        await transport.send(post(server.url), QUICK)
        assert server.requests[0].header("accept-encoding") == "identity"


@point
async def request_without_body_is_complete(open_transport: Opener) -> None:
    async with serve(answering(reply())) as server, open_transport() as transport:
        for method in ("GET", "POST"):
            assert (await transport.send(post(server.url, b"", method=method), QUICK)).body == b"ok"
        assert [arrived.method for arrived in server.requests] == ["GET", "POST"]
        assert server.requests[1].header("content-length") == "0"


@point
async def watched_request_arrives_unchanged(open_transport: Opener) -> None:
    body = bytes(range(256)) * 2000
    every = Timeouts(connect=2, first_byte=3, between_bytes=3, total=4)
    async with serve(answering(reply())) as server, open_transport() as transport:
        for method, data in (("POST", body), ("POST", b"{}"), ("GET", b"")):
            assert (await transport.send(post(server.url, data, method=method), every)).body == b"ok"
        assert [arrived.body == data for arrived, data in zip(server.requests, (body, b"{}", b""), strict=True)]
        assert [arrived.header("content-length") for arrived in server.requests[:2]] == [str(len(body)), "2"]
        assert server.requests[0].header("transfer-encoding") is None


@point
async def error_status_is_a_reply(open_transport: Opener) -> None:
    async with serve(answering(reply(b"no", status="503 Busy"))) as server, open_transport() as transport:
        got = await transport.send(post(server.url), QUICK)
        assert (got.status, got.body) == (503, b"no")
        stream = await transport.stream(post(server.url), QUICK)
        assert (stream.status, await stream.read()) == (503, b"no")
        await stream.aclose()


@point
async def every_framing_is_understood(open_transport: Opener) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nX-After: 1\r\n\r\n"
    informed = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + reply(b"hello")
    empty = b"HTTP/1.1 204 No Content\r\n\r\n"
    for framed, expected in ((chunked, (200, b"hello")), (informed, (200, b"hello")), (empty, (204, b""))):
        async with serve(answering(framed)) as server, open_transport() as transport:
            got = await transport.send(post(server.url), QUICK)
            assert (got.status, got.body) == expected, (framed, got)

    async def until_close(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhello")

    async with serve(until_close) as server, open_transport() as transport:
        assert (await transport.send(post(server.url), QUICK)).body == b"hello"
        assert (await read_all(transport, post(server.url), QUICK)).body == b"hello"


@point
async def compressed_reply_is_decoded(open_transport: Opener) -> None:
    packed = gzip.compress(b"hello" * 1000)
    data = reply(packed, headers="Content-Encoding: gzip\r\n")
    async with serve(answering(data)) as server, open_transport() as transport:
        assert (await transport.send(post(server.url), QUICK)).body == b"hello" * 1000
        assert (await read_all(transport, post(server.url), QUICK)).body == b"hello" * 1000


@point
async def redirect_is_a_reply(open_transport: Opener) -> None:
    data = reply(b"", status="307 Temporary Redirect", headers="Location: /other\r\n")
    async with serve(answering(data)) as server, open_transport() as transport:
        assert (await transport.send(post(server.url), QUICK)).status == 307
        assert len(server.requests) == 1


@point
async def cookies_are_not_kept(open_transport: Opener) -> None:
    data = reply(headers="Set-Cookie: a=1; Path=/\r\n")
    async with serve(answering(data)) as server, open_transport() as transport:
        for _ in range(2):
            await transport.send(post(server.url), QUICK)
        assert server.requests[1].header("cookie") is None


@point
async def line_break_in_a_header_is_refused(open_transport: Opener) -> None:
    async with serve(answering(reply())) as server, open_transport() as transport:
        for value in ("a\r\nx-more: 1", "a\nb", "a\x00b"):
            error = await failing(transport.send(post(server.url, x_own=value), QUICK))
            assert (error.kind, error.sent) == ("bad_request", False)
        assert server.requests == []
        await ok(transport, server.url)


@point
async def address_that_is_none_is_refused(open_transport: Opener) -> None:
    async with open_transport() as transport:
        for url in ("no url", "ftp://127.0.0.1/", "http://"):
            error = await failing(transport.send(post(url), QUICK))
            assert (error.kind, error.sent) == ("bad_request", False), error


@point
async def errors_name_no_secret(open_transport: Opener) -> None:
    async def drop(peer: Peer) -> None:
        await peer.request()

    async with serve(drop) as server, open_transport() as transport:
        error = await failing(transport.send(post(server.url + "/?key=sk-test-not-a-key"), QUICK))
        assert "sk-test" not in str(error)
        assert error.__cause__ is None, "the client library's own text may carry the URL"
        assert error.__suppress_context__


@point
async def connections_are_reused(open_transport: Opener) -> None:
    async with serve(answering(reply())) as server, open_transport() as transport:
        for _ in range(10):
            await ok(transport, server.url)
            assert (await read_all(transport, post(server.url), QUICK)).body == b"ok"
        assert server.accepted == 1


@point
async def large_bodies_pass_both_ways(open_transport: Opener) -> None:
    large = bytes(range(256)) * 20_000

    async def echo(peer: Peer) -> None:
        while True:
            await peer.send(reply((await peer.request()).body))

    async with serve(echo) as server, open_transport() as transport:
        assert (await transport.send(post(server.url, large), QUICK)).body == large
        assert (await read_all(transport, post(server.url, large), QUICK)).body == large


@point
async def pieces_come_as_they_are_sent(open_transport: Opener) -> None:
    seen = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        await seen.wait()
        await peer.send(b"6\r\nsecond\r\n0\r\n\r\n")
        await peer.gone()

    async with serve(script) as server, open_transport() as transport:
        stream = await transport.stream(post(server.url), QUICK)
        pieces = aiter(stream)
        assert await anext(pieces) == b"first"
        seen.set()
        assert [piece async for piece in pieces] == [b"second"]
        assert [piece async for piece in stream] == []
        await stream.aclose()


@point
async def unread_stream_holds_the_server_back(open_transport: Opener) -> None:
    written = 0
    stalled = asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal written
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while written < 60_000_000:
                async with asyncio.timeout(0.2):
                    await peer.send(bytes(65536))
                written += 65536
        except TimeoutError:
            stalled.set()
            peer.cut()

    async with serve(script) as server, open_transport() as transport:
        stream = await transport.stream(post(server.url), QUICK)
        await asyncio.wait_for(stalled.wait(), 5)
        assert written < 30_000_000
        await stream.aclose()
