"""From a call to the bytes of a request: OpenAI's parameters in Anthropic's words, refused, or left out with a warning.

The table `PARAMETERS` is the whole translation but for messages; a parameter that isn't in it travels as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

import msgspec

from penstock.call import Call
from penstock.catalog import Vendor
from penstock.http import WireRequest
from penstock.wire.anthropic.forms import FORMS, Form, path_of, root_of
from penstock.wire.anthropic.messages import WIRE, messages_of, refused
from penstock.wire.anthropic.models import Facts, facts
from penstock.wire.anthropic.tooling import ask_for_schema, put_tools
from penstock.wire.dropping import dropped
from penstock.wire.leftover import drop, refuse_unless
from penstock.wire.sending import UNWRITABLE, headers_of, no_json

__all__ = ["BUDGETS", "PARAMETERS", "VERSION", "RequestEncoder"]

VERSION: Final = "2023-06-01"
_NOWHERE: Final = "https://api.anthropic.com"
_LEAST_BUDGET: Final = 1024
_NOT_HERE: Final = {
    "completion": "Claude has no text completions; ask it as a chat, with `generate`",
    "embedding": "Claude has no embeddings",
}

BUDGETS: Final[dict[str, int]] = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768}
"""Tokens to think with for each `reasoning_effort`, where a model wants a number."""

_Body = dict[str, Any]
_Put = Callable[[_Body, Any], None]


class RequestEncoder:
    """One provider's requests: the same headers for all of them, built once."""

    __slots__ = ("_after", "_default_max_tokens", "_headers", "_place", "_root")

    def __init__(
        self,
        vendor: Vendor,
        base_url: str | None,
        headers: Mapping[str, str],
        *,
        form: Form = "direct",
        default_max_tokens: int | None = None,
    ) -> None:
        self._place = FORMS[form]
        self._root, self._after = root_of(form, base_url or vendor.base_url or _NOWHERE)
        self._default_max_tokens = default_max_tokens
        always = {"anthropic-version": VERSION} if self._place.version is None else {}
        self._headers = headers_of({**always, **headers})

    def encode(self, call: Call, model: str, *, stream: bool) -> WireRequest:
        """The request for `model`, unsigned. Raises `CallError` bad_request when the wire can't say it."""
        if call.kind != "chat":
            raise refused(_NOT_HERE[call.kind])
        try:
            body = self._body(call, model, stream=stream)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            # What is to be translated must be read, and bodies come from anywhere.
            raise refused(f"the request isn't in OpenAI's form: {error}") from error
        return self._written(body, model, call.body.get("anthropic_beta"), stream=stream)

    def _body(self, call: Call, model: str, *, stream: bool) -> _Body:
        place, known = self._place, facts(model)
        asked = call.body
        body: _Body = {}
        if "{}" not in place.whole:
            body["model"] = model
        if place.version is not None:
            body["anthropic_version"] = place.version
        body["max_tokens"] = self._max_tokens(asked, known)
        system, body["messages"] = messages_of(asked.get("messages"))
        if system:
            body["system"] = system
        for name, value in asked.items():
            if value is None:
                continue
            put = PARAMETERS.get(name)
            if put is not None:
                put(body, value)
            elif name not in _ELSEWHERE:
                body[name] = value
        put_tools(body, asked)
        _think(body, asked, known, is_continued=call.prefill)
        ask_for_schema(body, asked.get("response_format"), is_native=known.has_schema and place.has_schema)
        if call.prefill:
            _leave_open(body)
        if stream and place.says_stream:
            body["stream"] = True
        return body

    def _max_tokens(self, asked: Mapping[str, Any], known: Facts) -> int:
        told = asked.get("max_completion_tokens")
        if told is None:
            told = asked.get("max_tokens")
        if told is None:
            most = self._default_max_tokens or self._place.most_tokens
            return known.max_tokens if most is None else min(most, known.max_tokens)
        if not isinstance(told, int) or isinstance(told, bool):
            raise refused(f"max_tokens: expected a whole number, got {told!r}")
        return told

    def _written(self, body: _Body, model: str, betas: Any, *, stream: bool) -> WireRequest:
        wanted = betas.split(",") if isinstance(betas, str) else betas if isinstance(betas, list) else []
        try:
            data = msgspec.json.encode(body)
            headers = self._headers
            if wanted and self._place.betas_in_body:
                data = msgspec.json.encode({**body, "anthropic_beta": wanted})
            elif wanted:
                always = headers.get("anthropic-beta")
                headers = {**headers, "anthropic-beta": ",".join([*([always] if always else []), *map(str, wanted)])}
        except UNWRITABLE as error:
            raise no_json(error) from error
        return WireRequest("POST", self._root + path_of(self._place, model, stream=stream) + self._after, headers, data)


def _think(body: _Body, asked: Mapping[str, Any], known: Facts, *, is_continued: bool) -> None:
    """`reasoning_effort` (or OpenRouter's `reasoning`) as what this model wants; its own `thinking` goes first."""
    said = asked.get("reasoning")
    said = said if isinstance(said, dict) else {}
    effort, budget = asked.get("reasoning_effort") or said.get("effort"), said.get("max_tokens")
    if "thinking" in body or is_continued or (effort is None and budget is None):
        # The thoughts of an answer that goes on are over, and the wire refuses new ones.
        return
    if effort == "none":
        if known.thinking == "adaptive":
            body["thinking"] = {"type": "disabled"}
        return
    if effort is not None and effort not in BUDGETS and effort != "max":
        raise refused(f"reasoning_effort: unknown effort {effort!r}")
    if body.get("tool_choice", {}).get("type") in ("any", "tool"):
        dropped(WIRE, "reasoning_effort", "a model that must call a tool doesn't think before")
    elif known.thinking == "none":
        dropped(WIRE, "reasoning_effort", "this model doesn't think before it answers")
    elif known.thinking == "adaptive" and effort is not None:
        body["thinking"] = {"type": "adaptive"}
        least = {"minimal": "low", "xhigh": known.most_effort}
        body["output_config"] = {**body.get("output_config", {}), "effort": least.get(effort, effort)}
    else:
        _budget(body, budget if isinstance(budget, int) else BUDGETS.get(effort or "", BUDGETS["xhigh"]))


def _budget(body: _Body, tokens: int) -> None:
    most = body["max_tokens"]
    if most <= _LEAST_BUDGET:
        dropped(WIRE, "reasoning_effort", "max_tokens leaves no room for thoughts")
        return
    # Thoughts are part of `max_tokens`: a quarter of it is left for the answer.
    budget = max(_LEAST_BUDGET, min(tokens, most * 3 // 4))
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _leave_open(body: _Body) -> None:
    """The last message is the beginning of the answer; the wire refuses one that ends in white space."""
    *before, last = body["messages"] or [{}]
    if last.get("role") != "assistant":
        raise refused("the message to continue is none of the assistant's")
    content = last["content"]
    if isinstance(content, str):
        content = content.rstrip()
    elif content and content[-1].get("type") == "text":
        content = [*content[:-1], {**content[-1], "text": content[-1]["text"].rstrip()}]
    # What was all white space is no beginning.
    body["messages"] = [*before, {**last, "content": content}] if content else before


# -- parameters, one function for each way


def _as(name: str) -> _Put:
    def put(body: _Body, value: Any) -> None:
        body[name] = value

    return put


_drop: Final = partial(drop, WIRE)
_refuse_unless: Final = partial(refuse_unless, WIRE)


def _temperature(body: _Body, value: Any) -> None:
    if isinstance(value, int | float) and value > 1:
        raise refused("temperature: at most 1 here")
    body["temperature"] = value


def _stop(body: _Body, value: Any) -> None:
    if value:
        body["stop_sequences"] = [value] if isinstance(value, str) else value


def _user(body: _Body, value: Any) -> None:
    body["metadata"] = {"user_id": value}


def _metadata(body: _Body, value: Any) -> None:
    if isinstance(value, dict) and "user_id" in value:
        body["metadata"] = {"user_id": value["user_id"]}
    elif value:
        dropped(WIRE, "metadata", "only a user_id is kept")


def _safety_identifier(body: _Body, value: Any) -> None:
    body.setdefault("metadata", {"user_id": value})


_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}


def _service_tier(body: _Body, value: Any) -> None:
    tier = _TIERS.get(value) if isinstance(value, str) else None
    if tier is None:
        dropped(WIRE, "service_tier", "there are only auto and standard_only")
    else:
        body["service_tier"] = tier


def _only_zeros(value: Any) -> bool:
    return not any(value.values()) if isinstance(value, dict) else not value


_NO_LOGPROBS: Final = "there are no log probabilities"
_NO_PENALTY: Final = "repetition can't be punished"

PARAMETERS: Final[dict[str, _Put]] = {
    "temperature": _temperature,
    "top_p": _as("top_p"),
    "top_k": _as("top_k"),
    "stop": _stop,
    "user": _user,
    "metadata": _metadata,
    "safety_identifier": _safety_identifier,
    "service_tier": _service_tier,
    "n": _refuse_unless("n", lambda value: value == 1, "one answer at a time"),
    "logprobs": _refuse_unless("logprobs", lambda value: not value, _NO_LOGPROBS),
    "top_logprobs": _refuse_unless("top_logprobs", lambda value: not value, _NO_LOGPROBS),
    "logit_bias": _refuse_unless("logit_bias", _only_zeros, "tokens can't be weighted"),
    "presence_penalty": _refuse_unless("presence_penalty", lambda value: not value, _NO_PENALTY),
    "frequency_penalty": _refuse_unless("frequency_penalty", lambda value: not value, _NO_PENALTY),
    "modalities": _refuse_unless("modalities", lambda value: value == ["text"], "answers are text"),
    "audio": _refuse_unless("audio", lambda value: not value, "answers are text"),
    "functions": _refuse_unless("functions", lambda value: not value, "the old form; use tools"),
    "function_call": _refuse_unless("function_call", lambda value: value == "none", "the old form; use tool_choice"),
    "web_search_options": _refuse_unless(
        "web_search_options", lambda _: False, "searching is a tool here; put it into tools in Anthropic's form"
    ),
    "seed": _drop("seed", "answers can't be repeated here"),
    "store": _drop("store", "nothing is stored"),
    "prediction": _drop("prediction", "a hint for speed alone"),
    "prompt_cache_key": _drop("prompt_cache_key", "caches are marked by cache_control"),
    "prompt_cache_retention": _drop("prompt_cache_retention", "caches are marked by cache_control"),
    "verbosity": _drop("verbosity", "say it in the prompt"),
}
_ELSEWHERE: Final = frozenset(
    (
        *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "anthropic_beta"),
        *("tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "reasoning"),
    )
)
"""Those that are read together, not one by one."""
