"""Points about connections that are shared: bounds, idle closes, and what is left when it is over."""

from __future__ import annotations

import asyncio
import random

from penstock.errors import CallError
from penstock.http import Pool, Timeouts
from penstock.testing.exam_transport.rules import QUICK, Opener, failing, ok, outcome, point, post, read_all
from penstock.testing.exam_transport.server import Peer, reply, serve

__all__: list[str] = []


async def _answer(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(reply())


@point
async def concurrency_is_bounded(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await asyncio.sleep(0.005)
            await peer.send(reply())

    async with serve(script) as server, open_transport(Pool(max_connections=3)) as transport:
        sends = (transport.send(post(server.url), QUICK) for _ in range(20))
        reads = (read_all(transport, post(server.url), QUICK) for _ in range(20))
        replies = await asyncio.gather(*sends, *reads)
        assert [reply.body for reply in replies] == [b"ok"] * 40
        assert server.most_open == 3


@point
async def total_counts_the_wait_for_a_permit(open_transport: Opener) -> None:
    async def silent(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    limits = Timeouts(connect=0.05, total=0.1)
    async with serve(silent) as server, open_transport(Pool(max_connections=1)) as transport:
        holding = asyncio.ensure_future(transport.send(post(server.url), Timeouts(total=30)))
        await server.until(lambda server: len(server.requests) == 1)
        error = await failing(transport.send(post(server.url), limits))
        assert (error.kind, error.code, error.sent) == ("timeout", "total", False), error
        holding.cancel()
        await asyncio.wait({holding})
        await server.until(lambda server: server.open == 0)


@point
async def thousand_at_once(open_transport: Opener) -> None:
    everyone = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            if len(peer.server.requests) >= 1000:
                everyone.set()
            await everyone.wait()
            await peer.send(reply())

    async with serve(script) as server, open_transport(Pool(max_connections=1000)) as transport:
        limits = Timeouts(connect=10, total=20)
        replies = await asyncio.gather(*(transport.send(post(server.url), limits) for _ in range(1000)))
        assert [reply.body for reply in replies] == [b"ok"] * 1000
        assert server.most_open == 1000
        await transport.aclose()
        await server.until(lambda server: server.open == 0)


@point
async def idle_close_is_no_error(open_transport: Opener) -> None:
    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply())

    for reads in (False, True):
        async with serve(once) as server, open_transport() as transport:
            for _ in range(20):
                if reads:
                    assert (await read_all(transport, post(server.url), QUICK)).body == b"ok"
                else:
                    await ok(transport, server.url)
                await server.until(lambda server: server.open == 0)
                # The close is on its way: a client that looks before it sends finds it.
                await asyncio.sleep(0.01)


@point
async def idle_close_in_the_race_is_never_sent_twice(open_transport: Opener) -> None:
    rng = random.Random(7)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply())
        await asyncio.sleep(rng.uniform(0, 0.002))

    async with serve(script) as server, open_transport() as transport:
        limits = [QUICK, Timeouts(connect=2, first_byte=2, total=4)]
        for number in range(150):
            got = await outcome(transport.send(post(f"{server.url}/{number}"), limits[number % 2]))
            if isinstance(got, CallError):
                assert got.kind == "transport"
                assert got.sent, "certainly unsent: it should have been sent again"
            else:
                assert got.body == b"ok"
            assert server.count(f"/{number}") <= 1, "a POST was sent twice"
            await asyncio.sleep(rng.uniform(0, 0.002))


@point
async def request_the_server_read_is_never_sent_twice(open_transport: Opener) -> None:
    """The second request of every connection is read, and then the connection closes or is reset."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply())
        arrived = await peer.request()
        if arrived.target.endswith("reset"):
            peer.reset()

    async with serve(script) as server, open_transport() as transport:
        for limits in (QUICK, Timeouts(connect=2, first_byte=2, total=4)):
            for end in ("close", "reset"):
                await ok(transport, server.url)
                target = f"/{limits.first_byte}/{end}"
                error = await failing(transport.send(post(server.url + target), limits))
                assert (error.kind, error.sent) == ("transport", True), error
                assert server.count(target) == 1


@point
async def unsolicited_reply_reaches_nobody(open_transport: Opener) -> None:
    """A second answer with the first, and one on the idle connection: neither is the next request's."""
    # What comes after the next request was sent is that request's, to all who can tell: so it waits for the stray one.
    all_sent = asyncio.Event()
    all_sent.set()
    for pause_s in (0.0, 0.02):

        async def script(peer: Peer, pause_s: float = pause_s) -> None:
            arrived = await peer.request()
            all_sent.clear()
            try:
                await peer.send(reply(arrived.target.encode()))
                await asyncio.sleep(pause_s)
                await peer.send(reply(b"stray"))
            finally:
                all_sent.set()
            while True:
                await peer.send(reply((await peer.request()).target.encode()))

        async with serve(script) as server, open_transport() as transport:
            for number in range(6):
                got = await outcome(transport.send(post(f"{server.url}/{number}"), QUICK))
                if isinstance(got, CallError):
                    assert got.kind == "transport"
                else:
                    assert got.body == f"/{number}".encode(), f"request {number} got {got.body!r}"
                await all_sent.wait()
                await asyncio.sleep(0.04)


@point
async def bytes_behind_a_body_reach_nobody(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(reply(b"ok") + b"HTTP/1.1 200 OK\r\n")

    async with serve(script) as server, open_transport() as transport:
        for _ in range(5):
            got = await outcome(transport.send(post(server.url), QUICK))
            assert got.kind == "transport" if isinstance(got, CallError) else got.body == b"ok"


@point
async def connection_close_is_obeyed(open_transport: Opener) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(headers="Connection: close\r\n"))
        await peer.gone()

    async with serve(script) as server, open_transport() as transport:
        for _ in range(3):
            await ok(transport, server.url)
        assert server.accepted == 3
        await server.until(lambda server: server.open == 0)


@point
async def idle_connections_are_closed_in_time(open_transport: Opener) -> None:
    async with serve(_answer) as server, open_transport(Pool(idle_s=0.2)) as transport:
        await ok(transport, server.url)
        assert server.open == 1
        await server.until(lambda server: server.open == 0)
        await ok(transport, server.url)


@point
async def close_closes_idle_connections(open_transport: Opener) -> None:
    async with serve(_answer) as server, open_transport() as transport:
        await asyncio.gather(*(ok(transport, server.url) for _ in range(5)))
        await transport.aclose()
        await server.until(lambda server: server.open == 0)
        error = await failing(transport.send(post(server.url), QUICK))
        assert (error.code, error.sent) == ("closed", False)


@point
async def close_ends_what_waits_with_an_error(open_transport: Opener) -> None:
    """Not with a cancellation, which the caller would take for its own."""

    async def script(peer: Peer) -> None:
        arrived = await peer.request()
        if arrived.target != "/silent":
            await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await peer.gone()

    long = Timeouts(connect=5, between_bytes=30, total=60)
    watched = Timeouts(connect=5, first_byte=30, between_bytes=30, total=60)
    async with serve(script) as server, open_transport(Pool(max_connections=6)) as transport:
        work = [
            asyncio.ensure_future(call)
            for limits in (long, watched)
            for call in (
                transport.send(post(server.url + "/silent"), limits),
                transport.send(post(server.url), limits),
                read_all(transport, post(server.url), limits),
                transport.send(post(server.url + "/waits"), limits),
            )
        ]
        await server.until(lambda server: len(server.requests) == 6)
        await asyncio.sleep(0.05)
        await transport.aclose()
        _, pending = await asyncio.wait(work, timeout=3)
        assert not pending
        for task in work:
            assert not task.cancelled(), "ended as if it had been cancelled"
            error = task.exception()
            assert isinstance(error, CallError), error
            assert error.kind == "transport"
        await server.until(lambda server: server.open == 0)
