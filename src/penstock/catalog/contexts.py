"""How much a model reads and writes together, by its name: where no price library says it.

From the vendors' pages of their models, late 2026: platform.openai.com/docs/models, docs.claude.com (models overview),
ai.google.dev/gemini-api/docs/models, docs.mistral.ai (models), api-docs.deepseek.com, docs.x.ai/docs/models,
docs.cohere.com/docs/models, docs.aws.amazon.com/nova, and the model cards of open weights. Of a family the smallest.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

__all__ = ["context_of"]

_TABLE: Final[tuple[tuple[str, int], ...]] = (
    (r"gpt-4\.1", 1_047_576),
    (r"gpt-4o|chatgpt-4o|gpt-4-turbo|gpt-4-(?:1106|0125)|gpt-4\.5", 128_000),
    (r"gpt-4-32k", 32_768),
    (r"gpt-4(?:$|-0613|-0314)", 8_192),
    (r"gpt-3\.5|gpt-35", 16_385),
    (r"gpt-oss", 131_072),
    (r"gpt-5(?:\.\d)?-chat", 128_000),
    (r"gpt-[56]", 400_000),
    (r"(?:^|/)o1-(?:mini|preview)", 128_000),
    (r"(?:^|/)o[134](?:$|-)", 200_000),
    (r"claude-instant|claude-v?1", 100_000),
    (r"claude", 200_000),
    (r"gemini-1\.0|gemini-pro$", 32_768),
    (r"gemini-(?:1\.5|2\.0|2\.5|[3-9])\S*(?:flash|pro)(?!\S*(?:tts|image|live))", 1_000_000),
    (r"gemma-?2", 8_192),
    (r"gemma-?[34]", 131_072),
    (r"amazon\.nova-micro", 128_000),
    (r"amazon\.nova-(?:lite|pro)", 300_000),
    (r"llama-?4", 1_000_000),
    (r"llama-?3[.-][123]", 131_072),
    (r"(?:meta-)?llama-?3(?:$|-\d+b)", 8_192),
    (r"llama-?2", 4_096),
    (r"mixtral-8x22b", 65_536),
    (r"mixtral|mistral-7b", 32_768),
    (r"mistral-(?:large|medium|small|nemo)|ministral|codestral|devstral|pixtral", 128_000),
    (r"magistral", 40_000),
    (r"deepseek-(?:v[34]|r1|chat|reasoner)", 128_000),
    (r"qwen-?2\.5|qwen2", 32_768),
    (r"qwen-?3", 40_960),
    (r"grok-(?:3|2)", 131_072),
    (r"grok-(?:4|code)", 256_000),
    (r"command-a", 256_000),
    (r"command-r", 128_000),
    (r"sonar", 127_072),
)


@lru_cache(maxsize=1024)
def context_of(model: str) -> int | None:
    """Tokens of input and output together; None for a model that isn't known."""
    name = model[:200].lower()
    return next((tokens for pattern, tokens in _TABLE if re.search(pattern, name)), None)
