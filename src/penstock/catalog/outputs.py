"""The most that a model writes in one answer, by its name. Documentation of late 2026."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["UNKNOWN", "most_output_of"]

UNKNOWN: Final = 131_072
"""Where nobody knows: more than almost every model writes."""

_TABLE: Final[tuple[tuple[str, int], ...]] = (
    (r"gpt-4\.1", 32_768),
    (r"chatgpt-4o|gpt-4o", 16_384),
    (r"gpt-4-turbo|gpt-4-(?:1106|0125)|gpt-3\.5", 4_096),
    (r"gpt-4(?:$|-0613|-0314)", 8_192),
    (r"(?:^|/)o1-(?:mini)", 65_536),
    (r"(?:^|/)o1-preview", 32_768),
    (r"(?:^|/)o[134]", 100_000),
    (r"claude-3[-.]7", 64_000),
    (r"claude-3[-.]5", 8_192),
    (r"claude-3", 4_096),
    (r"gemini-1\.5|gemini-2\.0", 8_192),
    (r"gemini-(?:2\.5|3)", 65_536),
    (r"amazon\.nova", 10_000),
    (r"mistral|mixtral|llama-?[23]", 32_768),
    (r"embed|rerank", 0),
)


@lru_cache(maxsize=1024)
def most_output_of(model: str) -> int:
    """Tokens; `UNKNOWN` for a model that isn't known."""
    name = model[:200].lower()
    return next((most for pattern, most in _TABLE if re.search(pattern, name)), UNKNOWN)
