"""From a call to the bytes of a request: a chat's parameters in this wire's words, refused, or left out with a warning.

The table `PARAMETERS` is the whole translation but for messages; a parameter that isn't in it travels as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from penstock.call import Call
from penstock.catalog import Vendor, is_reasoning, schema_mode
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.wire.forming import ask_for_form
from penstock.wire.leftover import drop, refuse_unless
from penstock.wire.marks import without_marks
from penstock.wire.responses.items import items_of, refused
from penstock.wire.responses.tooling import flat_choice, flat_format, flat_tool, search_tool
from penstock.wire.responses.words import WIRE
from penstock.wire.sending import NOWHERE, headers_of

__all__ = ["ENCRYPTED", "LOGPROBS", "PARAMETERS", "PATH", "RequestEncoder"]

PATH: Final = "/responses"
ENCRYPTED: Final = "reasoning.encrypted_content"
"""What is asked for so that thoughts can be sent back to a provider that stored nothing."""
LOGPROBS: Final = "message.output_text.logprobs"

_NOWHERE: Final = f"{NOWHERE}/v1"
_ENDPOINT: Final = re.compile(r"/(?:responses|chat/completions|completions|embeddings)$")
_Body = dict[str, Any]
_Put = Callable[[_Body, Any], None]


class RequestEncoder:
    """One provider's requests: the same headers and URL for all of them, built once."""

    __slots__ = ("_encode", "_headers", "_url", "_vendor")

    def __init__(self, vendor: Vendor, base_url: str | None, headers: Mapping[str, str]) -> None:
        self._encode = msgspec.json.Encoder().encode
        self._vendor = vendor
        self._url = _address(vendor, base_url or vendor.base_url or _NOWHERE)
        self._headers = headers_of(headers)

    def encode(self, call: Call, model: str, *, stream: bool) -> WireRequest:
        """The request for `model`, unsigned. Raises `CallError` bad_request when the wire can't say it."""
        if call.kind != "chat":
            raise refused(f'there are chats only, no {call.kind}; set wire = "openai" for it')
        if call.prefill:
            raise refused("nobody continues an assistant message here")
        try:
            asked = call.body
            if not self._vendor.cache_marks:
                asked = without_marks(asked, WIRE, f"{self._vendor.title} caches by itself")
            if self._vendor.schema_modes and "response_format" in asked:
                asked = {**asked}
                ask_for_form(asked, schema_mode(self._vendor, model))
            body = _body(asked, model, stream=stream)
            data = self._encode(body)
        except CallError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            # What is to be translated must be read, and bodies come from anywhere.
            raise refused(f"the request isn't in OpenAI's form: {error}") from error
        return WireRequest("POST", self._url, self._headers, data)


def _address(vendor: Vendor, base: str) -> str:
    """`/responses` under `base`, whose query stays; a base that ends in an endpoint is forgiven.

    Azure serves it under `/openai/v1`, without a version of the API.
    """
    parts = urlsplit(base)
    root, query = _ENDPOINT.sub("", parts.path.rstrip("/")), parts.query
    if vendor.deployments and not root.endswith("/v1"):
        root = re.sub(r"/openai(?:/deployments/[^/]+)?$|/models$", "", root) + "/openai/v1"
        query = "&".join(one for one in query.split("&") if one and not one.startswith("api-version="))
    return urlunsplit((parts.scheme, parts.netloc, root + PATH, query, ""))


def _body(asked: Mapping[str, Any], model: str, *, stream: bool) -> _Body:
    stored = asked.get("store") is True
    # A chat is stored nowhere unless its caller says so; here the default is the other way round.
    body: _Body = {"model": model, "store": stored}
    body["input"] = items_of(asked.get("messages"), tools=asked.get("tools"), stored=stored)
    for name, value in asked.items():
        if value is None:
            continue
        put = PARAMETERS.get(name)
        if put is None:
            body[name] = value
        else:
            put(body, value)
    if is_reasoning(model) and not stored:
        _include(body, ENCRYPTED)
    if stream:
        body["stream"] = True
    return body


def _include(body: _Body, what: str) -> None:
    wanted = body.get("include")
    wanted = wanted if isinstance(wanted, list) else []
    if what not in wanted:
        body["include"] = [*wanted, what]


# -- parameters, one function for each way


def _read_elsewhere(_body: _Body, _value: Any) -> None:
    """Read beside the parameters."""


def _within(outer: str, name: str, made: Callable[[Any], Any] = lambda value: value) -> _Put:
    def put(body: _Body, value: Any) -> None:
        around = body.get(outer)
        body[outer] = {**(around if isinstance(around, dict) else {}), name: made(value)}

    return put


_drop: Final = partial(drop, WIRE)
_refuse_unless: Final = partial(refuse_unless, WIRE)


def _unless_zero(name: str) -> _Put:
    def put(body: _Body, value: Any) -> None:
        if value:
            body[name] = value

    return put


def _max_tokens(body: _Body, value: Any) -> None:
    body.setdefault("max_output_tokens", value)


def _max_completion_tokens(body: _Body, value: Any) -> None:
    body["max_output_tokens"] = value


def _tools(body: _Body, value: Any) -> None:
    body["tools"] = [*(flat_tool(tool) for tool in value), *body.get("tools", ())]


def _web_search(body: _Body, value: Any) -> None:
    body["tools"] = [*body.get("tools", ()), search_tool(value)]


def _tool_choice(body: _Body, value: Any) -> None:
    body["tool_choice"] = flat_choice(value)


def _beside(name: str) -> _Put:
    """This wire's own object: what a chat's parameters put into it goes first."""

    def put(body: _Body, value: Any) -> None:
        body[name] = {**value, **body.get(name, {})}

    return put


def _include_too(body: _Body, value: Any) -> None:
    for what in value:
        _include(body, what)


def _logprobs(body: _Body, value: Any) -> None:
    if value:
        _include(body, LOGPROBS)


def _stream_options(body: _Body, value: Any) -> None:
    rest = {name: one for name, one in value.items() if name != "include_usage"}
    if rest:
        body["stream_options"] = rest


PARAMETERS: Final[dict[str, _Put]] = {
    **dict.fromkeys(("model", "messages", "stream", "store"), _read_elsewhere),
    "max_tokens": _max_tokens,
    "max_completion_tokens": _max_completion_tokens,
    "reasoning_effort": _within("reasoning", "effort"),
    "reasoning": _beside("reasoning"),
    "text": _beside("text"),
    "input": _refuse_unless("input", lambda _: False, "say it in messages"),
    "verbosity": _within("text", "verbosity"),
    "response_format": _within("text", "format", flat_format),
    "tools": _tools,
    "tool_choice": _tool_choice,
    "web_search_options": _web_search,
    "include": _include_too,
    "logprobs": _logprobs,
    "stream_options": _stream_options,
    "presence_penalty": _unless_zero("presence_penalty"),
    "frequency_penalty": _unless_zero("frequency_penalty"),
    "stop": _unless_zero("stop"),
    "n": _refuse_unless("n", lambda value: value == 1, "one answer at a time"),
    "logit_bias": _refuse_unless(
        "logit_bias", lambda value: not (isinstance(value, dict) and any(value.values())), "tokens can't be weighted"
    ),
    "modalities": _refuse_unless("modalities", lambda value: value == ["text"], "answers are text"),
    "audio": _refuse_unless("audio", lambda value: not value, "answers are text"),
    "functions": _refuse_unless("functions", lambda value: not value, "the old form; use tools"),
    "function_call": _refuse_unless("function_call", lambda value: value == "none", "the old form; use tool_choice"),
    "background": _refuse_unless("background", lambda value: not value, "answers are waited for"),
    "seed": _drop("seed", "answers can't be repeated here"),
    "prediction": _drop("prediction", "a hint for speed alone"),
}
