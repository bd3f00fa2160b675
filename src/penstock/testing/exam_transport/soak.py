"""The soak: many requests of every kind, some cancelled at any moment; nothing may be left behind."""

from __future__ import annotations

import asyncio
import random
from itertools import count

from penstock.errors import CallError
from penstock.http import Pool, Timeouts, Transport
from penstock.testing.exam_transport.rules import BOTH, Opener, point, post
from penstock.testing.exam_transport.server import Peer, Script, reply, serve

__all__: list[str] = []

_WORKERS = 50
_CONNECTIONS = 40
_CANCELLED = 0.05
_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def _script(rng: random.Random) -> Script:
    async def script(peer: Peer) -> None:
        while True:
            arrived = await peer.request()
            if arrived.target != "/barrier":
                # Counted and done with: a long soak would fill the memory.
                peer.server.requests.pop()
            else:
                await peer.server.until(lambda server: server.count("/barrier") >= _CONNECTIONS)
            if rng.random() < 0.1:
                await asyncio.sleep(rng.uniform(0, 0.003))
            if rng.random() < 0.5:
                await peer.send(reply(arrived.body))
            else:
                half = len(arrived.body) // 2
                await peer.send(_CHUNKED + b"%x\r\n" % half + arrived.body[:half] + b"\r\n")
                if rng.random() < 0.2:
                    await asyncio.sleep(rng.uniform(0, 0.003))
                rest = arrived.body[half:]
                await peer.send(b"%x\r\n" % len(rest) + rest + b"\r\n0\r\n\r\n")

    return script


async def _one(transport: Transport, url: str, number: int, rng: random.Random) -> None:
    body = b'{"number": %d, "pad": "%s"}' % (number, b"x" * rng.choice((10, 1000, 20_000)))
    limits = Timeouts(connect=10, first_byte=rng.choice((None, 10.0)), between_bytes=10, total=20)
    call = BOTH[number % 2](transport, post(url, body), limits)
    if rng.random() >= _CANCELLED:
        got = await call
        assert got.body == body, f"request {number} got another's answer, or half of it"
        return
    task = asyncio.ensure_future(call)
    await asyncio.sleep(rng.choice((0, rng.uniform(0, 0.004))))
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and (error := task.exception()) is not None:
        raise error


@point
async def soak_leaves_nothing_behind(open_transport: Opener) -> None:
    rng = random.Random(11)
    numbers = count()
    failures: list[CallError] = []

    async def worker(transport: Transport, url: str) -> None:
        while (number := next(numbers)) < open_transport.soak:
            try:
                await _one(transport, url, number, rng)
            except CallError as error:
                failures.append(error)

    pool = Pool(max_connections=_CONNECTIONS)
    async with serve(_script(rng)) as server, open_transport(pool) as transport:
        await asyncio.gather(*(worker(transport, server.url) for _ in range(_WORKERS)))
        assert failures == [], f"{len(failures)} failed, first: {failures[0]}"
        assert server.most_open <= _CONNECTIONS + _WORKERS
        # Every permit still serves: as many at once as there may be, and each waits for all others.
        limits = Timeouts(connect=5, total=5)
        await asyncio.gather(*(transport.send(post(server.url + "/barrier"), limits) for _ in range(_CONNECTIONS)))
        await transport.aclose()
        await server.until(lambda server: server.open == 0)
