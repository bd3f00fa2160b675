"""LiteLLM: acompletion and the same workers."""

from __future__ import annotations

import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it fetches its price list at import otherwise

import litellm
import uvloop

from bench.work import KEY, Work, workers

__all__ = ["ask", "prepare"]

litellm.suppress_debug_info = True
litellm.telemetry = False


def prepare(work: Work) -> list[dict[str, Any]]:
    return [{**body, "model": f"openai/{work.model}"} for body in work.bodies()]


def ask(work: Work, bodies: list[dict[str, Any]]) -> int:
    return uvloop.run(_ask(work, bodies))


async def _ask(work: Work, bodies: list[dict[str, Any]]) -> int:
    answered = 0

    async def one(body: dict[str, Any]) -> None:
        nonlocal answered
        completion = await litellm.acompletion(**body, api_base=work.url, api_key=KEY, num_retries=0)
        answered += bool(completion.choices[0].message.content)

    await workers(bodies, work.in_flight, one)
    return answered
