"""Messages, from OpenAI's form to Converse's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from penstock.wire.bedrock.parts import blocks_of, cache_point
from penstock.wire.bedrock.words import WIRE, refused, thought_blocks
from penstock.wire.calls import with_ids
from penstock.wire.dropping import dropped

__all__ = ["messages_of", "tool_id"]

_MAX_ID: Final = 64
_Block = dict[str, Any]


def tool_id(id_: Any) -> str:
    """A tool call's id in the characters that are allowed here; other providers' ids hold others."""
    return re.sub(r"[^a-zA-Z0-9_.:-]", "_", str(id_ or ""))[-_MAX_ID:] or "call_0"


def messages_of(messages: Any) -> tuple[list[_Block], list[_Block]]:
    """What goes into `system` and into `messages`.

    System messages are gathered from wherever they stand; messages of one role that follow each other become one, as
    the wire demands. Raises `CallError` bad_request.
    """
    if not isinstance(messages, list):
        raise refused("messages: expected a list")
    messages = with_ids(messages, tool_id)
    system: list[_Block] = []
    turns: list[_Block] = []
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        if role in ("system", "developer"):
            system += _content(message)
            continue
        speak = _ROLES.get(role) if isinstance(role, str) else None
        if speak is None:
            raise refused(f"messages: unknown role {role!r}")
        if message.get("name") and role != "tool":
            dropped(WIRE, "messages.name", "messages have no names here")
        said = speak(message)
        ours = "assistant" if role == "assistant" else "user"
        if turns and turns[-1]["role"] == ours:
            turns[-1]["content"] += said
        elif said:
            turns.append({"role": ours, "content": said})
    if system and not turns:
        # Nothing else was said, and a request without messages is refused.
        return [], [{"role": "user", "content": system}]
    return system, turns


def _content(message: _Block) -> list[_Block]:
    blocks = blocks_of(message.get("content"))
    if message.get("cache_control") is not None:
        blocks.append(cache_point(message["cache_control"]))
    return blocks


def _tool(message: _Block) -> list[_Block]:
    content = message.get("content")
    said = blocks_of(content) if content else []
    result: _Block = {"toolUseId": tool_id(message.get("tool_call_id")), "content": said or [{"text": "(empty)"}]}
    if message.get("is_error"):
        result["status"] = "error"
    marks = [block for block in said if "cachePoint" in block]
    if marks:
        result["content"] = [block for block in said if "cachePoint" not in block]
    if message.get("cache_control") is not None:
        marks = [cache_point(message["cache_control"])]
    return [{"toolResult": result}, *marks[:1]]


def _assistant(message: _Block) -> list[_Block]:
    """Thoughts first, then what was said, then the calls."""
    if message.get("function_call"):
        raise refused("messages.function_call: the old form has no ids; use tool_calls")
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise refused("messages.tool_calls: expected a list")
    said = _content({**message, "content": message.get("content") or None})
    if message.get("refusal"):
        said.append({"text": str(message["refusal"])})
    made = [*thought_blocks(message.get("reasoning_details")), *said]
    for call in calls:
        made.append(_call(call))
        if call.get("cache_control") is not None:
            made.append(cache_point(call["cache_control"]))
    return made


def _call(call: Any) -> _Block:
    function = call.get("function") if isinstance(call, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise refused("messages.tool_calls: only calls of functions can be sent")
    arguments = function.get("arguments")
    try:
        given = msgspec.json.decode(arguments.strip() or "{}") if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError) as error:
        raise refused(f"messages.tool_calls: the arguments of {name} are no JSON: {error}") from error
    if not isinstance(given, dict):
        raise refused(f"messages.tool_calls: the arguments of {name} are no object")
    return {"toolUse": {"toolUseId": tool_id(call.get("id")), "name": name, "input": given}}


_ROLES: Final[dict[str, Callable[[_Block], list[_Block]]]] = {
    "user": _content,
    "assistant": _assistant,
    "tool": _tool,
}
