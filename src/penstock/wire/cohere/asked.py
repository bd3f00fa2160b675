"""The server half's ear: a request to `/v2/chat` or `/v2/embed`, in OpenAI's form."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.call import Call
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.wire.cohere.request import RENAMES

__all__ = ["decode_request"]

_Body = dict[str, Any]
_BACK: Final = {theirs: ours for ours, theirs in reversed(RENAMES)}
_CHOICES: Final = {"REQUIRED": "required", "NONE": "none"}


def decode_request(request: WireRequest) -> Call:
    """The call that a client made: `id` is empty, `model` as it wrote it.

    Raises `CallError` bad_request with Cohere's status for an unknown path, a wrong method, or a malformed body.
    """
    path = request.url.partition("?")[0].rstrip("/")
    is_chat = path.endswith("/v2/chat")
    if not (is_chat or path.endswith("/v2/embed")):
        raise _refusal(f"page not found: {path}", 404)
    if request.method != "POST":
        raise _refusal(f"method {request.method} is not allowed here", 405)
    try:
        request.body.decode("utf-8")
        said = msgspec.json.decode(request.body)
    except (ValueError, RecursionError) as error:
        raise _refusal(f"invalid request: {error}") from error
    if not isinstance(said, dict):
        raise _refusal("invalid request: expected an object")
    model, stream = said.get("model"), said.get("stream") or False
    if not isinstance(model, str) or not model:
        raise _refusal("invalid request: model is required")
    if not isinstance(stream, bool):
        raise _refusal("invalid request: stream must be a boolean")
    try:
        body = _chat(said) if is_chat else _embedding(said)
    except (AttributeError, KeyError, TypeError) as error:
        raise _refusal(f"invalid request: {type(error).__name__}") from error
    return Call(id="", model=model, body=body, kind="chat" if is_chat else "embedding", stream=is_chat and stream)


def _refusal(message: str, status: int = 400) -> CallError:
    return CallError("bad_request", message, status=status)


def _embedding(said: _Body) -> _Body:
    texts = said.get("texts")
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise _refusal("invalid request: valid texts must be provided")
    rest = {
        name: value
        for name, value in said.items()
        if name not in ("texts", "output_dimension", "embedding_types", "model", "stream")
    }
    body: _Body = {"input": texts, **rest}
    if said.get("output_dimension") is not None:
        body["dimensions"] = said["output_dimension"]
    kinds = said.get("embedding_types")
    if kinds == ["base64"]:
        body["encoding_format"] = "base64"
    elif kinds not in (None, ["float"]):
        body["embedding_types"] = kinds
    return body


def _chat(said: _Body) -> _Body:
    messages = said.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise _refusal("invalid request: messages must be a list of at least one message")
    body: _Body = {"messages": [_message(one) for one in messages]}
    body.update((ours, said[theirs]) for theirs, ours in _BACK.items() if theirs in said)
    if "stop_sequences" in said:
        body["stop"] = said["stop_sequences"]
    if "response_format" in said:
        body["response_format"] = _format(said["response_format"])
    if "tools" in said:
        strict = {"strict": True} if said.get("strict_tools") is True else {}
        body["tools"] = [{**tool, "function": {**tool["function"], **strict}} for tool in said["tools"]]
    if said.get("tool_choice") in _CHOICES:
        body["tool_choice"] = _CHOICES[said["tool_choice"]]
    taken = {*_BACK, "model", "messages", "stream", "stop_sequences", "response_format", "tools", "strict_tools"}
    return {**{name: value for name, value in said.items() if name not in taken | {"tool_choice"}}, **body}


def _format(wanted: _Body) -> _Body:
    schema = wanted.get("json_schema") or wanted.get("schema")
    if not isinstance(schema, dict):
        return wanted
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}


def _message(said: _Body) -> _Body:
    if said.get("role") != "assistant":
        return said
    blocks = said.get("content")
    rest = {name: value for name, value in said.items() if name not in ("content", "tool_plan")}
    texts: Any = blocks
    thoughts = ""
    if isinstance(blocks, list):
        thoughts = "".join([one.get("thinking") or "" for one in blocks if one.get("type") == "thinking"])
        texts = [one for one in blocks if one.get("type") != "thinking"]
        if len(texts) == 1 and texts[0].keys() == {"type", "text"}:
            texts = texts[0]["text"]
    thoughts += said.get("tool_plan") or ""
    message = {**rest, "content": texts or (None if said.get("tool_calls") else "")}
    return {**message, "reasoning_content": thoughts} if thoughts else message
