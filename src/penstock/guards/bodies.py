"""The texts of a neutral body, each with its place: read, or changed without touching the body that was given."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

__all__ = ["changed", "changed_texts"]

Change = Callable[[str, str], str]
"""From a text and its place in the body to the text that stands there then."""

_ROOTS: Final = (
    *("messages", "prompt", "input", "suffix", "prediction", "user", "metadata", "tools", "functions", "instructions"),
)
_NOT_TEXT: Final = frozenset(
    # Names, references and what must come back as it was, to the byte.
    (
        *("role", "type", "id", "call_id", "tool_call_id", "index", "detail", "format", "name", "media_type"),
        *("data", "file_data", "file_id", "signature", "encrypted_content", "thought_signature", "extra_content"),
        *("reasoning_details", "cache_control"),
    )
)
_OF_THE_CALLER: Final = frozenset(("metadata", "variables"))
"""Places whose keys are the caller's own words and mean nothing."""
_MOST_DEEP: Final = 32
_MEDIA: Final = re.compile(r"data:[\w.+-]+/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,[\w+/=-]*", re.ASCII)
"""Pictures and sound, whole: no text, and long."""


def changed(body: dict[str, Any], change: Change) -> dict[str, Any]:
    """The body with every text changed; the same object when no text is another one."""
    made: dict[str, Any] | None = None
    for root in _ROOTS:
        value = body.get(root)
        if value is None:
            continue
        new = _walked(value, root, change, 0) if root != "messages" else _messages(value, change)
        if new is not value:
            made = made or dict(body)
            made[root] = new
    return body if made is None else made


def changed_texts(value: Any, where: str, change: Change) -> Any:
    """The same for a part of a body."""
    return _walked(value, where, change, 0)


def _messages(messages: Any, change: Change) -> Any:
    """A place is its message: what is told of a finding needs no more."""
    if not isinstance(messages, list):
        return messages
    made: list[Any] | None = None
    for number, message in enumerate(messages):
        new = _walked(message, f"messages[{number}]", change, 0)
        if new is not message:
            made = made or list(messages)
            made[number] = new
    return messages if made is None else made


def _walked(value: Any, where: str, change: Change, depth: int) -> Any:
    if isinstance(value, str):
        is_media = value.startswith("data:") and _MEDIA.fullmatch(value) is not None
        return value if is_media or not value else change(value, where)
    if depth > _MOST_DEEP:
        return value
    if isinstance(value, dict):
        made: dict[Any, Any] | None = None
        for key, item in value.items():
            if not isinstance(item, str | list | dict) or (key in _NOT_TEXT and where not in _OF_THE_CALLER):
                continue
            new = _walked(item, where, change, depth + 1)
            if new is not item:
                made = made or dict(value)
                made[key] = new
        return value if made is None else made
    if isinstance(value, list | tuple):
        grown: list[Any] | None = None
        for place, item in enumerate(value):
            new = _walked(item, where, change, depth + 1) if isinstance(item, str | list | dict) else item
            if new is not item:
                grown = list(value) if grown is None else grown
                grown[place] = new
        return value if grown is None else grown
    return value
