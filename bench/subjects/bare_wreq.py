"""wreq alone: ready-made bodies out, bytes in. What any engine above it has to stand on."""

from __future__ import annotations

import json
from datetime import timedelta

import uvloop
import wreq

from bench.work import KEY, Work, workers

__all__ = ["ask", "prepare"]

HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


def prepare(work: Work) -> list[bytes]:
    return [json.dumps(body).encode() for body in work.bodies()]


def ask(work: Work, bodies: list[bytes]) -> int:
    return uvloop.run(_ask(work, bodies))


async def _ask(work: Work, bodies: list[bytes]) -> int:
    url = work.url + "/chat/completions"
    answered = 0
    client = wreq.Client(
        http1_only=True,
        no_proxy=True,
        gzip=False,
        brotli=False,
        deflate=False,
        zstd=False,
        pool_max_idle_per_host=work.in_flight,
        connect_timeout=timedelta(seconds=5),
        timeout=timedelta(seconds=600),
    )

    async def one(body: bytes) -> None:
        nonlocal answered
        response = await client.post(url, headers=HEADERS, body=body)
        whole = bytes(await response.bytes())
        answered += b'"choices"' in whole and response.status.as_int() == 200

    await workers(bodies, work.in_flight, one)
    client.close()
    return answered
