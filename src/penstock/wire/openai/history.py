"""Messages as a provider takes them back that refuses what other providers' answers hold beyond OpenAI's own fields."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["EXTRAS", "without"]

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
