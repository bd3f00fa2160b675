"""lm-deluge: `start` for each prompt, its limits and cooldowns as they are. `settings` are the client's arguments."""

from __future__ import annotations

import os
from collections.abc import Iterator

from bench.real.task import MODEL, Task, Tell, each

__all__ = ["run"]


async def run(task: Task, prompts: Iterator[str], tell: Tell) -> None:
    os.environ["BENCH_API_KEY"] = task.key
    from lm_deluge import LLMClient, SamplingParams
    from lm_deluge.models import register_model

    url = task.base_url(task.targets[0])
    register_model(id="bench", name=MODEL, api_base=url, api_key_env_var="BENCH_API_KEY", api_spec="openai")
    client = LLMClient(
        "bench",
        max_concurrent_requests=task.in_flight,
        sampling_params=[SamplingParams(max_new_tokens=1024)],
        progress="manual",
        **task.settings,
    )
    client.open(show_progress=False)

    async def ask(prompt: str) -> str | None:
        answer = await client.start(prompt)
        if answer.is_error:
            raise RuntimeError(answer.error_message)
        return answer.completion

    await each(task, prompts, ask, tell, is_cut=False)
