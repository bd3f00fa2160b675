"""What models are told besides what was sent: around a chat and its messages, of how to call tools, of thinking.

Providers add it and bill it, and few say what it is. The counts are from 2026-11: what the providers' own `usage` said
in 243 exchanges that public projects had recorded, less the tokens of what was sent. `slack` and `tools_slack` are how
far single exchanges stood off; a family without exchanges has the widest.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["Frame", "frame_of"]


class Frame(NamedTuple):
    """In tokens."""

    begins: int = 3
    """Around the whole chat."""
    message: int = 4
    """Around each message."""
    with_tools: int = 0
    """Besides the tools' definitions, where there are any."""
    as_json: bool = False
    """The definitions are told as their JSON, not in a shorter form."""
    thinking: int = 0
    """Where it is asked to think."""
    slack: int = 8
    """By how much a chat may be off besides its text."""
    tools_slack: int = 40
    """By how much more with tools, or with a form of the answer."""


_TABLE: Final[tuple[tuple[str, Frame], ...]] = (
    (r"gpt-oss", Frame(begins=65, with_tools=20, slack=4, tools_slack=130)),
    (r"(?:gpt-[345]|chatgpt|(?:^|/)o[134](?:$|-))", Frame(slack=5, tools_slack=40)),
    (r"claude-3-sonnet", Frame(with_tools=177, thinking=28, tools_slack=80)),
    (r"claude-3-haiku", Frame(with_tools=278, thinking=28, tools_slack=80)),
    (r"claude-3[-.]5-haiku", Frame(with_tools=295, thinking=28, tools_slack=80)),
    (r"claude-(?:3|(?:opus|sonnet)-4(?:$|-0|-1|-2|@))", Frame(with_tools=330, thinking=28, tools_slack=80)),
    (r"claude", Frame(with_tools=515, thinking=28, tools_slack=120)),
    (r"gemini|gemma", Frame(begins=0, message=0, with_tools=-8, tools_slack=40)),
    (r"llama-?4", Frame(with_tools=640, tools_slack=60)),
    (r"llama-?3[.-][123]", Frame(begins=30, with_tools=100)),
    (r"llama-?3|meta-llama", Frame(begins=5)),
    (r"qwen[^/]*(?:3\.[5-9]|coder)", Frame(begins=5, message=5, with_tools=222, as_json=True)),
    (r"qwen", Frame(begins=5, message=5, with_tools=112, as_json=True, tools_slack=120)),
    (r"deepseek-v4", Frame(begins=80, message=2, with_tools=224, as_json=True)),
    (r"deepseek", Frame(begins=1, message=2, with_tools=230, as_json=True, tools_slack=240)),
    (r"glm-5", Frame(begins=9, message=2, with_tools=97, as_json=True)),
    (r"glm", Frame(begins=2, message=2, with_tools=97, as_json=True)),
    (r"kimi", Frame(begins=3, message=4, with_tools=10, as_json=True)),
    (r"mistral|mixtral|magistral|devstral|pixtral|codestral", Frame(0, 2, with_tools=18, slack=12, tools_slack=50)),
    (r"amazon\.nova|(?:^|/)nova-", Frame(0, 0, with_tools=338, as_json=True, tools_slack=100)),
    (r"palmyra", Frame(begins=27, message=4, with_tools=100, as_json=True)),
    (r"command-a-reasoning", Frame(begins=1735, with_tools=100, as_json=True, slack=100, tools_slack=1500)),
    (r"command-r7b", Frame(begins=195, with_tools=1200, as_json=True, slack=200, tools_slack=100)),
    (r"command-r", Frame(begins=195, with_tools=640, as_json=True, slack=20, tools_slack=100)),
    (r"command", Frame(begins=60, with_tools=1300, as_json=True, slack=200, tools_slack=700)),
)
_UNKNOWN: Final = Frame(slack=50, tools_slack=600)


@lru_cache(maxsize=1024)
def frame_of(model: str) -> Frame:
    """What `model` (with or without its provider) is told besides."""
    name = model[:200].lower()
    return next((frame for pattern, frame in _TABLE if re.search(pattern, name)), _UNKNOWN)
