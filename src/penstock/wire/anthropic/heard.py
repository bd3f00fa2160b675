"""Messages as a client of this wire writes them, in OpenAI's form."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.errors import CallError
from penstock.wire.anthropic.words import encrypted_thought, signed_thought

__all__ = ["neutral_messages"]

_Part = dict[str, Any]


def neutral_messages(system: Any, messages: list[Any]) -> list[_Part]:
    """System prompt and turns as OpenAI's messages: each tool's result is one of its own. Raises `CallError`."""
    heard: list[_Part] = []
    if system:
        content = system if isinstance(system, str) else [_part(block) for block in _blocks(system, "system")]
        heard.append({"role": "system", "content": content})
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if role not in ("user", "assistant"):
            raise _refusal(f"messages: Unexpected role {role!r}")
        if content is None:
            raise _refusal("messages: content: Field required")
        if isinstance(content, str):
            heard.append({"role": role, "content": content})
        elif role == "user":
            heard += _user(_blocks(content, "messages"))
        else:
            heard.append(_assistant(_blocks(content, "messages")))
    return heard


def _blocks(content: Any, where: str) -> list[_Part]:
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise _refusal(f"{where}: content should be a valid string or a list of blocks")
    return content


def _refusal(message: str) -> CallError:
    return CallError("bad_request", message, status=400, code="invalid_request_error")


def _user(blocks: list[_Part]) -> list[_Part]:
    results = [_result(block) for block in blocks if block.get("type") == "tool_result"]
    parts = [_part(block) for block in blocks if block.get("type") != "tool_result"]
    if not results:
        return [{"role": "user", "content": parts}]
    if len(parts) == 1 and set(parts[0]) == {"type", "text"}:
        # What stood behind the results as a message of its own: a text.
        return [*results, {"role": "user", "content": parts[0]["text"]}]
    return [*results, {"role": "user", "content": parts}] if parts else results


def _result(block: _Part) -> _Part:
    content = block.get("content")
    if isinstance(content, list):
        content = [_part(one) for one in _blocks(content, "tool_result")]
    message: _Part = {"role": "tool", "tool_call_id": block.get("tool_use_id") or "", "content": content or ""}
    for name in ("is_error", "cache_control"):
        if block.get(name):
            message[name] = block[name]
    return message


def _assistant(blocks: list[_Part]) -> _Part:
    said: list[_Part] = []
    calls: list[_Part] = []
    thoughts: list[_Part] = []
    thinking: list[str] = []
    for block in blocks:
        match block.get("type"):
            case "tool_use":
                calls.append(_call(block))
            case "thinking":
                text = str(block.get("thinking") or "")
                thinking.append(text)
                if block.get("signature"):
                    thoughts.append(signed_thought(len(thoughts), text, block["signature"]))
            case "redacted_thinking":
                thoughts.append(encrypted_thought(len(thoughts), str(block.get("data") or "")))
            case _:
                said.append(_part(block))
    plain = all(set(part) == {"type", "text"} and part["type"] == "text" for part in said)
    message: _Part = {"role": "assistant", "content": "".join(part["text"] for part in said) if plain else said}
    if not said:
        message["content"] = None
    if any(thinking):
        message["reasoning_content"] = "".join(thinking)
    if calls:
        message["tool_calls"] = calls
    if thoughts:
        message["reasoning_details"] = thoughts
    return message


def _call(block: _Part) -> _Part:
    arguments = msgspec.json.encode(block.get("input") or {}).decode()
    function = {"name": block.get("name") or "", "arguments": arguments}
    call: _Part = {"id": block.get("id") or "", "type": "function", "function": function}
    mark = block.get("cache_control")
    return call if mark is None else {**call, "cache_control": mark}


def _part(block: _Part) -> _Part:
    """A content part: OpenAI's where it has one, else the block as it is."""
    source = block.get("source")
    source = source if isinstance(source, dict) else {}
    url = _url(source)
    made: _Part | None = None
    match block.get("type"):
        case "text":
            if not isinstance(block.get("text"), str):
                raise _refusal("messages: text: Field required")
            made = {"type": "text", "text": block["text"]}
        case "image" if url is not None:
            made = {"type": "image_url", "image_url": {"url": url}}
        case "document" if url is not None or source.get("type") == "file":
            file = {"file_data": url} if url is not None else {"file_id": source.get("file_id")}
            made = {"type": "file", "file": file | ({"filename": block["title"]} if block.get("title") else {})}
    if made is None:
        return block
    mark = block.get("cache_control")
    return made if mark is None else {**made, "cache_control": mark}


def _url(source: _Part) -> str | None:
    match source.get("type"):
        case "url":
            return str(source.get("url") or "")
        case "base64":
            return f"data:{source.get('media_type')};base64,{source.get('data')}"
    return None
