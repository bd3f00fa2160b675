"""Points about time: every phase has its own bound, counts only itself, and its error names it."""

from __future__ import annotations

import asyncio
import time

from penstock.errors import CallError
from penstock.http import Pool, Timeouts, WireReply
from penstock.testing.exam_transport.rules import Opener, failing, ok, point, post, read_all
from penstock.testing.exam_transport.server import CA_FILE, Peer, black_hole, relay, reply, serve

__all__: list[str] = []

_SHORT = 0.1
_LATE_S = 0.9
"""How late a timeout may be here; machines that run exams are busy."""
_HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf"
_HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def _timed(work: object, code: str | tuple[str, ...], limit_s: float, *, sent: bool) -> None:
    """`work` must fail with a timeout of that code, not before `limit_s` and not much later."""
    started_s = time.monotonic()
    error: CallError = await failing(work)  # type: ignore[arg-type]
    spent_s = time.monotonic() - started_s
    codes = (code,) if isinstance(code, str) else code
    assert error.kind == "timeout", f"kind {error.kind}: {error}"
    assert error.code in codes, f"code {error.code!r}, expected {codes}: {error}"
    assert error.sent is sent, f"sent={error.sent}"
    assert limit_s * 0.9 <= spent_s <= limit_s + _LATE_S, f"after {spent_s:.3f} s instead of {limit_s}"


async def _silent(peer: Peer) -> None:
    await peer.request()
    await peer.gone()


@point
async def connect_timeout(open_transport: Opener) -> None:
    limits = Timeouts(connect=_SHORT, total=4)
    async with black_hole() as hole, open_transport() as transport:
        await _timed(transport.send(post(hole.url), limits), "connect", _SHORT, sent=False)
        await _timed(transport.stream(post(hole.url), limits), "connect", _SHORT, sent=False)


@point
async def connect_timeout_of_each_call(open_transport: Opener) -> None:
    async with black_hole() as hole, open_transport() as transport:
        for limit_s in (0.15, 0.05, 0.3):
            limits = Timeouts(connect=limit_s, total=4)
            await _timed(transport.send(post(hole.url), limits), "connect", limit_s, sent=False)


@point
async def connect_timeout_beside_a_first_byte_timeout(open_transport: Opener) -> None:
    limits = Timeouts(connect=_SHORT, first_byte=1, between_bytes=1, total=4)
    async with black_hole() as hole, open_transport() as transport:
        await _timed(transport.stream(post(hole.url), limits), "connect", _SHORT, sent=False)


@point
async def total_that_ends_while_connecting_sent_nothing(open_transport: Opener) -> None:
    limits = Timeouts(connect=5, total=_SHORT)
    async with black_hole() as hole, open_transport() as transport:
        await _timed(transport.send(post(hole.url), limits), ("total", "connect"), _SHORT, sent=False)
        await _timed(transport.stream(post(hole.url), limits), ("total", "connect"), _SHORT, sent=False)


@point
async def tls_handshake_counts_as_connecting(open_transport: Opener) -> None:
    async def silent(peer: Peer) -> None:
        await peer.gone()

    limits = Timeouts(connect=_SHORT, total=4)
    async with serve(silent) as server, open_transport() as transport:
        url = server.url.replace("http:", "https:")
        await _timed(transport.send(post(url), limits), ("connect", "tls"), _SHORT, sent=False)
        await server.until(lambda server: server.open == 0)


@point
async def refused_connection_sent_nothing(open_transport: Opener) -> None:
    async with serve(_silent) as server:
        url = server.url
    async with open_transport() as transport:
        for first_byte in (None, 1.0):
            error = await failing(transport.send(post(url), Timeouts(first_byte=first_byte, total=3)))
            assert (error.kind, error.code, error.sent) == ("transport", "connect", False), error


@point
async def unknown_host_sent_nothing(open_transport: Opener) -> None:
    async with open_transport() as transport:
        error = await failing(transport.send(post("http://penstock.invalid/"), Timeouts(connect=2, total=3)))
        assert error.kind in ("transport", "timeout")
        assert error.code in ("dns", "connect"), error
        assert not error.sent


@point
async def first_byte_timeout_waiting_for_the_head(open_transport: Opener) -> None:
    limits = Timeouts(connect=2, first_byte=_SHORT, total=4)
    async with serve(_silent) as server, open_transport() as transport:
        await _timed(transport.send(post(server.url), limits), "first_byte", _SHORT, sent=True)
        await _timed(transport.stream(post(server.url), limits), "first_byte", _SHORT, sent=True)
        await server.until(lambda server: server.open == 0)


@point
async def first_byte_timeout_after_the_head(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(_HEAD)
        await peer.gone()

    limits = Timeouts(connect=2, first_byte=_SHORT, between_bytes=3, total=4)
    async with serve(script) as server, open_transport() as transport:
        await _timed(transport.send(post(server.url), limits), "first_byte", _SHORT, sent=True)
        await _timed(read_all(transport, post(server.url), limits), "first_byte", _SHORT, sent=True)
        await server.until(lambda server: server.open == 0)


@point
async def first_byte_may_come_late_without_a_bound(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(_HEAD)
            await asyncio.sleep(2.5 * _SHORT)
            await peer.send(b"2\r\nok\r\n0\r\n\r\n")

    limits = Timeouts(connect=2, first_byte=None, between_bytes=_SHORT, total=4)
    async with serve(script) as server, open_transport() as transport:
        assert (await transport.send(post(server.url), limits)).body == b"ok"
        assert (await read_all(transport, post(server.url), limits)).body == b"ok"


@point
async def first_byte_does_not_count_the_handshake(open_transport: Opener) -> None:
    async def answer(peer: Peer) -> None:
        await peer.request()
        await asyncio.sleep(0.05)
        await peer.send(reply())

    async with serve(answer, tls=True) as server:

        async def late(peer: Peer) -> None:
            await asyncio.sleep(0.3)
            await relay(peer, server.port)

        limits = Timeouts(connect=2, first_byte=0.2, total=4)
        async with serve(late) as front, open_transport(Pool(ca_file=str(CA_FILE))) as transport:
            got = await transport.send(post(front.url.replace("http:", "https:")), limits)
            assert got.body == b"ok"


@point
async def first_byte_does_not_count_the_upload(open_transport: Opener) -> None:
    async def slow(peer: Peer) -> None:
        arrived = await peer.head()
        await peer.paused(0.6)
        await peer.reader.readexactly(int(arrived.header("content-length") or 0))
        await peer.send(reply())

    limits = Timeouts(connect=2, first_byte=0.4, between_bytes=1, total=8)
    async with serve(slow) as server, open_transport() as transport:
        assert (await transport.send(post(server.url, bytes(30_000_000)), limits)).body == b"ok"


@point
async def between_bytes_timeout_in_a_stream(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(_HEAD + b"5\r\nhello\r\n")
        await peer.gone()

    async with serve(script) as server, open_transport() as transport:
        for first_byte in (None, 2.0):
            limits = Timeouts(connect=2, first_byte=first_byte, between_bytes=_SHORT, total=4)
            stream = await transport.stream(post(server.url), limits)
            pieces = aiter(stream)
            assert await anext(pieces) == b"hello"
            await _timed(anext(pieces), "between_bytes", _SHORT, sent=True)
            await stream.aclose()
        await server.until(lambda server: server.open == 0)


@point
async def between_bytes_timeout_in_a_reply(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        arrived = await peer.request()
        await peer.send(_HALF if arrived.target == "/sized" else _HEAD + b"5\r\nhello\r\n")
        await peer.gone()

    limits = Timeouts(connect=2, between_bytes=_SHORT, total=4)
    async with serve(script) as server, open_transport() as transport:
        for target in ("/sized", "/chunked"):
            await _timed(transport.send(post(server.url + target), limits), "between_bytes", _SHORT, sent=True)
        await server.until(lambda server: server.open == 0)


async def _trickle(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(_HEAD)
        for _ in range(5):
            await asyncio.sleep(0.06)
            await peer.send(b"1\r\nx\r\n")
        await peer.send(b"0\r\n\r\n")


@point
async def between_bytes_starts_anew_with_every_piece(open_transport: Opener) -> None:
    limits = Timeouts(connect=2, first_byte=0.2, between_bytes=0.2, total=4)
    async with serve(_trickle) as server, open_transport() as transport:
        assert (await transport.send(post(server.url), limits)).body == b"xxxxx"
        assert (await read_all(transport, post(server.url), limits)).body == b"xxxxx"


@point
async def slow_reader_is_no_stalled_server(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(_HEAD + b"1\r\na\r\n")
        await asyncio.sleep(0.02)
        await peer.send(b"1\r\nb\r\n0\r\n\r\n")

    limits = Timeouts(connect=2, first_byte=_SHORT, between_bytes=_SHORT, total=4)
    async with serve(script) as server, open_transport() as transport:
        stream = await transport.stream(post(server.url), limits)
        got = []
        async for piece in stream:
            got.append(piece)
            await asyncio.sleep(3 * _SHORT)
        assert b"".join(got) == b"ab"
        await stream.aclose()


@point
async def total_timeout_waiting_for_the_head(open_transport: Opener) -> None:
    limits = Timeouts(connect=0.1, total=0.2)
    async with serve(_silent) as server, open_transport() as transport:
        await _timed(transport.send(post(server.url), limits), "total", 0.2, sent=True)
        await _timed(transport.stream(post(server.url), limits), "total", 0.2, sent=True)
        await server.until(lambda server: server.open == 0)


@point
async def total_timeout_in_the_body(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(_HEAD)
        while True:
            await peer.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.02)

    limits = Timeouts(connect=0.1, between_bytes=1, total=0.2)
    async with serve(script) as server, open_transport() as transport:
        await _timed(transport.send(post(server.url), limits), "total", 0.2, sent=True)
        await _timed(read_all(transport, post(server.url), limits), "total", 0.2, sent=True)
        await server.until(lambda server: server.open == 0)


@point
async def no_timeout_at_all(open_transport: Opener) -> None:
    limits = Timeouts(connect=None, first_byte=None, between_bytes=None, total=None)

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(reply())

    async with serve(script) as server, open_transport() as transport:
        await ok(transport, server.url)
        got: WireReply = await transport.send(post(server.url), limits)
        assert got.body == b"ok"
        assert (await read_all(transport, post(server.url), limits)).body == b"ok"


@point
async def timeout_leaves_the_task_as_it_was(open_transport: Opener) -> None:
    limits = Timeouts(connect=2, first_byte=0.05, between_bytes=0.05, total=4)
    async with serve(_silent) as server, open_transport() as transport:
        await failing(transport.send(post(server.url), limits))
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
