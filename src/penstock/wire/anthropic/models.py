"""What is known of Claude's models by their names, wherever they are served. Documentation of late 2026.

A name may carry a cloud's prefix and version: `us.anthropic.claude-sonnet-4-5-20250929-v1:0`,
`claude-opus-4-1@20250805`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, NamedTuple

__all__ = ["Facts", "Thinking", "facts"]

Thinking = Literal["none", "budget", "adaptive"]
"""How a model is told to think: not at all, with a budget of tokens, or by effort alone."""


class Facts(NamedTuple):
    """What a request to a model depends on."""

    max_tokens: int = 32_000
    """Asked for when the caller doesn't say: the wire demands a number."""
    thinking: Thinking = "adaptive"
    has_schema: bool = True
    """It has structured output of its own."""
    prefills: bool = False
    """It continues an assistant message at the end."""
    most_effort: str = "xhigh"


_BUDGET: Final = Facts(thinking="budget", prefills=True)
_FOREIGN: Final = Facts(8_192, "budget", has_schema=False)
_TABLE: Final[tuple[tuple[str, Facts], ...]] = (
    (r"claude-3[-.]7", _BUDGET._replace(has_schema=False)),
    (r"claude-3[-.]5", Facts(8_192, "none", has_schema=False, prefills=True)),
    (r"claude-(?:instant|v?[123](?!\d))", Facts(4_096, "none", has_schema=False, prefills=True)),
    (r"claude-(?:opus|sonnet)-4(?:$|-0|[-@]20\d\d)", _BUDGET._replace(has_schema=False)),
    (r"claude-opus-4-1|claude-[a-z]+-4-5", _BUDGET),
    (r"claude-[a-z]+-4-6", Facts(most_effort="high")),
)
_MAX_NAME: Final = 200


@lru_cache(maxsize=1024)
def facts(model: str) -> Facts:
    """The facts of `model`. A Claude that nobody knows is a new one; another model is served by a translator."""
    name = model[:_MAX_NAME].lower()
    known = next((known for pattern, known in _TABLE if re.search(pattern, name)), None)
    return known or (Facts() if "claude" in name else _FOREIGN)
