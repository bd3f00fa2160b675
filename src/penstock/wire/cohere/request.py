"""From a call to the bytes of a request: `/v2/chat`, or `/v2/embed`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from penstock.call import Call
from penstock.catalog import is_reasoning
from penstock.http import WireRequest
from penstock.wire.cohere.messages import messages_of
from penstock.wire.cohere.words import WIRE, refused
from penstock.wire.dropping import dropped
from penstock.wire.leftover import HARMLESS, LEFT_OUT, rest_of
from penstock.wire.marks import without_marks
from penstock.wire.sending import UNWRITABLE, headers_of, no_json

__all__ = ["RENAMES", "RequestEncoder", "chat_body", "embedding_body"]

_Body = dict[str, Any]

RENAMES: Final = (
    ("max_tokens", "max_tokens"),
    ("max_completion_tokens", "max_tokens"),
    ("temperature", "temperature"),
    ("top_p", "p"),
    ("top_k", "k"),
    ("seed", "seed"),
    ("frequency_penalty", "frequency_penalty"),
    ("presence_penalty", "presence_penalty"),
    ("logprobs", "logprobs"),
)
"""OpenAI's names and Cohere's."""

_HANDLED: Final = frozenset(
    (
        *(name for name, _ in RENAMES),
        *("model", "messages", "stream", "stream_options", "tools", "tool_choice", "response_format", "stop"),
        *("reasoning_effort", "parallel_tool_calls"),
    )
)
_LEFT_OUT: Final[dict[str, str]] = {
    **LEFT_OUT,
    "metadata": "requests have no labels here",
    "service_tier": "there is one tier",
    "prompt_cache_key": "Cohere caches by itself",
    "prompt_cache_retention": "Cohere caches by itself",
    "verbosity": "models here have no verbosity",
}
"""What an answer doesn't need."""

_HARMLESS: Final[dict[str, Callable[[Any], bool]]] = {
    **HARMLESS,
    "top_logprobs": lambda value: value == 0,
}
"""What can't be said here, and the values that say nothing: any other one is refused."""

_BUDGETS: Final[dict[str, int | None]] = {"none": 0, "minimal": 0, "low": 1024, "medium": 8192}
"""Tokens of thought for an effort; 0 for none, and none at all where the model may think as long as it likes."""


class RequestEncoder:
    """One provider's requests: the same headers and addresses for all of them, built once."""

    __slots__ = ("_chat", "_embed", "_encode", "_headers", "_stream_headers")

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self._encode = msgspec.json.Encoder().encode
        base = base_url.rstrip("/")
        for known in ("/chat", "/embed", "/v1", "/v2"):
            base = base.removesuffix(known)
        self._chat, self._embed = f"{base}/v2/chat", f"{base}/v2/embed"
        self._headers = headers_of(headers)
        self._stream_headers = headers_of(headers, "text/event-stream")

    def encode(self, call: Call, model: str, *, stream: bool) -> WireRequest:
        """The request for `model`, unsigned. Raises `CallError` bad_request when the wire can't say it."""
        if call.kind == "completion":
            raise refused("text completions don't exist here; ask by messages")
        if call.prefill:
            raise refused(f"{model} continues no assistant message")
        if call.kind == "embedding":
            url, headers, body = self._embed, self._headers, embedding_body(call.body, model)
        else:
            url, headers = self._chat, self._stream_headers if stream else self._headers
            body = chat_body(call.body, model)
            body["stream"] = stream
        try:
            data = self._encode(body)
        except UNWRITABLE as error:
            raise no_json(error) from error
        return WireRequest("POST", url, headers, data)


def chat_body(asked: _Body, model: str) -> _Body:
    """`/v2/chat`'s body for OpenAI's. Raises `CallError` bad_request."""
    asked = without_marks(asked, WIRE, "Cohere caches by itself")
    thinks = is_reasoning(model)
    body: _Body = {"model": model, "messages": messages_of(asked.get("messages"), thinks=thinks)}
    body.update((theirs, asked[ours]) for ours, theirs in RENAMES if asked.get(ours) is not None)
    stop = asked.get("stop")
    if stop:
        body["stop_sequences"] = [stop] if isinstance(stop, str) else stop
    _add_tools(asked, body)
    wanted = _format(asked.get("response_format"))
    if wanted is not None:
        body["response_format"] = wanted
    effort = asked.get("reasoning_effort")
    if isinstance(effort, str) and "thinking" not in asked:
        if thinks:
            budget = _BUDGETS.get(effort)
            bound = {} if budget is None else {"token_budget": budget}
            body["thinking"] = {"type": "disabled"} if budget == 0 else {"type": "enabled", **bound}
        else:
            dropped(WIRE, "reasoning_effort", f"{model} isn't known to think")
    _add_the_rest(asked, body)
    return body


def _add_the_rest(asked: _Body, body: _Body) -> None:
    """Cohere's own parameters, and every one that nobody here knows."""
    body.update(rest_of(asked, WIRE, handled=_HANDLED, left_out=_LEFT_OUT, harmless=_HARMLESS))


def _add_tools(asked: _Body, body: _Body) -> None:
    if asked.get("parallel_tool_calls") is False and asked.get("tools"):
        raise refused("parallel_tool_calls: false can't be asked for")
    tools = asked.get("tools") or []
    if not isinstance(tools, list):
        raise refused("tools: expected a list")
    functions = [tool.get("function") if isinstance(tool, dict) else None for tool in tools]
    if not all(isinstance(function, dict) and isinstance(function.get("name"), str) for function in functions):
        raise refused("tools: only functions can be offered")
    choice = asked.get("tool_choice")
    only = choice.get("function") if isinstance(choice, dict) else None
    if isinstance(only, dict):
        # One tool can't be named here: it is the only one that is offered.
        functions = [function for function in functions if function and function.get("name") == only.get("name")]
        if not functions:
            raise refused(f"tool_choice: {only.get('name')!r} is not among the tools")
        choice = "required"
    if not (choice is None or (isinstance(choice, str) and choice in ("auto", "required", "none"))):
        raise refused(f"tool_choice {choice!r} can't be asked for")
    if not functions:
        return
    if any(function and function.get("strict") for function in functions):
        body["strict_tools"] = True
    body["tools"] = [{"type": "function", "function": _function(function)} for function in functions if function]
    if choice in ("required", "none"):
        body["tool_choice"] = choice.upper()


def _function(function: _Body) -> _Body:
    said = {key: value for key, value in function.items() if key != "strict" and value is not None}
    return {**said, "parameters": function.get("parameters") or {"type": "object", "properties": {}}}


def _format(wanted: Any) -> _Body | None:
    if wanted is None:
        return None
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind in ("text", "json_object"):
        return dict(wanted)
    said = wanted.get("json_schema") if kind == "json_schema" else None
    schema = said.get("schema") if isinstance(said, dict) else None
    if not isinstance(schema, dict):
        raise refused("response_format: expected text, json_object, or json_schema with a schema")
    return {"type": "json_object", "json_schema": schema}


_EMBEDDING: Final = frozenset(("model", "input", "dimensions", "encoding_format"))


def embedding_body(asked: _Body, model: str) -> _Body:
    """`/v2/embed`'s body for OpenAI's. Raises `CallError` bad_request."""
    given = asked.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise refused("input: only texts can be embedded here, no tokens")
    kind = "base64" if asked.get("encoding_format") == "base64" else "float"
    body: _Body = {"model": model, "texts": texts, "input_type": "search_document", "embedding_types": [kind]}
    if asked.get("dimensions") is not None:
        body["output_dimension"] = asked["dimensions"]
    for name, value in asked.items():
        if name in _LEFT_OUT:
            dropped(WIRE, name, _LEFT_OUT[name])
        elif name not in _EMBEDDING and value is not None:
            body[name] = value
    return body
