"""Messages as a provider takes them back that refuses what other providers' answers hold beyond OpenAI's own fields."""

from __future__ import annotations

from typing import Any, Final

from penstock.wire.dropping import dropped

__all__ = ["EXTRAS", "without", "without_names"]

EXTRAS: Final = frozenset(
    (
        *("annotations", "citations", "extra_content", "images", "reasoning", "reasoning_content"),
        *("reasoning_details", "references"),
    )
)
"""What an assistant's message may hold here that isn't OpenAI's: thoughts, signatures, sources, pictures."""


def without(messages: Any, fields: frozenset[str]) -> Any:
    """The same messages, `fields` left out of the assistant's; what has none of them stays the same object."""
    if not isinstance(messages, list):
        return messages
    for one in messages:
        if isinstance(one, dict) and one.get("role") == "assistant":
            break
    else:
        # Most requests have no history.
        return messages
    return [
        _lighter(one, fields) if isinstance(one, dict) and one.get("role") == "assistant" else one for one in messages
    ]


def without_names(messages: Any, wire: str) -> Any:
    """The same messages without the names of who speaks, and a warning; a tool's name stays."""
    if not isinstance(messages, list) or not any(_is_named(one) for one in messages):
        return messages
    dropped(wire, "messages.name", "messages have no names here")
    return [
        {name: value for name, value in one.items() if name != "name"} if _is_named(one) else one for one in messages
    ]


def _is_named(message: Any) -> bool:
    return isinstance(message, dict) and "name" in message and message.get("role") != "tool"


def _lighter(message: dict[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if fields.isdisjoint(message) and not calls:
        return message
    said = {name: value for name, value in message.items() if name not in fields}
    if isinstance(calls, list) and "extra_content" in fields:
        said["tool_calls"] = [_bare(call) for call in calls]
    return said


def _bare(call: Any) -> Any:
    if not isinstance(call, dict) or "extra_content" not in call:
        return call
    return {name: value for name, value in call.items() if name != "extra_content"}
