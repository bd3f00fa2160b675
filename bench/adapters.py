"""A transport adapter loaded directly, with none of the engine above it."""

from __future__ import annotations

import json
from collections.abc import Callable

import uvloop

from bench.work import KEY, Work, workers
from penstock.http import Pool, Timeouts, Transport, WireRequest

__all__ = ["ask_through", "requests"]

HEADERS = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


def requests(work: Work) -> list[bytes]:
    return [json.dumps(body).encode() for body in work.bodies()]


def ask_through(make: Callable[[Pool], Transport], work: Work, bodies: list[bytes]) -> int:
    """How many of `bodies` were answered with a 200."""
    return uvloop.run(_ask(make, work, bodies))


async def _ask(make: Callable[[Pool], Transport], work: Work, bodies: list[bytes]) -> int:
    url = work.url + "/chat/completions"
    timeouts = Timeouts(between_bytes=None)
    transport = make(Pool(max_connections=work.in_flight, proxy=""))
    answered = 0

    async def one(body: bytes) -> None:
        nonlocal answered
        reply = await transport.send(WireRequest("POST", url, HEADERS, body), timeouts)
        answered += b'"choices"' in reply.body and reply.status == 200

    await workers(bodies, work.in_flight, one)
    await transport.aclose()
    return answered
