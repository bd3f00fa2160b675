"""Points about bounds: bodies, bombs, headers."""

from __future__ import annotations

import zlib
from contextlib import suppress

from penstock.http import Pool, Timeouts
from penstock.testing.exam_transport.rules import BOTH, QUICK, Opener, failing, ok, point, post, read_all
from penstock.testing.exam_transport.server import Peer, Script, reply, serve

__all__: list[str] = []

_LIMIT = 100_000
_POOL = Pool(max_body_bytes=_LIMIT, max_header_bytes=16_384)
_FAR_BEYOND = 50_000_000


def _pouring(head: bytes, piece: bytes = b"", times: int = 0) -> Script:
    """`head`, then `piece` as long as the client takes it; "/ok" is answered in order."""

    async def script(peer: Peer) -> None:
        while True:
            arrived = await peer.request()
            if arrived.target == "/ok":
                await peer.send(reply())
                continue
            await peer.send(head)
            if times:
                with suppress(ConnectionError):
                    for _ in range(times):
                        await peer.send(piece)
                    await peer.gone()
                return

    return script


async def _refuses_body(open_transport: Opener, script: Script) -> None:
    async with serve(script) as server, open_transport(_POOL) as transport:
        for ask in BOTH:
            error = await failing(ask(transport, post(server.url), QUICK))
            assert (error.kind, error.code, error.sent) == ("transport", "body_too_large", True), error
        await ok(transport, server.url + "/ok")
        await server.until(lambda server: server.open <= 1)


@point
async def body_at_the_limit_passes(open_transport: Opener) -> None:
    whole = bytes(_LIMIT)

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(reply(whole))

    async with serve(script) as server, open_transport(_POOL) as transport:
        assert (await transport.send(post(server.url), QUICK)).body == whole
        assert (await read_all(transport, post(server.url), QUICK)).body == whole


@point
async def announced_body_beyond_the_limit_is_refused(open_transport: Opener) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % _FAR_BEYOND
    await _refuses_body(open_transport, _pouring(head, bytes(50_000), 1000))


@point
async def endless_chunks_are_refused(open_transport: Opener) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    await _refuses_body(open_transport, _pouring(head, b"c350\r\n" + bytes(50_000) + b"\r\n", 1000))


@point
async def endless_unsized_body_is_refused(open_transport: Opener) -> None:
    await _refuses_body(open_transport, _pouring(b"HTTP/1.1 200 OK\r\n\r\n", bytes(50_000), 1000))


@point
async def compression_bomb_is_refused(open_transport: Opener) -> None:
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join([packer.compress(bytes(1_000_000)) for _ in range(50)]) + packer.flush()
    assert len(bomb) < _LIMIT
    await _refuses_body(open_transport, _pouring(reply(bomb, headers="Content-Encoding: gzip\r\n")))


@point
async def read_of_an_error_body_is_bounded(open_transport: Opener) -> None:
    head = b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\n\r\n"
    script = _pouring(head, b"c350\r\n" + bytes(50_000) + b"\r\n", 1000)
    async with serve(script) as server, open_transport(_POOL) as transport:
        stream = await transport.stream(post(server.url), QUICK)
        assert (await failing(stream.read())).code == "body_too_large"
        await stream.aclose()


@point
async def header_within_the_limit_passes(open_transport: Opener) -> None:
    data = reply(headers="".join(f"X-{n}: {'v' * 100}\r\n" for n in range(60)))

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(data)

    async with serve(script) as server, open_transport(_POOL) as transport:
        got = await transport.send(post(server.url), QUICK)
        assert got.headers["x-59"] == "v" * 100


async def _refuses_header(open_transport: Opener, head: bytes, piece: bytes = b"", times: int = 0) -> None:
    async with serve(_pouring(head, piece, times)) as server, open_transport(_POOL) as transport:
        for ask in BOTH:
            error = await failing(ask(transport, post(server.url), QUICK))
            assert (error.kind, error.code, error.sent) == ("transport", "header_too_large", True), error
        await server.until(lambda server: server.open == 0)
        await ok(transport, server.url + "/ok")


@point
async def endless_header_line_is_refused(open_transport: Opener) -> None:
    await _refuses_header(open_transport, b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 50_000, 1000)


@point
async def long_header_line_is_refused(open_transport: Opener) -> None:
    data = b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 65_536 + b"\r\nContent-Length: 2\r\n\r\nok"
    await _refuses_header(open_transport, data)


@point
async def too_many_header_fields_are_refused(open_transport: Opener) -> None:
    data = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(10_000)) + b"\r\n"
    await _refuses_header(open_transport, data)


@point
async def endless_status_line_is_refused(open_transport: Opener) -> None:
    async with (
        serve(_pouring(b"HTTP/1.1 200 ", b"O" * 50_000, 1000)) as server,
        open_transport(_POOL) as transport,
    ):
        error = await failing(transport.send(post(server.url), QUICK))
        assert error.kind == "transport"
        assert error.code in ("header_too_large", "protocol"), error


@point
async def endless_interim_replies_end(open_transport: Opener) -> None:
    async with (
        serve(_pouring(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 100, 100_000)) as server,
        open_transport(_POOL) as transport,
    ):
        error = await failing(transport.send(post(server.url), Timeouts(connect=0.5, total=0.6)))
        assert error.sent
        await server.until(lambda server: server.open == 0)
