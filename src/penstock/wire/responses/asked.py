"""The server half of a request: what a client of the Responses API asked, in a chat's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from penstock.call import Call
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.wire.responses.heard import messages_of, refusal
from penstock.wire.responses.request import ENCRYPTED, LOGPROBS, PATH
from penstock.wire.responses.tooling import nested_choice, nested_format, nested_tool

__all__ = ["decode_request"]

_Body = dict[str, Any]


def decode_request(request: WireRequest) -> Call:
    """The call that a client made: `id` is empty, `model` as it wrote it.

    Raises `CallError` bad_request with OpenAI's status and words for an unknown path, a wrong method, a malformed
    body, and for what wants a server that keeps responses: `previous_response_id`, `conversation`, `background`.
    """
    path = request.url.partition("?")[0].partition("#")[0].rstrip("/")
    if not path.endswith(PATH):
        raise refusal(f"Unknown request URL: {request.method} {path}", 404, "unknown_url")
    if request.method != "POST":
        raise refusal(f"Not allowed to {request.method} on {path}", 405, "method_not_supported")
    said = _body(request.body)
    model, stream = said.get("model"), said.get("stream") or False
    if not isinstance(model, str) or not model:
        raise refusal("Missing required parameter: 'model'.", code="missing_required_parameter")
    if not isinstance(stream, bool):
        raise refusal("Invalid type for 'stream': expected a boolean.", code="invalid_type")
    for name, refuse in _KEPT.items():
        if said.get(name):
            raise refuse(said[name])
    body: _Body = {"model": model, "messages": messages_of(said.get("instructions"), said.get("input"))}
    for name, value in said.items():
        if value is None or name in _READ:
            continue
        read = _FIELDS.get(name)
        if read is None:
            body[name] = value
            continue
        try:
            read(body, value)
        except (AttributeError, TypeError) as error:
            raise refusal(f"Invalid type for '{name}'.", code="invalid_type") from error
    if stream:
        body["stream"] = True
    return Call(id="", model=model, body=body, stream=stream)


def _body(data: bytes) -> _Body:
    try:
        data.decode("utf-8")
        body = msgspec.json.decode(data)
    except (ValueError, RecursionError) as error:
        raise refusal(f"We could not parse the JSON body of your request: {error}") from error
    if not isinstance(body, dict):
        raise refusal("The body of the request is JSON, but not an object")
    return body


def _not_found(what: str, code: str) -> Callable[[Any], CallError]:
    return lambda id_: refusal(f"{what} with id '{str(id_)[:200]}' not found.", 404 if what != _RESPONSE else 400, code)


_RESPONSE: Final = "Previous response"
_KEPT: Final[dict[str, Callable[[Any], CallError]]] = {
    "previous_response_id": _not_found(_RESPONSE, "previous_response_not_found"),
    "conversation": _not_found("Conversation", "conversation_not_found"),
    "prompt": _not_found("Prompt", "prompt_not_found"),
    "background": lambda _: refusal("Background responses are not supported here.", code="unsupported_parameter"),
}
"""What only a server can do that keeps what it has said: nothing is kept here."""

_READ: Final = frozenset(("model", "input", "instructions", "stream", "stream_options", *_KEPT))


def _rename(name: str) -> Callable[[_Body, Any], None]:
    def read(body: _Body, value: Any) -> None:
        body[name] = value

    return read


def _text(body: _Body, value: _Body) -> None:
    wanted = value.get("format")
    if wanted is not None and wanted != {"type": "text"}:
        body["response_format"] = nested_format(wanted)
    if value.get("verbosity") is not None:
        body["verbosity"] = value["verbosity"]


def _reasoning(body: _Body, value: _Body) -> None:
    rest = {name: one for name, one in value.items() if one is not None}
    effort = rest.pop("effort", None)
    if effort is not None:
        body["reasoning_effort"] = effort
    if rest:
        body["reasoning"] = rest


def _tools(body: _Body, value: list[Any]) -> None:
    if value:
        body["tools"] = [nested_tool(tool) for tool in value]


def _tool_choice(body: _Body, value: Any) -> None:
    body["tool_choice"] = nested_choice(value)


def _include(body: _Body, value: list[Any]) -> None:
    if LOGPROBS in value:
        body["logprobs"] = True
    # Our own client half asks for encrypted thoughts where there are any.
    rest = [one for one in value if one not in (LOGPROBS, ENCRYPTED)]
    if rest:
        body["include"] = rest


def _unless(name: str, default: Any) -> Callable[[_Body, Any], None]:
    def read(body: _Body, value: Any) -> None:
        if value != default:
            body[name] = value

    return read


_FIELDS: Final[dict[str, Callable[[_Body, Any], None]]] = {
    "max_output_tokens": _rename("max_completion_tokens"),
    "text": _text,
    "reasoning": _reasoning,
    "tools": _tools,
    "tool_choice": _tool_choice,
    "include": _include,
    "store": _unless("store", False),
    "truncation": _unless("truncation", "disabled"),
}
