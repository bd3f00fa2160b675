"""lm-deluge: its own batch call, with limits out of the way."""

from __future__ import annotations

import os

import uvloop
from lm_deluge import LLMClient, SamplingParams
from lm_deluge.models import register_model

from bench.work import KEY, Work

__all__ = ["ask", "prepare"]


def prepare(work: Work) -> list[str]:
    os.environ["BENCH_API_KEY"] = KEY
    register_model(id="bench", name=work.model, api_base=work.url, api_key_env_var="BENCH_API_KEY", api_spec="openai")
    return [body["messages"][0]["content"] for body in work.bodies()]


def ask(work: Work, prompts: list[str]) -> int:
    return uvloop.run(_ask(work, prompts))


async def _ask(work: Work, prompts: list[str]) -> int:
    client = LLMClient(
        "bench",
        max_requests_per_minute=100_000_000,
        max_tokens_per_minute=100_000_000_000,
        max_concurrent_requests=work.in_flight,
        max_attempts=1,
        sampling_params=[SamplingParams(max_new_tokens=1024)],
        progress="manual",
    )
    answers = await client.process_prompts_async(prompts, show_progress=False)
    return sum(bool(answer.completion) for answer in answers)
