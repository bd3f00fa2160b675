"""fastllm-kit: its own batch call, which starts its own event loop."""

from __future__ import annotations

from typing import Any

import uvloop
from fastllm import OpenAIProvider, RequestManager

from bench.work import KEY, Work

__all__ = ["ask", "prepare"]


def prepare(work: Work) -> list[dict[str, Any]]:
    uvloop.install()
    return list(work.bodies())


def ask(work: Work, bodies: list[dict[str, Any]]) -> int:
    manager = RequestManager(
        OpenAIProvider(api_key=KEY, api_base=work.url),
        concurrency=work.in_flight,
        retry_attempts=1,
        show_progress=False,
    )
    return sum(bool(answer.response.choices) for answer in manager.process_batch(bodies))
