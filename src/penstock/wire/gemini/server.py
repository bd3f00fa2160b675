"""The server half: what a client of Gemini's API asks, and how it is refused."""

from __future__ import annotations

import math
import re
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from penstock.call import Call
from penstock.errors import CallError, ErrorKind
from penstock.http import WireReply, WireRequest
from penstock.wire.gemini.embeddings import METHODS, inputs_in
from penstock.wire.gemini.errors import WORDS
from penstock.wire.gemini.messages import messages_of
from penstock.wire.gemini.parts import camel
from penstock.wire.gemini.settings import BUDGETS, LEVELS, RENAMED
from penstock.wire.gemini.tools import choice_said, json_schema, tools_said

__all__ = ["decode_request", "encode_error", "error_object", "path_of"]

_PATH: Final = re.compile(
    r"(?:.*?/)?(?P<place>publishers/[^/]+/models|models|tunedModels|endpoints)/(?P<model>[^/:]+(?:/[^/:]+){0,3}?)"
    r":(?P<method>[A-Za-z]+)"
)
_CHAT: Final = ("generateContent", "streamGenerateContent")
_SAID: Final = {new: old for old, new in RENAMED.items() if old != "max_completion_tokens"}
_EFFORTS: Final = {tokens: word for word, tokens in BUDGETS.items() if word != "xhigh"}
_KNOWN: Final = frozenset(("contents", "systemInstruction", "generationConfig", "tools", "toolConfig", "model"))
_encode = msgspec.json.Encoder().encode
_Said = dict[str, Any]

# status, word, and the reason that our own client half knows where the word says too little.
_ERRORS: Final[dict[ErrorKind, tuple[int, str, str]]] = {
    "rate_limited": (429, "RESOURCE_EXHAUSTED", ""),
    "quota_exhausted": (429, "RESOURCE_EXHAUSTED", "QUOTA_EXHAUSTED"),
    "too_big_for_limit": (429, "RESOURCE_EXHAUSTED", "TOO_BIG_FOR_LIMIT"),
    "overloaded": (503, "UNAVAILABLE", ""),
    "server_error": (500, "INTERNAL", ""),
    "transport": (502, "UNAVAILABLE", "UPSTREAM_CONNECTION_FAILED"),
    "timeout": (504, "DEADLINE_EXCEEDED", "UPSTREAM_TIMEOUT"),
    "auth": (400, "INVALID_ARGUMENT", "API_KEY_INVALID"),
    "bad_request": (400, "INVALID_ARGUMENT", ""),
    "context_too_long": (400, "INVALID_ARGUMENT", "CONTEXT_TOO_LONG"),
    "content_filtered": (400, "INVALID_ARGUMENT", "CONTENT_FILTERED"),
    "empty": (502, "INTERNAL", "EMPTY_ANSWER"),
    "invalid_answer": (502, "INTERNAL", "INVALID_ANSWER"),
}
_STATUS_WORDS: Final = {403: "PERMISSION_DENIED", 404: "NOT_FOUND", 501: "UNIMPLEMENTED"}


def path_of(path: str) -> tuple[str, str] | None:
    """The model and the method of a path such as `/v1beta/models/gemini-2.5-flash:generateContent`; None for others."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    place, model = found["place"], unquote(found["model"])
    if place.startswith("publishers/") and place != "publishers/google/models":
        model = f"{place.split('/')[1]}/{model}"
    return model if place not in ("tunedModels", "endpoints") else f"{place}/{model}", found["method"]


def decode_request(request: WireRequest) -> Call:
    """The call that a client made: `id` is empty, `model` as it wrote it, the body in OpenAI's words.

    Raises `CallError` bad_request with Google's status for an unknown path, a wrong method, or a malformed body.
    """
    path = request.url.partition("?")[0].partition("#")[0]
    found = path_of(path)
    if found is None or (found[1] not in _CHAT and found[1] not in METHODS):
        raise CallError("bad_request", f"The requested URL {path[:200]} was not found on this server.", status=404)
    if request.method != "POST":
        raise CallError("bad_request", f"{request.method} is not allowed here.", status=405)
    model, method = found
    said = _body(request.body)
    try:
        for embedding in METHODS:
            if method == embedding:
                body = {"model": model, **inputs_in(embedding, said)}
                return Call(id="", model=model, body=body, kind="embedding")
        body = {"model": model, **_chat(said)}
    except RecursionError as error:
        raise CallError("bad_request", "Invalid JSON payload received: nested too deeply", status=400) from error
    return Call(id="", model=model, body=body, stream=method == "streamGenerateContent")


def _body(data: bytes) -> _Said:
    try:
        data.decode("utf-8")
        body = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise CallError("bad_request", f"Invalid JSON payload received. {error}", status=400) from error
    if not isinstance(body, dict):
        raise CallError("bad_request", "Invalid JSON payload received: expected an object", status=400)
    return camel(body)


def _chat(said: _Said) -> _Said:
    body: _Said = {"messages": messages_of(said.get("systemInstruction"), said.get("contents"))}
    body |= _settings(camel(said.get("generationConfig")))
    if said.get("tools"):
        body["tools"] = tools_said(said["tools"])
    config = camel(said.get("toolConfig"))
    choice = choice_said(config.pop("functionCallingConfig", None))
    if choice is not None:
        body["tool_choice"] = choice
    if config:
        body["toolConfig"] = config
    return body | {name: value for name, value in said.items() if name not in _KNOWN}


def _settings(config: _Said) -> _Said:
    body: _Said = {}
    stop = config.pop("stopSequences", None)
    if stop:
        body["stop"] = stop
    form = _format(config)
    if form is not None:
        body["response_format"] = form
    thinking = camel(config.pop("thinkingConfig", None))
    if thinking:
        body |= _thinking(thinking)
    modalities = config.pop("responseModalities", None)
    if isinstance(modalities, list):
        body["modalities"] = [str(one).lower() for one in modalities]
    rest: _Said = {}
    for name, value in config.items():
        if name in _SAID:
            body[_SAID[name]] = value
        else:
            rest[name] = value
    if rest:
        body["generationConfig"] = rest
    return body


def _format(config: _Said) -> _Said | None:
    mime = config.get("responseMimeType")
    if mime == "text/plain":
        del config["responseMimeType"]
    if mime != "application/json":
        return None
    del config["responseMimeType"]
    schema, own = config.pop("responseJsonSchema", None), config.pop("responseSchema", None)
    if schema is None:
        schema = json_schema(own)
    if isinstance(schema, dict):
        name = schema.get("title")
        return {
            "type": "json_schema",
            "json_schema": {"name": name if isinstance(name, str) else "answer", "schema": schema},
        }
    return {"type": "json_object"}


def _thinking(said: _Said) -> _Said:
    level, budget = said.get("thinkingLevel"), said.get("thinkingBudget")
    if isinstance(level, str) and level.lower() in LEVELS:
        return {"reasoning_effort": level.lower()}
    if isinstance(budget, int) and budget in _EFFORTS:
        return {"reasoning_effort": _EFFORTS[budget]}
    if isinstance(budget, int) and budget > 0:
        return {"thinking": {"type": "enabled", "budget_tokens": budget}}
    return {"thinking": {"type": "adaptive"}} if said.get("includeThoughts") else {}


def error_object(error: CallError, *, vertex: bool) -> _Said:
    """Google's error shape: the code is the HTTP status, and the wait stands in a `RetryInfo`."""
    status, word, reason = _ERRORS[error.kind]
    if vertex and error.kind == "auth":
        status, word, reason = 401, "UNAUTHENTICATED", ""
    own = error.status
    if own in _STATUS_WORDS and WORDS[_STATUS_WORDS[own]] == error.kind:
        status, word, reason = own, _STATUS_WORDS[own], ""
    elif own is not None and error.kind == "bad_request" and 400 <= own < 500 and own not in (401, 403, 408, 409, 429):
        status = own
    details: list[_Said] = []
    if reason:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}
        details.append(info)
    if error.retry_after_s is not None and error.retry_after_s > 0:
        delay = f"{math.ceil(error.retry_after_s * 1000) / 1000:g}s"
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
    said: _Said = {"code": status, "message": error.message, "status": word}
    return {"error": {**said, "details": details} if details else said}


def encode_error(error: CallError, *, vertex: bool) -> WireReply:
    """The error with the status of its class (its own where that means the same)."""
    said = error_object(error, vertex=vertex)
    return WireReply(said["error"]["code"], {"content-type": "application/json; charset=UTF-8"}, _encode(said))
