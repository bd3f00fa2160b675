"""Messages and their parts, from OpenAI's form to Cohere's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from penstock.wire.calls import with_ids
from penstock.wire.cohere.words import WIRE, refused
from penstock.wire.dropping import dropped

__all__ = ["messages_of"]

_Body = dict[str, Any]


def messages_of(messages: Any, *, thinks: bool) -> list[_Body]:
    """Cohere's messages; `thinks` when the model takes its own thoughts back. Raises `CallError` bad_request."""
    if not isinstance(messages, list):
        raise refused("messages: expected a list")
    said: list[_Body] = []
    for message in with_ids(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role == "assistant":
            said.append(_assistant(message, thinks=thinks))
            continue
        speak = _ROLES.get(role) if isinstance(role, str) else None
        if speak is None:
            raise refused(f"messages: unknown role {role!r}")
        if message.get("name") and role != "tool":
            dropped(WIRE, "messages.name", "messages have no names here")
        said.append(speak(message))
    return said


def _system(message: _Body) -> _Body:
    return {"role": "system", "content": _content(message.get("content"), _text)}


def _user(message: _Body) -> _Body:
    return {"role": "user", "content": _content(message.get("content"), _part)}


def _tool(message: _Body) -> _Body:
    content = _content(message.get("content"), _result)
    return {"role": "tool", "tool_call_id": str(message.get("tool_call_id") or ""), "content": content}


_ROLES: Final[dict[str, Callable[[_Body], _Body]]] = {
    "system": _system,
    "developer": _system,
    "user": _user,
    "tool": _tool,
}


def _assistant(message: _Body, *, thinks: bool) -> _Body:
    """What was thought before a call of tools is its plan, unless the model thinks in blocks of its own."""
    if message.get("function_call"):
        raise refused("messages.function_call: the old form has no ids; use tool_calls")
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise refused("messages.tool_calls: expected a list")
    content = message.get("content") or message.get("refusal")
    thought = message.get("reasoning_content") or message.get("reasoning")
    thought = thought if isinstance(thought, str) else ""
    said: _Body = {"role": "assistant"}
    if thinks and thought:
        parts = _content(content, _text) if content else []
        texts = [{"type": "text", "text": parts}] if isinstance(parts, str) else parts
        said["content"] = [{"type": "thinking", "thinking": thought}, *texts]
    elif content or not calls:
        said["content"] = _content(content or "", _block)
    plan = message.get("tool_plan") or (thought if calls and not thinks else "")
    if plan:
        said["tool_plan"] = plan
    if calls:
        said["tool_calls"] = [_call(call) for call in calls]
    if message.get("citations"):
        said["citations"] = message["citations"]
    return said


def _call(call: Any) -> _Body:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise refused("messages.tool_calls: only calls of functions can be sent")
    given = {"name": function["name"], "arguments": function.get("arguments") or "{}"}
    return {"id": str(call.get("id") or "call_0"), "type": "function", "function": given}


def _content(content: Any, show: Callable[[_Body], _Body]) -> Any:
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if not isinstance(content, list):
        raise refused("messages.content: expected a text or a list of parts")
    return [show({"type": "text", "text": part} if isinstance(part, str) else part) for part in content]


def _text(part: Any) -> _Body:
    if not isinstance(part, dict) or part.get("type") != "text":
        raise refused(f"messages: no part of type {_type_of(part)!r} can be said here")
    return {"type": "text", "text": part.get("text")}


def _part(part: Any) -> _Body:
    """A text or an image, by address or data."""
    if _type_of(part) != "image_url":
        return _text(part)
    image = part.get("image_url")
    image = {"url": image} if isinstance(image, str) else image
    if not isinstance(image, dict) or not isinstance(image.get("url"), str):
        raise refused("messages.image_url: expected an object with a url")
    return {"type": "image_url", "image_url": {key: image[key] for key in ("url", "detail") if key in image}}


def _result(part: Any) -> _Body:
    """What a tool gave: a text, or a document that can be cited."""
    return dict(part) if _type_of(part) == "document" else _text(part)


def _block(part: Any) -> _Body:
    return dict(part) if _type_of(part) == "thinking" else _text(part)


def _type_of(part: Any) -> Any:
    return part.get("type") if isinstance(part, dict) else None
