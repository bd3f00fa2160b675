"""aiohttp alone: ready-made bodies out, bytes in."""

from __future__ import annotations

import json

import aiohttp
import uvloop

from bench.work import KEY, Work, workers

__all__ = ["ask", "prepare"]

HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json", "accept-encoding": "identity"}


def prepare(work: Work) -> list[bytes]:
    return [json.dumps(body).encode() for body in work.bodies()]


def ask(work: Work, bodies: list[bytes]) -> int:
    return uvloop.run(_ask(work, bodies))


async def _ask(work: Work, bodies: list[bytes]) -> int:
    url = work.url + "/chat/completions"
    answered = 0
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=600, sock_connect=5),
    ) as session:

        async def one(body: bytes) -> None:
            nonlocal answered
            async with session.post(url, headers=HEADERS, data=body, allow_redirects=False) as response:
                whole = await response.read()
                answered += b'"choices"' in whole and response.status == 200

        await workers(bodies, work.in_flight, one)
    return answered
