"""The server half's ear: a request to Ollama, in OpenAI's form."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.call import Call, Kind
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.wire.ollama.request import OPTIONS, PATHS

__all__ = ["decode_request"]

_Body = dict[str, Any]
_NEEDED: Final[dict[Kind, str]] = {"chat": "messages", "completion": "prompt", "embedding": "input"}


def decode_request(request: WireRequest) -> Call:
    """The call that a client made: `id` is empty, `model` as it wrote it.

    Raises `CallError` bad_request with Ollama's status for an unknown path, a wrong method, or a malformed body.
    """
    path = request.url.partition("?")[0].rstrip("/")
    kind = next((kind for kind, suffix in PATHS.items() if path.endswith(suffix)), None)
    if kind is None:
        raise _refusal("404 page not found", 404)
    if request.method != "POST":
        raise _refusal("405 method not allowed", 405)
    try:
        request.body.decode("utf-8")
        said = msgspec.json.decode(request.body)
    except (ValueError, RecursionError) as error:
        raise _refusal(f"invalid request: {error}") from error
    if not isinstance(said, dict):
        raise _refusal("json: cannot unmarshal into Go value")
    model, stream = said.get("model"), said.get("stream")
    if not isinstance(model, str) or not model:
        raise _refusal("model is required")
    if stream is None:
        stream = kind != "embedding"
    if not isinstance(stream, bool):
        raise _refusal("json: cannot unmarshal into Go struct field .stream of type bool")
    try:
        body = _body(said, kind)
    except (AttributeError, KeyError, TypeError) as error:
        raise _refusal(f"json: cannot unmarshal: {type(error).__name__}") from error
    return Call(id="", model=model, body=body, kind=kind, stream=stream and kind != "embedding")


def _refusal(message: str, status: int = 400) -> CallError:
    return CallError("bad_request", message, status=status)


def _body(said: _Body, kind: Kind) -> _Body:
    needed = said.get(_NEEDED[kind])
    if kind == "chat":
        if not isinstance(needed, list) or not needed:
            raise _refusal("messages is required")
        content: Any = _messages(needed)
    elif not isinstance(needed, (str, list)):
        raise _refusal(f"{_NEEDED[kind]} is required")
    else:
        content = needed
    body: _Body = {_NEEDED[kind]: content}
    options = said.get("options") or {}
    if "num_predict" in options:
        body["max_tokens"] = options["num_predict"]
    body.update((name, value) for name, value in options.items() if name in OPTIONS and name != "num_predict")
    other = {name: value for name, value in options.items() if name not in OPTIONS}
    if other:
        body["options"] = other
    if said.get("format"):
        body["response_format"] = _format(said["format"])
    think = said.get("think")
    if think is not None:
        body.update({"reasoning_effort": think} if isinstance(think, str) else {"think": think})
    taken = {"model", "stream", "options", "format", "think", *_NEEDED.values()}
    return {**{name: value for name, value in said.items() if name not in taken}, **body}


def _format(wanted: Any) -> _Body:
    if wanted == "json":
        return {"type": "json_object"}
    if not isinstance(wanted, dict):
        raise _refusal("invalid format: expected json or a JSON Schema")
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": wanted}}


def _messages(messages: list[_Body]) -> list[_Body]:
    """Calls without an id get one, and the results behind them are theirs in order."""
    said: list[_Body] = []
    open_: list[tuple[str, str]] = []
    for place, message in enumerate(messages):
        one = {name: value for name, value in message.items() if name not in ("images", "thinking", "tool_name")}
        if message.get("images"):
            texts = [{"type": "text", "text": message["content"]}] if message.get("content") else []
            one["content"] = [*texts, *({"type": "image_url", "image_url": _image(data)} for data in message["images"])]
        if message.get("thinking"):
            one["reasoning_content"] = message["thinking"]
        if message.get("tool_calls"):
            one["tool_calls"] = [_call(call, f"call_{place}_{at}") for at, call in enumerate(message["tool_calls"])]
            one["content"] = message.get("content") or None
            open_ = [(call["function"]["name"], call["id"]) for call in one["tool_calls"]]
        if message.get("role") == "tool" and "tool_call_id" not in one:
            name = message.get("tool_name")
            mine = next((pair for pair in open_ if name in (None, "", pair[0])), (name, f"call_{name}"))
            open_ = [pair for pair in open_ if pair is not mine]
            one["tool_call_id"] = mine[1]
        said.append(one)
    return said


def _call(call: _Body, id_: str) -> _Body:
    function = call["function"]
    given = function.get("arguments")
    arguments = given if isinstance(given, str) else msgspec.json.encode(given or {}).decode()
    return {
        "id": call.get("id") or id_,
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


_KINDS: Final = (("iVBOR", "png"), ("/9j/", "jpeg"), ("R0lG", "gif"), ("UklGR", "webp"))


def _image(data: str) -> _Body:
    kind = next((kind for begin, kind in _KINDS if data.startswith(begin)), "png")
    return {"url": f"data:image/{kind};base64,{data}"}
