"""From a chat's messages to this wire's items: what was said, calls, their results and thoughts, in this order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from penstock.errors import CallError
from penstock.wire.calls import with_ids
from penstock.wire.dropping import dropped
from penstock.wire.responses.words import WIRE, reasoning_items
from penstock.wire.sending import refusal

__all__ = ["items_of", "refused"]

_MOST_ID: Final = 64
_Object = dict[str, Any]


def refused(why: str) -> CallError:
    """What this wire can't say, found before anything was sent."""
    return refusal(WIRE, why)


def items_of(messages: Any, *, tools: Any = None, stored: bool = False) -> list[_Object]:
    """The items of a chat's messages; `tools` tell which calls in them are of free text.

    Raises `CallError` bad_request for what the wire can't say.
    """
    if not isinstance(messages, list) or not messages:
        raise refused("messages: expected a list of at least one message")
    writer = _Writer(tools, stored=stored)
    for message in with_ids(messages, most=_MOST_ID):
        role = message.get("role")
        write = _ROLES.get(role) if isinstance(role, str) else None
        if write is None:
            raise refused(f"messages: nobody here is called {role!r}")
        if message.get("name") and role != "tool":
            dropped(WIRE, "messages.name", "roles have no names here")
        write(writer, message)
    return writer.items


class _Writer:
    """The items so far."""

    __slots__ = ("_free", "_free_calls", "_stored", "items")

    def __init__(self, tools: Any, *, stored: bool) -> None:
        self.items: list[_Object] = []
        self._stored = stored
        self._free = {
            tool["custom"].get("name")
            for tool in (tools if isinstance(tools, list) else ())
            if isinstance(tool, dict) and isinstance(tool.get("custom"), dict)
        }
        self._free_calls: set[Any] = set()

    def ask(self, message: _Object) -> None:
        content = message.get("content")
        if content is None:
            raise refused(f"messages: a {message['role']} message has no content")
        self.items.append({"role": message["role"], "content": _content(content)})

    def answer(self, message: _Object) -> None:
        if message.get("audio"):
            raise refused("messages: sound that was said can't be sent back")
        if message.get("function_call"):
            raise refused("messages: function_call is the old form; use tool_calls")
        said: list[_Object] = []
        content = _said(message)
        if content:
            said.append(_answered(content))
        said += [self._call(call) for call in message.get("tool_calls") or ()]
        thoughts = reasoning_items(message.get("reasoning_details"), stored=self._stored)
        for at in range(len(said) + 1):
            last = at == len(said)
            self.items += [item for position, item in thoughts if position == at or (last and position > at)]
            self.items += said[at : at + 1]
        if not said:
            # An answer that said nothing is one all the same: turns must alternate as they did.
            self.items.append(_answered([{"type": "output_text", "text": ""}]))

    def _call(self, call: Any) -> _Object:
        id_ = call.get("id") or ""
        custom = call.get("custom")
        if isinstance(custom, dict):
            name, text = custom.get("name"), custom.get("input")
        else:
            name, text = call["function"].get("name"), call["function"].get("arguments")
        if not isinstance(name, str):
            raise refused("messages: a tool call has no name")
        if custom is not None or name in self._free:
            self._free_calls.add(id_)
            return {"type": "custom_tool_call", "call_id": id_, "name": name, "input": text or ""}
        return {"type": "function_call", "call_id": id_, "name": name, "arguments": text or "{}"}

    def result(self, message: _Object) -> None:
        id_, content = message.get("tool_call_id") or "", message.get("content")
        kind = "custom_tool_call_output" if id_ in self._free_calls else "function_call_output"
        self.items.append({"type": kind, "call_id": id_, "output": "" if content is None else _content(content)})


_ROLES: Final[dict[str, Callable[[_Writer, _Object], None]]] = {
    "system": _Writer.ask,
    "developer": _Writer.ask,
    "user": _Writer.ask,
    "assistant": _Writer.answer,
    "tool": _Writer.result,
}


def _answered(parts: list[Any]) -> _Object:
    """What an assistant said. llama.cpp knows no shorter form of it."""
    return {"type": "message", "role": "assistant", "content": parts}


def _said(message: _Object) -> list[Any]:
    """What an assistant message says in words: its text and its refusal."""
    content, refusal = message.get("content"), message.get("refusal")
    if isinstance(content, list):
        parts = [_spoken(part) for part in content]
    else:
        parts = [{"type": "output_text", "text": content}] if content else []
    return [*parts, {"type": "refusal", "refusal": refusal}] if refusal else parts


def _spoken(part: Any) -> Any:
    return {**part, "type": "output_text"} if isinstance(part, dict) and part.get("type") == "text" else part


def _content(content: Any) -> str | list[Any]:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise refused("messages: content is a text or a list of parts")
    return [_part(part) for part in content]


def _part(part: Any) -> Any:
    """A content part as this wire has it; one that chats don't know goes as it is."""
    if isinstance(part, str):
        return {"type": "input_text", "text": part}
    make = _PARTS.get(part.get("type"))
    return part if make is None else make(part)


def _image(part: _Object) -> _Object:
    image = part["image_url"]
    rest = {name: value for name, value in part.items() if name not in ("type", "image_url")}
    if isinstance(image, str):
        return {"type": "input_image", "image_url": image, **rest}
    detail = {"detail": image["detail"]} if image.get("detail") else {}
    return {"type": "input_image", "image_url": image["url"], **detail, **rest}


def _file(part: _Object) -> _Object:
    file = dict(part["file"])
    rest = {name: value for name, value in part.items() if name not in ("type", "file")}
    data = file.get("file_data")
    if isinstance(data, str) and data.startswith(("http://", "https://")):
        del file["file_data"]
        file = {"file_url": data, **file}
    return {"type": "input_file", **file, **rest}


_PARTS: Final[dict[Any, Callable[[_Object], _Object]]] = {
    "text": lambda part: {**part, "type": "input_text"},
    "image_url": _image,
    "file": _file,
}
