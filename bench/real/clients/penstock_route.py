"""penstock: a route with a deadline, and nothing else set unless the task says so.

`settings`: `route` is added to the route's table, `limits` to each provider's; `bulk` asks through `map`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import penstock
from bench.real.task import MODEL, Task, Tell, together

__all__ = ["run"]


def _config(task: Task) -> dict[str, Any]:
    provider = {"wire": "openai", "api_key": task.key, "pool": {"max_connections": task.in_flight * 8}}
    limits = task.settings.get("limits", {})
    return {
        "providers": {name: {**provider, "base_url": task.base_url(name), "limits": limits} for name in task.targets},
        "routes": {
            "bench": {
                "targets": [f"{name}/{MODEL}" for name in task.targets],
                "deadline": task.deadline_s,
                **task.settings.get("route", {}),
            }
        },
    }


def _story(attempts: tuple[Any, ...]) -> list[str]:
    return [
        f"{one.started_s:6.2f} to {_shown(one.ended_s)} s, first token {_shown(one.first_token_s)}: {one.target}"
        f"{' (hedge)' if one.hedge else ''} {one.outcome} {one.error_kind or ''} {(one.error or '')[:120]}"
        for one in attempts
    ]


def _shown(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}"


async def run(task: Task, prompts: Iterator[str], tell: Tell) -> None:
    async with penstock.AsyncClient(route="bench", config=_config(task)) as client:
        await (_bulk if task.settings.get("bulk") else _single)(client, task, prompts, tell)


async def _single(client: penstock.AsyncClient, task: Task, prompts: Iterator[str], tell: Tell) -> None:
    async def worker(mine: Iterator[str]) -> None:
        for prompt in mine:
            began_s = time.monotonic()
            try:
                answer = await client.generate(prompt)
            except penstock.PenstockError as error:
                tell(prompt, began_s, "", error=error, story=_story(getattr(error, "attempts", ())))
            else:
                tell(prompt, began_s, answer.text, story=_story(answer.attempts))

    await together(task, worker, prompts)


async def _bulk(client: penstock.AsyncClient, task: Task, prompts: Iterator[str], tell: Tell) -> None:
    taken: list[tuple[str, float]] = []

    def noting() -> Iterator[str]:
        for prompt in prompts:
            taken.append((prompt, time.monotonic()))
            yield prompt

    number = 0
    async for answer in client.map(noting(), concurrency=task.in_flight):
        prompt, began_s = taken[number]
        number += 1
        tell(prompt, began_s, answer.text, error=answer.error, story=_story(answer.attempts))
