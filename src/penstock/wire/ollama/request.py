"""From a call to the bytes of a request: `/api/chat`, `/api/generate`, or `/api/embed`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from penstock.call import Call, Kind
from penstock.catalog import Vendor, prefills
from penstock.http import WireRequest
from penstock.wire.dropping import dropped
from penstock.wire.leftover import HARMLESS, LEFT_OUT, rest_of
from penstock.wire.marks import without_marks
from penstock.wire.ollama.messages import messages_of
from penstock.wire.ollama.words import WIRE, refused
from penstock.wire.sending import UNWRITABLE, headers_of, no_json

__all__ = ["OPTIONS", "PATHS", "RENAMES", "RequestEncoder", "body_of"]

_Body = dict[str, Any]

PATHS: Final[dict[Kind, str]] = {"chat": "/api/chat", "completion": "/api/generate", "embedding": "/api/embed"}
"""Where each kind goes, under the base URL."""

RENAMES: Final = (("max_tokens", "num_predict"), ("max_completion_tokens", "num_predict"))
"""OpenAI's names and Ollama's, among the options."""

OPTIONS: Final = frozenset(
    (
        *("temperature", "top_p", "top_k", "min_p", "typical_p", "tfs_z", "seed", "stop", "num_predict", "num_keep"),
        *("repeat_last_n", "repeat_penalty", "presence_penalty", "frequency_penalty", "penalize_newline"),
        *("mirostat", "mirostat_tau", "mirostat_eta", "num_ctx", "num_batch", "num_gpu", "main_gpu", "num_thread"),
        *("low_vram", "use_mmap", "use_mlock", "numa"),
    )
)
"""What goes into `options` under its own name; the rest stays beside them."""

_HANDLED: Final = frozenset(
    (
        *("model", "messages", "prompt", "input", "stream", "stream_options", "tools", "tool_choice"),
        *("response_format", "reasoning_effort", "parallel_tool_calls", "options", "max_tokens"),
        *("max_completion_tokens", "encoding_format"),
    )
)
_LEFT_OUT: Final[dict[str, str]] = {
    **LEFT_OUT,
    "metadata": "requests have no labels here",
    "service_tier": "there is one tier",
    "prompt_cache_key": "Ollama caches by itself",
    "prompt_cache_retention": "Ollama caches by itself",
    "verbosity": "models here have no verbosity",
}
"""What an answer doesn't need."""

_HARMLESS: Final[dict[str, Callable[[Any], bool]]] = {
    **HARMLESS,
    "best_of": lambda value: value == 1,
    "echo": lambda value: value is False,
}
"""What can't be said here, and the values that say nothing: any other one is refused."""

_THINK: Final[dict[str, bool | str]] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
}


class RequestEncoder:
    """One provider's requests: the same headers and addresses for all of them, built once."""

    __slots__ = ("_encode", "_headers", "_stream_headers", "_urls", "_vendor")

    def __init__(self, vendor: Vendor, base_url: str, headers: Mapping[str, str]) -> None:
        self._vendor = vendor
        self._encode = msgspec.json.Encoder().encode
        base = base_url.rstrip("/").removesuffix("/api").removesuffix("/v1")
        self._urls = {kind: base + path for kind, path in PATHS.items()}
        self._headers = headers_of(headers)
        self._stream_headers = headers_of(headers, "application/x-ndjson")

    def encode(self, call: Call, model: str, *, stream: bool) -> WireRequest:
        """The request for `model`, unsigned. Raises `CallError` bad_request when the wire can't say it."""
        if call.prefill and not prefills(self._vendor, model):
            raise refused(f"{model} continues no assistant message")
        body = body_of(call, model)
        if call.kind != "embedding":
            # It streams unless it is told not to.
            body["stream"] = stream
        try:
            data = self._encode(body)
        except UNWRITABLE as error:
            raise no_json(error) from error
        return WireRequest("POST", self._urls[call.kind], self._stream_headers if stream else self._headers, data)


def body_of(call: Call, model: str) -> _Body:
    """Ollama's body for OpenAI's. Raises `CallError` bad_request."""
    asked = without_marks(call.body, WIRE, "Ollama caches by itself")
    body: _Body = {"model": model, **_CONTENT[call.kind](asked)}
    given = asked.get("options")
    options: _Body = dict(given) if isinstance(given, dict) else {}
    options.update((theirs, asked[ours]) for ours, theirs in RENAMES if asked.get(ours) is not None)
    if "format" not in asked and (wanted := _format(asked.get("response_format"))) is not None:
        body["format"] = wanted
    effort = asked.get("reasoning_effort")
    if isinstance(effort, str) and "think" not in asked:
        body["think"] = _THINK.get(effort, effort)
    for name, value in rest_of(asked, WIRE, handled=_HANDLED, left_out=_LEFT_OUT, harmless=_HARMLESS):
        if name in OPTIONS:
            options[name] = [value] if name == "stop" and isinstance(value, str) else value
        else:
            body[name] = value
    if options:
        body["options"] = options
    return body


def _chat(asked: _Body) -> _Body:
    body: _Body = {"messages": messages_of(asked.get("messages"))}
    tools = asked.get("tools") or []
    if not isinstance(tools, list) or not all(isinstance(tool, dict) and "function" in tool for tool in tools):
        raise refused("tools: only functions can be offered")
    choice = asked.get("tool_choice")
    if not tools or choice == "none":
        return body
    if choice not in (None, "auto"):
        raise refused(f"tool_choice {choice!r} can't be asked for: here the model decides; auto and none can")
    if asked.get("parallel_tool_calls") is False:
        raise refused("parallel_tool_calls: false can't be asked for")
    return {**body, "tools": [_tool(tool) for tool in tools]}


def _tool(tool: _Body) -> _Body:
    function = tool["function"]
    if not isinstance(function, dict):
        raise refused("tools: only functions can be offered")
    if function.get("strict"):
        dropped(WIRE, "tools.function.strict", "Ollama doesn't promise that arguments fit their schema")
    return {"type": "function", "function": {key: value for key, value in function.items() if key != "strict"}}


def _prompt(asked: _Body) -> _Body:
    prompt = asked.get("prompt")
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise refused("prompt: expected one text")
    return {"prompt": prompt}


def _input(asked: _Body) -> _Body:
    given = asked.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise refused("input: only texts can be embedded here, no tokens")
    if asked.get("encoding_format") not in (None, "float"):
        dropped(WIRE, "encoding_format", "vectors come as numbers in any case")
    return {"input": given}


_CONTENT: Final[dict[Kind, Callable[[_Body], _Body]]] = {"chat": _chat, "completion": _prompt, "embedding": _input}


def _format(wanted: Any) -> Any:
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if wanted is None or kind == "text":
        return None
    if kind == "json_object":
        return "json"
    said = wanted.get("json_schema") if kind == "json_schema" else None
    schema = said.get("schema") if isinstance(said, dict) else None
    if not isinstance(schema, dict):
        raise refused("response_format: expected text, json_object, or json_schema with a schema")
    return schema
