"""Messages and their parts, from OpenAI's form to Anthropic's."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import msgspec

from penstock.errors import CallError
from penstock.wire.anthropic.words import THOUGHT_FORMAT
from penstock.wire.calls import with_ids
from penstock.wire.dropping import dropped
from penstock.wire.sending import refusal

__all__ = ["WIRE", "blocks_of", "messages_of", "refused", "tool_id"]

WIRE: Final = "anthropic"
_NATIVE: Final = frozenset(
    (
        *("image", "document", "search_result", "thinking", "redacted_thinking", "tool_use", "tool_result"),
        *("server_tool_use", "web_search_tool_result", "container_upload"),
    )
)
_decode = msgspec.json.decode
_Block = dict[str, Any]


def refused(why: str) -> CallError:
    """The wire can't say it, and leaving it out would change what was asked."""
    return refusal("anthropic", why)


def tool_id(id_: Any) -> str:
    """A tool call's id in the characters that are allowed here; other providers' ids hold others."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", str(id_ or "")) or "call_0"


def messages_of(messages: Any) -> tuple[Any, list[_Block]]:
    """What goes into `system` (None, a text, or blocks) and into `messages`.

    System messages are gathered from wherever they stand; results of tools and the user message behind them become one
    turn, as the wire demands. Raises `CallError` bad_request.
    """
    if not isinstance(messages, list):
        raise refused("messages: expected a list")
    messages = with_ids(messages, tool_id)
    system: list[Any] = []
    turns: list[_Block] = []
    for message in messages:
        role = message.get("role") if isinstance(message, dict) else None
        if role in ("system", "developer"):
            system.append(_content(message, keep_text=True))
            continue
        speak = _ROLES.get(role or "")
        if speak is None:
            raise refused(f"messages: unknown role {role!r}")
        turn = speak(message)
        if message.get("name"):
            dropped(WIRE, "messages.name", "messages have no names here")
        before = turns[-1] if turns else None
        if turn is None:
            continue
        if before is not None and turn["role"] == "user" == before["role"] and _holds_results(before):
            before["content"] = [*before["content"], *_as_blocks(turn["content"])]
        else:
            turns.append(turn)
    if system and not turns:
        # Nothing else was said, and a request without messages is refused.
        return None, [{"role": "user", "content": _system(system)}]
    return _system(system), turns


def _system(said: list[Any]) -> Any:
    if len(said) <= 1:
        return said[0] if said else None
    return [block for one in said for block in _as_blocks(one)]


def _holds_results(turn: _Block) -> bool:
    content = turn["content"]
    return isinstance(content, list) and any(block.get("type") == "tool_result" for block in content)


def _as_blocks(content: Any) -> list[_Block]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content)


def _content(message: Mapping[str, Any], *, keep_text: bool) -> Any:
    """A message's content: a text as it is where `keep_text`, else blocks."""
    content = message.get("content")
    mark = message.get("cache_control")
    if isinstance(content, str) and keep_text and mark is None:
        return content
    blocks = blocks_of(content)
    if mark is not None and blocks:
        blocks[-1] = {**blocks[-1], "cache_control": mark}
    return blocks


def blocks_of(content: Any) -> list[_Block]:
    """Content blocks of a text or a list of parts. Raises `CallError` bad_request for what this wire can't carry."""
    if content is None:
        return []
    if isinstance(content, str):
        return _as_blocks(content)
    if not isinstance(content, list):
        raise refused("messages.content: expected a text or a list")
    # A part without text says nothing, and is refused here.
    return [_block(part) for part in content if part not in ("", {"type": "text", "text": ""})]


def _block(part: Any) -> _Block:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = part.get("type") if isinstance(part, dict) else None
    make = _PARTS.get(kind or "")
    if make is not None:
        block = make(part)
        mark = part.get("cache_control")
        return block if mark is None else {**block, "cache_control": mark}
    if kind in _NATIVE:
        return dict(part)
    raise refused(f"messages.content: a part of type {kind!r} can't be sent")


def _text(part: _Block) -> _Block:
    text = part.get("text")
    if not isinstance(text, str):
        raise refused("messages.content: a text part without text")
    return {"type": "text", "text": text}


def _refusal(part: _Block) -> _Block:
    return {"type": "text", "text": str(part.get("refusal") or "")}


def _image(part: _Block) -> _Block:
    said = part.get("image_url")
    url = said.get("url") if isinstance(said, dict) else said
    if not isinstance(url, str) or not url:
        raise refused("messages.content: an image without a URL")
    if isinstance(said, dict) and said.get("detail") not in (None, "auto"):
        dropped(WIRE, "image_url.detail", "images are always read whole")
    return {"type": "image", "source": _source(url)}


def _file(part: _Block) -> _Block:
    said = part.get("file")
    said = said if isinstance(said, dict) else {}
    data, id_, name = said.get("file_data") or said.get("file_url"), said.get("file_id"), said.get("filename")
    if isinstance(data, str) and data:
        source = _source(data)
        kind = str(source.get("media_type") or "")
        if kind.startswith("text/") and source["type"] == "base64":
            source = {"type": "text", "media_type": "text/plain", "data": _decoded(source["data"])}
    elif isinstance(id_, str) and id_:
        source = {"type": "file", "file_id": id_}
    else:
        raise refused("messages.content: a file without file_data or file_id")
    return {"type": "document", "source": source} | ({"title": name} if name else {})


def _decoded(data: str) -> str:
    try:
        return b64decode(data).decode("utf-8")
    except (ValueError, Base64Error) as error:
        raise refused(f"messages.content: a text file that is no UTF-8: {error}") from error


def _source(url: str) -> _Block:
    """A source for a data URL or a web address."""
    if not url.startswith("data:"):
        return {"type": "url", "url": url}
    head, comma, data = url[5:].partition(",")
    kind, *flags = head.split(";")
    if not comma:
        raise refused("messages.content: a data URL without data")
    if "base64" not in flags:
        from base64 import b64encode

        data = b64encode(unquote_to_bytes(data)).decode("ascii")
    return {"type": "base64", "media_type": kind or "text/plain", "data": data}


_PARTS: Final[dict[str, Callable[[_Block], _Block]]] = {
    "text": _text,
    "input_text": _text,
    "output_text": _text,
    "refusal": _refusal,
    "image_url": _image,
    "file": _file,
}


def _user(message: _Block) -> _Block:
    return {"role": "user", "content": _content(message, keep_text=True)}


def _tool(message: _Block) -> _Block:
    content = message.get("content")
    result: _Block = {"type": "tool_result", "tool_use_id": tool_id(message.get("tool_call_id"))}
    if content:
        result["content"] = content if isinstance(content, str) else blocks_of(content)
    for name in ("is_error", "cache_control"):
        if message.get(name):
            result[name] = message[name]
    return {"role": "user", "content": [result]}


def _assistant(message: _Block) -> _Block | None:
    """Thoughts first, then what was said, then the calls; None when there is nothing of it."""
    if message.get("function_call"):
        raise refused("messages.function_call: the old form has no ids; use tool_calls")
    thoughts = _thoughts(message.get("reasoning_details"))
    calls = message.get("tool_calls") or []
    if not isinstance(calls, list):
        raise refused("messages.tool_calls: expected a list")
    refusal = message.get("refusal")
    if not thoughts and not calls and not refusal and message.get("content"):
        return {"role": "assistant", "content": _content(message, keep_text=True)}
    said = _content({**message, "content": message.get("content") or None}, keep_text=False)
    if refusal:
        said = [*said, {"type": "text", "text": str(refusal)}]
    blocks = [*thoughts, *said, *(_call(call) for call in calls)]
    return {"role": "assistant", "content": blocks} if blocks else None


def _thoughts(details: Any) -> list[_Block]:
    """Thinking blocks of `reasoning_details`: those that Anthropic signed, unchanged. Others' mean nothing here."""
    blocks: list[_Block] = []
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict) or detail.get("format") not in (None, THOUGHT_FORMAT):
            continue
        kind = detail.get("type")
        if kind == "reasoning.text" and detail.get("signature"):
            thinking = detail.get("text") or ""
            blocks.append({"type": "thinking", "thinking": thinking, "signature": detail["signature"]})
        elif kind == "reasoning.encrypted" and detail.get("data"):
            blocks.append({"type": "redacted_thinking", "data": detail["data"]})
    return blocks


def _call(call: Any) -> _Block:
    function = call.get("function") if isinstance(call, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise refused("messages.tool_calls: only calls of functions can be sent")
    arguments: Any = function.get("arguments") or ""
    try:
        given = arguments if isinstance(arguments, dict) else _decode(arguments.strip() or "{}")
    except (AttributeError, ValueError, RecursionError) as error:
        raise refused(f"messages.tool_calls: the arguments of {name} are no JSON: {error}") from error
    if not isinstance(given, dict):
        raise refused(f"messages.tool_calls: the arguments of {name} are no object")
    block: _Block = {"type": "tool_use", "id": tool_id(call.get("id")), "name": name, "input": given}
    mark = call.get("cache_control")
    return block if mark is None else {**block, "cache_control": mark}


_ROLES: Final[dict[str, Callable[[_Block], _Block | None]]] = {
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
}
