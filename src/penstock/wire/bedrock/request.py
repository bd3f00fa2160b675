"""From a call to the bytes of a request: Converse for chat, InvokeModel for embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from penstock.call import Call
from penstock.catalog import Vendor, prefills
from penstock.http import WireRequest
from penstock.wire.bedrock.embeddings import embedding_body
from penstock.wire.bedrock.messages import messages_of
from penstock.wire.bedrock.models import effort_fields, facts
from penstock.wire.bedrock.tooling import tool_config
from penstock.wire.bedrock.words import ANSWER_TOOL, WIRE, refused
from penstock.wire.dropping import dropped
from penstock.wire.leftover import HARMLESS, LEFT_OUT, rest_of
from penstock.wire.sending import UNWRITABLE, headers_of, no_json

__all__ = ["NATIVE", "RequestEncoder"]

_MAX_URLS: Final = 4096
_Body = dict[str, Any]

NATIVE: Final = (
    *("guardrailConfig", "promptVariables", "additionalModelResponseFieldPaths", "requestMetadata"),
    *("performanceConfig", "outputConfig", "serviceTier"),
)
"""Converse's own fields, which travel as they are."""

_HANDLED: Final = frozenset(
    (
        *("model", "messages", "stream", "stream_options", "tools", "tool_choice", "response_format", "stop"),
        *("max_tokens", "max_completion_tokens", "temperature", "top_p", "reasoning_effort", "service_tier"),
        *("metadata", "inferenceConfig", "additionalModelRequestFields", *NATIVE),
    )
)
_LEFT_OUT: Final[dict[str, str]] = {
    **LEFT_OUT,
    "seed": "models of Converse take no seed",
    "prompt_cache_key": "caches are marked by cache_control",
    "prompt_cache_retention": "caches are marked by cache_control",
    "verbosity": "models of Converse have no verbosity",
}
"""What an answer doesn't need."""

_HARMLESS: Final[dict[str, Callable[[Any], bool]]] = {
    **HARMLESS,
    "logprobs": lambda value: value is False,
    "top_logprobs": lambda value: value == 0,
    "presence_penalty": lambda value: value == 0,
    "frequency_penalty": lambda value: value == 0,
    "parallel_tool_calls": lambda value: value is True,
}
"""What can't be said here, and the values that say nothing: any other one is refused."""

_TIERS: Final = {"default": "default", "flex": "flex", "priority": "priority", "reserved": "reserved"}


class RequestEncoder:
    """One provider's requests: the same headers for all of them, built once."""

    __slots__ = ("_base", "_encode", "_headers", "_stream_headers", "_urls", "_vendor")

    def __init__(self, vendor: Vendor, base_url: str, headers: Mapping[str, str]) -> None:
        self._vendor = vendor
        self._encode = msgspec.json.Encoder().encode
        self._base = base_url.rstrip("/")
        self._headers = headers_of(headers)
        self._stream_headers = headers_of(headers, "application/vnd.amazon.eventstream")
        self._urls: dict[tuple[str, str], str] = {}

    def encode(self, call: Call, model: str, *, stream: bool) -> WireRequest:
        """The request for `model`, unsigned. Raises `CallError` bad_request when the wire can't say it."""
        if call.kind == "completion":
            raise refused("Converse has no text completions; ask it as a chat, with `generate`")
        if call.kind == "embedding":
            operation, headers, body = "invoke", self._headers, embedding_body(call.body, model)
        else:
            operation, headers = ("converse-stream", self._stream_headers) if stream else ("converse", self._headers)
            if call.prefill and not prefills(self._vendor, model):
                raise refused(f"{model} continues no assistant message")
            body = converse_body(call.body, model)
        try:
            data = self._encode(body)
        except UNWRITABLE as error:
            raise no_json(error) from error
        return WireRequest("POST", self._url(model, operation), headers, data)

    def _url(self, model: str, operation: str) -> str:
        url = self._urls.get((model, operation))
        if url is None:
            if len(self._urls) >= _MAX_URLS:
                self._urls.clear()
            url = self._urls[model, operation] = f"{self._base}/model/{quote(model, safe='')}/{operation}"
        return url


def converse_body(asked: _Body, model: str) -> _Body:
    """Converse's body for OpenAI's. Raises `CallError` bad_request."""
    system, messages = messages_of(asked.get("messages"))
    body: _Body = {"messages": messages}
    if system:
        body["system"] = system
    inference = _inference(asked)
    if inference:
        body["inferenceConfig"] = inference
    body.update((name, asked[name]) for name in NATIVE if asked.get(name) is not None)
    tools, output = tool_config(asked, facts(model))
    if tools is not None:
        body["toolConfig"] = tools
    if output is not None:
        given = body.get("outputConfig") or {}
        if not isinstance(given, dict):
            raise refused("outputConfig: expected an object")
        body["outputConfig"] = {**given, "textFormat": output}
    fields = _fields(asked, model, inference.get("maxTokens"))
    if fields:
        body["additionalModelRequestFields"] = fields
    _name_the_rest(asked, body)
    return body


def _inference(asked: _Body) -> _Body:
    given = asked.get("inferenceConfig")
    said: _Body = dict(given) if isinstance(given, dict) else {}
    names = (("max_tokens", "maxTokens"), ("max_completion_tokens", "maxTokens"))
    for ours, theirs in (*names, ("temperature", "temperature"), ("top_p", "topP")):
        if asked.get(ours) is not None:
            said[theirs] = asked[ours]
    stop = asked.get("stop")
    if stop:
        said["stopSequences"] = [stop] if isinstance(stop, str) else stop
    return said


def _fields(asked: _Body, model: str, max_tokens: Any) -> _Body:
    """The model's own parameters: those said to be, and every one that nobody here knows."""
    given = asked.get("additionalModelRequestFields")
    fields: _Body = dict(given) if isinstance(given, dict) else {}
    effort = asked.get("reasoning_effort")
    if isinstance(effort, str) and "thinking" not in asked:
        said = effort_fields(model, effort, max_tokens if isinstance(max_tokens, int) else None)
        if said is None:
            dropped(WIRE, "reasoning_effort", f"{model} isn't known to take one")
        fields |= said or {}
    fields.update(rest_of(asked, WIRE, handled=_HANDLED, left_out=_LEFT_OUT, harmless=_HARMLESS))
    return fields


def _name_the_rest(asked: _Body, body: _Body) -> None:
    """Metadata and the tier, where they aren't said in Converse's own words."""
    metadata, tier = asked.get("metadata"), asked.get("service_tier")
    if isinstance(metadata, dict) and metadata and "requestMetadata" not in body:
        body["requestMetadata"] = {str(name): str(value) for name, value in metadata.items()}
    if isinstance(tier, str) and tier != "auto" and "serviceTier" not in body:
        if tier not in _TIERS:
            raise refused(f"service_tier {tier!r} can't be asked for")
        body["serviceTier"] = {"type": tier}
    choice = (body.get("toolConfig") or {}).get("toolChoice")
    if choice == {"tool": {"name": ANSWER_TOOL}} and "thinking" in (body.get("additionalModelRequestFields") or {}):
        # Claude can't be made to call a tool while it thinks; with this one alone it does so by itself.
        body["toolConfig"]["toolChoice"] = {"auto": {}}
