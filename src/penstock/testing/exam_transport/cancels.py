"""Points about cancelling: in every phase the server sees the close at once and the permit comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from penstock.http import Pool, Timeouts, Transport
from penstock.testing.exam_transport.rules import BOTH, QUICK, Opener, ok, point, post
from penstock.testing.exam_transport.server import Peer, Script, Server, black_hole, reply, serve

__all__: list[str] = []

_PATIENT = Timeouts(connect=20, first_byte=None, between_bytes=20, total=60)
_WATCHED = Timeouts(connect=20, first_byte=20, between_bytes=20, total=60)
_ONE = Pool(max_connections=1)


async def _cancel(work: Coroutine[Any, Any, object], there: asyncio.Event) -> None:
    """Start `work`, wait until it is `there`, cancel it; it must end cancelled."""
    task = asyncio.ensure_future(work)
    await asyncio.wait_for(there.wait(), 5)
    # One more turn, so that what the server sent just before has reached the client.
    await asyncio.sleep(0.02)
    assert not task.done(), f"ended before it was cancelled: {task}"
    task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.shield(task), 1)
    assert task.cancelled()


def _until_gone(there: asyncio.Event, data: bytes = b"", *, read: bool = True) -> Script:
    """Send `data` for a request, say that it is so far, and wait for the client's close; "/ok" is answered."""

    async def script(peer: Peer) -> None:
        if read:
            arrived = await peer.request()
            if arrived.target == "/ok":
                await peer.send(reply())
                return
        if data:
            await peer.send(data)
        there.set()
        await peer.gone()

    return script


async def _freed(transport: Transport, server: Server) -> None:
    """The cancelled connection is closed, and the only permit serves the next request."""
    await server.until(lambda server: server.open == 0)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply())

    async with serve(script) as other:
        await asyncio.wait_for(ok(transport, other.url), 3)


async def _examine(open_transport: Opener, data: bytes = b"") -> None:
    for limits in (_PATIENT, _WATCHED):
        for ask in BOTH:
            there = asyncio.Event()
            async with serve(_until_gone(there, data)) as server, open_transport(_ONE) as transport:
                await _cancel(ask(transport, post(server.url), limits), there)
                await _freed(transport, server)


@point
async def cancel_while_connecting(open_transport: Opener) -> None:
    for limits in (_PATIENT, _WATCHED):
        async with black_hole() as hole, open_transport(_ONE) as transport:
            before = hole.connecting()
            task = asyncio.ensure_future(transport.send(post(hole.url), limits))
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.wait({task}, timeout=1)
            assert task.cancelled()
            for _ in range(40):
                if hole.connecting() == before:
                    break
                await asyncio.sleep(0.05)
            assert hole.connecting() == before, "the socket still tries to connect"

            async def script(peer: Peer) -> None:
                await peer.request()
                await peer.send(reply())

            async with serve(script) as server:
                await asyncio.wait_for(ok(transport, server.url), 3)


@point
async def cancel_in_the_tls_handshake(open_transport: Opener) -> None:
    for limits in (_PATIENT, _WATCHED):
        there = asyncio.Event()

        async def script(peer: Peer, there: asyncio.Event = there) -> None:
            await peer.reader.read(1)
            there.set()
            await peer.gone()

        async with serve(script) as server, open_transport(_ONE) as transport:
            await _cancel(transport.send(post(server.url.replace("http:", "https:")), limits), there)
            await _freed(transport, server)


@point
async def cancel_while_sending(open_transport: Opener) -> None:
    for limits in (_PATIENT, _WATCHED):
        there = asyncio.Event()

        async def script(peer: Peer, there: asyncio.Event = there) -> None:
            await peer.head()
            there.set()
            await peer.paused(0.1)
            await peer.gone()

        async with serve(script) as server, open_transport(_ONE) as transport:
            await _cancel(transport.send(post(server.url, bytes(30_000_000)), limits), there)
            await _freed(transport, server)


@point
async def cancel_waiting_for_the_head(open_transport: Opener) -> None:
    await _examine(open_transport)


@point
async def cancel_in_the_head(open_transport: Opener) -> None:
    await _examine(open_transport, b"HTTP/1.1 200 OK\r\nContent-Le")


@point
async def cancel_before_the_body(open_transport: Opener) -> None:
    await _examine(open_transport, b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")


@point
async def cancel_in_a_sized_body(open_transport: Opener) -> None:
    await _examine(open_transport, b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf")


@point
async def cancel_in_a_chunked_body(open_transport: Opener) -> None:
    await _examine(open_transport, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")


@point
async def cancel_in_an_unsized_body(open_transport: Opener) -> None:
    await _examine(open_transport, b"HTTP/1.1 200 OK\r\n\r\nhello")


@point
async def closing_a_stream_early_closes_the_connection(open_transport: Opener) -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    for reads in (0, 1):
        there = asyncio.Event()
        async with serve(_until_gone(there, data)) as server, open_transport(_ONE) as transport:
            stream = await transport.stream(post(server.url), _PATIENT)
            if reads:
                assert await anext(aiter(stream)) == b"hello"
            await stream.aclose()
            await stream.aclose()
            await _freed(transport, server)


@point
async def stream_holds_its_permit_until_it_is_closed(open_transport: Opener) -> None:
    there = asyncio.Event()
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    async with serve(_until_gone(there, data)) as server, open_transport(_ONE) as transport:
        stream = await transport.stream(post(server.url), _PATIENT)
        waiting = asyncio.ensure_future(transport.send(post(server.url + "/ok"), QUICK))
        await asyncio.sleep(0.05)
        assert server.count("/ok") == 0
        await stream.aclose()
        assert (await waiting).body == b"ok"


@point
async def cancelled_waiter_loses_nobody_a_permit(open_transport: Opener) -> None:
    """Waiters are cancelled before, at and after their turn; the permit always reaches the next."""
    data = b"HTTP/1.1 200 OK\r\n\r\nhello"
    for turn in ("before", "at"):
        there = asyncio.Event()
        async with serve(_until_gone(there, data)) as server, open_transport(_ONE) as transport:
            holder = await transport.stream(post(server.url), _PATIENT)
            waiters = [asyncio.ensure_future(transport.send(post(server.url + "/ok"), QUICK)) for _ in range(5)]
            await asyncio.sleep(0)
            if turn == "before":
                waiters[0].cancel()
                waiters[2].cancel()
                await holder.aclose()
            else:
                await holder.aclose()
                waiters[0].cancel()
            results = await asyncio.wait_for(asyncio.gather(*waiters, return_exceptions=True), 3)
            answered = [result for result in results if not isinstance(result, BaseException)]
            assert len(answered) == (3 if turn == "before" else 4), results


@point
async def cancel_beats_a_timeout_at_the_same_time(open_transport: Opener) -> None:
    """Whoever cancels must see the task cancelled, however close the timeout is."""
    there = asyncio.Event()
    async with serve(_until_gone(there)) as server, open_transport() as transport:
        limits = Timeouts(connect=2, first_byte=0.05, between_bytes=0.05, total=4)
        for delay_s in (0.045, 0.05, 0.055, 0.06):
            task = asyncio.ensure_future(transport.send(post(server.url), limits))
            await asyncio.sleep(delay_s)
            if task.done():
                task.exception()
                continue
            assert task.cancel()
            await asyncio.wait({task}, timeout=1)
            assert task.cancelled(), task
