"""What of a call is compared by meaning, and what has to be equal. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from penstock.call import Call

__all__ = ["MOST_CHARS", "Question", "question_of"]

MOST_CHARS: Final = 4000
"""Longer texts are never taken for each other: a word that matters is lost in them."""


class Question(NamedTuple):
    """The last user's text, and a digest of everything else that can change the answer."""

    text: str
    context: bytes


def question_of(call: Call, digest: Callable[[Call], bytes | None]) -> Question | None:
    """None for what is only ever served when it is equal: images and other parts, tool calls and their results,
    prefills, texts to complete or to embed, and what no user said last."""
    messages = call.body.get("messages")
    if call.kind != "chat" or call.prefill or not isinstance(messages, list) or not messages:
        return None
    last = messages[-1]
    if not isinstance(last, dict) or last.get("role") != "user" or not last.keys() <= {"role", "content", "name"}:
        return None
    text = _text(last.get("content"))
    if text is None or not text.strip() or len(text) > MOST_CHARS or not all(map(_is_plain, messages[:-1])):
        return None
    body = {**call.body, "messages": [*messages[:-1], {**last, "content": ""}]}
    context = digest(msgspec.structs.replace(call, body=body))
    return None if context is None else Question(text.strip(), context)


def _text(content: Any) -> str | None:
    """The text when it is nothing but text."""
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        part = content[0]
        content = part.get("text") if part.get("type") == "text" else None
    return content if isinstance(content, str) else None


def _is_plain(message: Any) -> bool:
    if not isinstance(message, dict) or message.get("role") in ("tool", "function"):
        return False
    return not (message.get("tool_calls") or message.get("function_call")) and _text(message.get("content")) is not None
