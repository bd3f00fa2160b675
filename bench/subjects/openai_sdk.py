"""The openai SDK: AsyncOpenAI and the same workers."""

from __future__ import annotations

from typing import Any

import openai
import uvloop

from bench.work import KEY, Work, workers

__all__ = ["ask", "prepare"]


def prepare(work: Work) -> list[dict[str, Any]]:
    return list(work.bodies())


def ask(work: Work, bodies: list[dict[str, Any]]) -> int:
    return uvloop.run(_ask(work, bodies))


async def _ask(work: Work, bodies: list[dict[str, Any]]) -> int:
    answered = 0
    async with openai.AsyncOpenAI(base_url=work.url, api_key=KEY, max_retries=0) as client:

        async def one(body: dict[str, Any]) -> None:
            nonlocal answered
            completion = await client.chat.completions.create(**body)
            answered += bool(completion.choices[0].message.content)

        await workers(bodies, work.in_flight, one)
    return answered
