"""The openai SDK with its own retries and timeout, which know one provider. `settings` are the client's arguments."""

from __future__ import annotations

from collections.abc import Iterator

import openai

from bench.real.task import MODEL, Task, Tell, each

__all__ = ["run"]


async def run(task: Task, prompts: Iterator[str], tell: Tell) -> None:
    url = task.base_url(task.targets[0])
    async with openai.AsyncOpenAI(base_url=url, api_key=task.key, **task.settings) as client:

        async def ask(prompt: str) -> str | None:
            messages = [{"role": "user", "content": prompt}]
            completion = await client.chat.completions.create(model=MODEL, messages=messages)
            return completion.choices[0].message.content

        await each(task, prompts, ask, tell, is_cut=True)
