"""Marks of a prompt's cached beginning (`cache_control`), for providers that know none."""

from __future__ import annotations

from typing import Any, Final

from penstock.wire.dropping import dropped

__all__ = ["MARK", "without_marks"]

MARK: Final = b'"cache_control"'
"""What the JSON of a request with marks has in it, and of hardly any other."""

_NAME: Final = "cache_control"
_Object = dict[str, Any]


def without_marks(asked: _Object, wire: str, why: str) -> _Object:
    """The same chat without marks on messages, parts, calls and tools, and a warning that says `why`.

    What has none stays the same object; the caller's own is never changed.
    """
    messages: Any = asked.get("messages")
    tools: Any = asked.get("tools")
    in_messages = messages.__class__ is list and any(map(_in_message, messages))
    in_tools = tools.__class__ is list and any(map(_in_tool, tools))
    if not (in_messages or in_tools):
        return asked
    dropped(wire, _NAME, why)
    bare = {**asked}
    if in_messages:
        bare["messages"] = [_bare_message(one) if _in_message(one) else one for one in messages]
    if in_tools:
        bare["tools"] = [_bare_tool(one) if _in_tool(one) else one for one in tools]
    return bare


def _in_message(message: Any) -> bool:
    # Nearly every message is a text without a mark.
    if message.__class__ is not dict:
        return False
    return (
        _NAME in message
        or (message.get("content").__class__ is list and any(map(_is_marked, message["content"])))
        or (message.get("tool_calls").__class__ is list and any(map(_is_marked, message["tool_calls"])))
    )


def _in_tool(tool: Any) -> bool:
    return _is_marked(tool) or (tool.__class__ is dict and _is_marked(tool.get("function")))


def _is_marked(one: Any) -> bool:
    return one.__class__ is dict and _NAME in one


def _bare_message(message: _Object) -> _Object:
    bare = _without(message)
    for name in ("content", "tool_calls"):
        if (inner := bare.get(name)).__class__ is list:
            bare[name] = [_without(one) if _is_marked(one) else one for one in inner]
    return bare


def _bare_tool(tool: _Object) -> _Object:
    bare = _without(tool)
    if _is_marked(bare.get("function")):
        bare["function"] = _without(bare["function"])
    return bare


def _without(one: _Object) -> _Object:
    return {name: value for name, value in one.items() if name != _NAME}
