"""What is known of Bedrock's models by their names. AWS's documentation of late 2026.

A name may carry a region's prefix and a version (`us.anthropic.claude-3-haiku-20240307-v1:0`) or be in an ARN.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final, NamedTuple

__all__ = ["Facts", "effort_fields", "facts"]

_BUDGETS: Final = {"minimal": 1024, "low": 1024, "medium": 4096, "high": 16_384, "xhigh": 32_768}
_MAX_NAME: Final = 2048


class Facts(NamedTuple):
    """What a request to a model depends on."""

    effort: str = ""
    """The field that says how hard to think; "" where there is none."""
    has_schema: bool = False
    """It has structured output of its own."""
    names_tool: bool = False
    """A single tool can be demanded by its name; else only that one of them is called."""


_CLAUDE: Final = Facts(effort="thinking", names_tool=True)
_TABLE: Final[tuple[tuple[str, Facts], ...]] = (
    (r"claude-(?:3-[05]|3-(?:haiku|sonnet|opus)|v?2|instant)", Facts(names_tool=True)),
    (r"claude-(?:3-7|(?:opus|sonnet)-4(?:-1)?-20)", _CLAUDE),
    (r"claude", _CLAUDE._replace(has_schema=True)),
    (r"nova-(?:2|premier-v2)", Facts(effort="reasoningConfig", names_tool=True)),
    (r"nova", Facts(names_tool=True)),
    (r"gpt-oss", Facts(effort="reasoning_effort", has_schema=True)),
    (r"qwen3", Facts(effort="reasoning_config", has_schema=True)),
    (
        r"deepseek\.v3|gemma-3|minimax-m2|kimi-k2|nemotron|magistral|ministral-3|mistral-large-3|voxtral",
        Facts("", True),
    ),
)


@lru_cache(maxsize=1024)
def facts(model: str) -> Facts:
    """The facts of `model`; of one that nobody knows, that it has nothing of its own."""
    name = model[:_MAX_NAME].lower()
    return next((known for pattern, known in _TABLE if re.search(pattern, name)), Facts())


def effort_fields(model: str, effort: str, max_tokens: int | None) -> dict[str, Any] | None:
    """What says `effort` to `model`, for `additionalModelRequestFields`; None where nothing does.

    Claude is given a budget of tokens, which `max_tokens` has room for; {} where that leaves too few to think.
    """
    field = facts(model).effort
    if field == "thinking":
        budget = _BUDGETS.get(effort)
        if budget is None:
            return {} if effort == "none" else None
        if max_tokens is not None:
            budget = min(budget, max_tokens // 2)
        return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget >= _BUDGETS["low"] else {}
    if effort == "none":
        return {}
    if field == "reasoningConfig":
        return {field: {"type": "enabled", "maxReasoningEffort": "low" if effort == "minimal" else effort}}
    return {field: effort} if field else None
