"""Messages and their parts, from OpenAI's form to Ollama's: a text, and images beside it."""

from __future__ import annotations

from typing import Any

from penstock.wire.calls import with_ids
from penstock.wire.dropping import dropped
from penstock.wire.ollama.words import WIRE, arguments_object, refused

__all__ = ["messages_of"]

_Body = dict[str, Any]
_ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}


def messages_of(messages: Any) -> list[_Body]:
    """Ollama's messages. Raises `CallError` bad_request."""
    if not isinstance(messages, list):
        raise refused("messages: expected a list")
    names: dict[str, str] = {}
    """From a call's id to its tool: the results of tools are told by name."""
    said: list[_Body] = []
    for message in with_ids(messages, needed=False):
        asked = message.get("role") if isinstance(message, dict) else None
        role = _ROLES.get(asked) if isinstance(asked, str) else None
        if role is None:
            raise refused(f"messages: unknown role {asked!r}")
        text, images = _content(message.get("content") or message.get("refusal"))
        one: _Body = {"role": role, "content": text}
        if images:
            one["images"] = images
        if role == "assistant":
            _add_answer(message, one, names)
        elif role == "tool":
            id_ = message.get("tool_call_id")
            one["tool_name"] = message.get("name") or names.get(str(id_), "")
            if id_:
                one["tool_call_id"] = id_
        elif message.get("name"):
            dropped(WIRE, "messages.name", "messages have no names here")
        said.append(one)
    return said


def _add_answer(message: _Body, one: _Body, names: dict[str, str]) -> None:
    if message.get("function_call"):
        raise refused("messages.function_call: the old form has no ids; use tool_calls")
    thought = message.get("reasoning_content") or message.get("reasoning")
    if isinstance(thought, str):
        one["thinking"] = thought
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise refused("messages.tool_calls: expected a list")
    if calls:
        one["tool_calls"] = [_call(call, index, names) for index, call in enumerate(calls)]


def _call(call: Any, index: int, names: dict[str, str]) -> _Body:
    function = call.get("function") if isinstance(call, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise refused("messages.tool_calls: only calls of functions can be sent")
    given = arguments_object(function.get("arguments") or "{}")
    if given is None:
        raise refused(f"messages.tool_calls: the arguments of {name} are no JSON object")
    id_ = str(call.get("id") or "")
    names[id_] = name
    said = {"function": {"index": index, "name": name, "arguments": given}}
    return {"id": id_, **said} if id_ else said


def _content(content: Any) -> tuple[str, list[str]]:
    """The text, its parts joined by a line break, and the images."""
    if isinstance(content, str) or content is None:
        return content or "", []
    if not isinstance(content, list):
        raise refused("messages.content: expected a text or a list of parts")
    texts: list[str] = []
    images: list[str] = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if isinstance(part, str):
            texts.append(part)
        elif kind == "text":
            texts.append(str(part.get("text") or ""))
        elif kind == "image_url":
            images.append(_image(part.get("image_url")))
        else:
            raise refused(f"messages: no part of type {kind!r} can be said here")
    return "\n".join(texts), images


def _image(image: Any) -> str:
    url = image.get("url") if isinstance(image, dict) else image
    if isinstance(image, dict) and image.get("detail") not in (None, "auto"):
        dropped(WIRE, "image_url.detail", "images are always read whole")
    head, comma, data = url.partition(",") if isinstance(url, str) else ("", "", "")
    if not (head.startswith("data:") and head.endswith(";base64") and comma):
        raise refused("messages.image_url: only images in base64 by a data: URL; Ollama fetches none")
    return data
