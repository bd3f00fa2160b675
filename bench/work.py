"""What every subject is given: the same requests, at the same address, with the same number in flight.

Nothing here imports penstock: a peer runs in an environment of its own.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["KEY", "PROMPT_BYTES", "Work", "prompt", "workers", "write_requests"]

T = TypeVar("T")

KEY = "sk-test-not-a-key"
PROMPT_BYTES = 1000
_TEXT = "The keeper of the lock writes down the level of the water, the hour and the name of every boat. "


@dataclass(frozen=True)
class Work:
    """One sample: ask `count` of the requests in `file` of the server at `url`, `in_flight` at a time."""

    url: str
    """OpenAI's base URL, with /v1."""
    model: str
    file: Path
    count: int
    in_flight: int

    def bodies(self) -> Iterator[dict[str, Any]]:
        """The requests' bodies, each with its model."""
        with self.file.open("rb") as lines:
            for _, line in zip(range(self.count), lines, strict=False):
                yield {"model": self.model, **json.loads(line)["body"]}


def prompt(number: int) -> str:
    """A prompt of about 1 KB that is like no other."""
    start = f"Page {number} of the log. "
    return (start + _TEXT * (PROMPT_BYTES // len(_TEXT) + 1))[:PROMPT_BYTES]


def write_requests(file: Path, count: int) -> None:
    """`count` lines in OpenAI's batch form, without a model."""
    with file.open("w", encoding="utf-8") as out:
        for number in range(count):
            body = {"messages": [{"role": "user", "content": prompt(number)}]}
            line = {"custom_id": f"r{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
            out.write(json.dumps(line) + "\n")


async def workers(items: Sequence[T], in_flight: int, ask: Callable[[T], Awaitable[None]]) -> None:
    """The cheapest way to keep `in_flight` going: a fixed set of workers over one iterator."""
    waiting = iter(items)

    async def worker() -> None:
        for item in waiting:
            await ask(item)

    await asyncio.gather(*(worker() for _ in range(min(in_flight, len(items)))))
