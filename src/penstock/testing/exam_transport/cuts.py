"""Points about replies that are broken: each is an error with a name, never a success, by `send` and by `stream`."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass

from penstock.testing.exam_transport.rules import POINTS, QUICK, Opener, failing, point, post, read_all
from penstock.testing.exam_transport.server import Peer, Script, serve

__all__: list[str] = []

_OK = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
_PACKED = gzip.compress(bytes(range(256)) * 50)
_GZIP = _OK + b"Content-Encoding: gzip\r\n"


@dataclass(frozen=True)
class Cut:
    data: bytes
    codes: tuple[str, ...]
    end: str = "close"


def _sized(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(body) + body


_BROKEN = ("cut", "reset")
_DAMAGED = ("decode", "cut", "protocol")

_CUTS = {
    "no_reply_closed": Cut(b"", _BROKEN),
    "no_reply_reset": Cut(b"", _BROKEN, "reset"),
    "half_status_line_closed": Cut(b"HTTP/1.", (*_BROKEN, "protocol")),
    "half_header_closed": Cut(_OK + b"Content-Le", _BROKEN),
    "half_header_reset": Cut(_OK + b"Content-Le", _BROKEN, "reset"),
    "half_body_closed": Cut(_OK + b"Content-Length: 20\r\n\r\nhalf", _BROKEN),
    "half_body_reset": Cut(_OK + b"Content-Length: 20\r\n\r\nhalf", _BROKEN, "reset"),
    "no_body_closed": Cut(_OK + b"Content-Length: 20\r\n\r\n", _BROKEN),
    "half_chunk_closed": Cut(_CHUNKED + b"5\r\nhel", _BROKEN),
    "half_chunk_reset": Cut(_CHUNKED + b"5\r\nhel", _BROKEN, "reset"),
    "half_chunk_size_closed": Cut(_CHUNKED + b"5\r\nhello\r\n1", _BROKEN),
    "last_chunk_missing_closed": Cut(_CHUNKED + b"5\r\nhello\r\n", _BROKEN),
    "last_chunk_missing_reset": Cut(_CHUNKED + b"5\r\nhello\r\n", _BROKEN, "reset"),
    "last_chunk_half_closed": Cut(_CHUNKED + b"5\r\nhello\r\n0\r\n", _BROKEN),
    "unsized_body_reset": Cut(_OK + b"\r\nhello", _BROKEN, "reset"),
    "gzip_truncated": Cut(_GZIP + _sized(_PACKED[:-20]), _DAMAGED),
    "gzip_truncated_unsized": Cut(_GZIP + b"\r\n" + _PACKED[:-20], _DAMAGED),
    "gzip_truncated_chunked": Cut(
        _GZIP + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % (len(_PACKED) - 20) + _PACKED[:-20] + b"\r\n0\r\n\r\n",
        _DAMAGED,
    ),
    "gzip_checksum_wrong": Cut(_GZIP + _sized(_PACKED[:-8] + b"\0\0\0\0" + _PACKED[-4:]), _DAMAGED),
    "gzip_that_is_none": Cut(_GZIP + _sized(b"hello"), _DAMAGED),
    "chunk_size_garbage": Cut(_CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n", ("protocol", *_BROKEN)),
    "chunk_longer_than_its_size": Cut(_CHUNKED + b"2\r\nhello\r\n0\r\n\r\n", ("protocol", *_BROKEN)),
    "status_line_garbage": Cut(b"hello world\r\n\r\n", ("protocol",)),
    "status_code_garbage": Cut(b"HTTP/1.1 2x0 OK\r\n\r\n", ("protocol",)),
    "header_without_colon": Cut(_OK + b"Content Length\r\n\r\n", ("protocol",)),
    "header_name_with_space": Cut(_OK + b"X Y: 1\r\nContent-Length: 2\r\n\r\nok", ("protocol",)),
    "page_without_header": Cut(b"<html>busy</html>\r\n\r\n", ("protocol",)),
    "length_garbage": Cut(_OK + b"Content-Length: abc\r\n\r\nok", ("protocol",)),
    "length_negative": Cut(_OK + b"Content-Length: -2\r\n\r\nok", ("protocol",)),
    "two_lengths": Cut(_OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!", ("protocol",)),
}


def _script(cut: Cut) -> Script:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(cut.data)
        if cut.end == "reset":
            # The client has its bytes before it has the reset: otherwise the kernel may throw both away.
            await asyncio.sleep(0.02)
            peer.reset()

    return script


def _add(name: str, cut: Cut) -> None:
    async def work(open_transport: Opener) -> None:
        async with serve(_script(cut)) as server, open_transport() as transport:
            by_send = await failing(transport.send(post(server.url + "/send"), QUICK))
            by_stream = await failing(read_all(transport, post(server.url + "/stream"), QUICK))
            for error in (by_send, by_stream):
                assert (error.kind, error.sent) == ("transport", True), error
                assert error.code in cut.codes, f"code {error.code!r}, expected one of {cut.codes}: {error}"
            assert server.count("/send") == server.count("/stream") == 1, "a request was sent twice"

    POINTS[name] = work


for _name, _cut in _CUTS.items():
    _add(_name, _cut)


@point
async def piece_before_a_cut_is_delivered(open_transport: Opener) -> None:
    async with (
        serve(_script(Cut(_CHUNKED + b"5\r\nhello\r\n", _BROKEN))) as server,
        open_transport() as transport,
    ):
        stream = await transport.stream(post(server.url), QUICK)
        pieces = aiter(stream)
        assert await anext(pieces) == b"hello"
        assert (await failing(anext(pieces))).code in _BROKEN
        await stream.aclose()


@point
async def half_closed_server_is_heard_out(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(_OK + b"Connection: close\r\n\r\nhello")
        peer.half_close()
        await peer.gone()

    async with serve(script) as server, open_transport() as transport:
        assert (await transport.send(post(server.url), QUICK)).body == b"hello"
