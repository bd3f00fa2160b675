"""`AsyncClient.map`: the library as a user calls it, answers in order."""

from __future__ import annotations

from typing import Any

import uvloop

import penstock
from bench.work import KEY, Work

__all__ = ["ask", "prepare"]


def prepare(work: Work) -> list[list[dict[str, Any]]]:
    return [body["messages"] for body in work.bodies()]


def ask(work: Work, prompts: list[list[dict[str, Any]]]) -> int:
    return uvloop.run(_ask(work, prompts))


async def _ask(work: Work, prompts: list[list[dict[str, Any]]]) -> int:
    provider = {
        "wire": "openai",
        "base_url": work.url,
        "api_key": KEY,
        "pool": {"max_connections": work.in_flight},
        "limits": {"concurrency": work.in_flight},
    }
    answered = 0
    async with penstock.AsyncClient(f"bench/{work.model}", config={"providers": {"bench": provider}}) as client:
        async for answer in client.map(prompts):
            answered += answer.status == "success"
    return answered
