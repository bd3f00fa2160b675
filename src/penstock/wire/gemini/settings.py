"""From OpenAI's parameters to Gemini's: one table of new names, one of translations, one of what is left out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from penstock.wire.dropping import dropped
from penstock.wire.gemini.parts import WIRE, camel, refuse
from penstock.wire.gemini.tools import choice_of, legacy_choice, tools_of

__all__ = ["BUDGETS", "DROPPED", "LEVELS", "RENAMED", "settings_of", "thinks_by_level"]

RENAMED: Final[dict[str, str]] = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "n": "candidateCount",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
    "media_resolution": "mediaResolution",
}
"""What only has another name in `generationConfig`."""

DROPPED: Final[dict[str, str]] = {
    "user": "Gemini takes no end user's name",
    "safety_identifier": "Gemini takes no end user's name",
    "metadata": "nothing keeps it",
    "store": "nothing is stored",
    "service_tier": "tiers have other names here",
    "prediction": "it changes the speed and not the answer",
    "prompt_cache_key": "Gemini caches by itself",
    "prompt_cache_retention": "Gemini caches by itself",
    "verbosity": "no model of Google's knows it",
}
"""What changes no answer's meaning, and why it is left out."""

BUDGETS: Final[dict[str, int]] = {
    "none": 0,
    "minimal": 512,
    "low": 1024,
    "medium": 8192,
    "high": 24_576,
    "xhigh": 24_576,
}
"""Tokens to think with, for models up to 2.5 (Google's own table for `reasoning_effort`; minimal is our own)."""

LEVELS: Final[dict[str, str]] = {
    "none": "minimal",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
}
"""The same for Gemini 3 and later, which can't leave it."""

_NOT_SETTINGS: Final = frozenset(
    ("model", "messages", "stream", "stream_options", "tool_choice", "parallel_tool_calls")
)
_BY_BUDGET: Final = re.compile(r"(?:.*/)?gemini-[12](?!\d)")


def thinks_by_level(model: str) -> bool:
    """Whether a model is told how hard to think by a word; until 2.5 it was by a number of tokens."""
    return _BY_BUDGET.match(model) is None


class _Draft:
    """A request while it grows."""

    __slots__ = ("config", "model", "top")

    def __init__(self, model: str) -> None:
        self.model = model
        self.top: dict[str, Any] = {}
        self.config: dict[str, Any] = {}


def settings_of(body: dict[str, Any], model: str) -> dict[str, Any]:
    """Everything of a request but system instruction and contents.

    Raises `CallError` bad_request for what Gemini can't do. What nobody here knows travels as it is.
    """
    draft = _Draft(model)
    for name, value in body.items():
        if value is None or name in _NOT_SETTINGS:
            continue
        if name in RENAMED:
            draft.config[RENAMED[name]] = value
        elif name in _MADE:
            _MADE[name](value, draft)
        elif name in DROPPED:
            dropped(WIRE, name, DROPPED[name])
        else:
            draft.top[name] = value
    if body.get("max_completion_tokens") is not None:
        draft.config["maxOutputTokens"] = body["max_completion_tokens"]
    if draft.config.get("responseLogprobs") is False:
        draft.config.pop("logprobs", None)
    if "tools" in draft.top:
        _choose(body, draft)
    if draft.config:
        draft.top["generationConfig"] = draft.config
    return draft.top


def _choose(body: dict[str, Any], draft: _Draft) -> None:
    choice = body.get("tool_choice")
    if choice is None and body.get("function_call") is not None:
        choice = legacy_choice(body["function_call"])
    if choice is not None:
        config = camel(draft.top.get("toolConfig"))
        draft.top["toolConfig"] = {**config, "functionCallingConfig": choice_of(choice)}
    if body.get("parallel_tool_calls") is False and choice != "none":
        raise refuse("parallel_tool_calls: Gemini can't be told to call one function at a time")


def _tools(value: Any, draft: _Draft) -> None:
    if value:
        draft.top["tools"] = [*draft.top.get("tools", ()), *tools_of(value)]


def _functions(value: Any, draft: _Draft) -> None:
    if not isinstance(value, list):
        raise refuse("functions: expected a list")
    _tools([{"type": "function", "function": one} for one in value], draft)


def _search(_value: Any, draft: _Draft) -> None:
    draft.top["tools"] = [*draft.top.get("tools", ()), {"googleSearch": {}}]


def _stop(value: Any, draft: _Draft) -> None:
    if value:
        draft.config["stopSequences"] = [value] if isinstance(value, str) else value


def _format(value: Any, draft: _Draft) -> None:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "text":
        return
    if kind not in ("json_object", "json_schema"):
        raise refuse(f"response_format: {kind!r} has no form in Gemini; expected text, json_object or json_schema")
    draft.config["responseMimeType"] = "application/json"
    if kind == "json_schema":
        said = value.get("json_schema")
        schema = said.get("schema") if isinstance(said, dict) else None
        if not isinstance(schema, dict):
            raise refuse("response_format.json_schema.schema: expected a JSON Schema")
        draft.config["responseJsonSchema"] = schema


def _effort(value: Any, draft: _Draft) -> None:
    if not isinstance(value, str) or value not in BUDGETS:
        raise refuse(f"reasoning_effort: expected one of {', '.join(BUDGETS)}, got {value!r}")
    how = {"thinkingLevel": LEVELS[value]} if thinks_by_level(draft.model) else {"thinkingBudget": BUDGETS[value]}
    shown = {} if value == "none" else {"includeThoughts": True}
    draft.config["thinkingConfig"] = {**how, **shown, **camel(draft.config.get("thinkingConfig"))}


def _thinking(value: Any, draft: _Draft) -> None:
    """Anthropic's `thinking`, which many write for any provider."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "disabled":
        _effort("none", draft)
    elif kind == "enabled" and isinstance(value.get("budget_tokens"), int):
        draft.config["thinkingConfig"] = {"thinkingBudget": value["budget_tokens"], "includeThoughts": True}
    elif kind == "adaptive":
        draft.config["thinkingConfig"] = {"includeThoughts": True}
    else:
        raise refuse("thinking: expected a type of enabled (with budget_tokens), adaptive or disabled")


def _thinking_config(value: Any, draft: _Draft) -> None:
    draft.config["thinkingConfig"] = {**camel(draft.config.get("thinkingConfig")), **camel(value)}


def _config(value: Any, draft: _Draft) -> None:
    draft.config.update(camel(value))


def _modalities(value: Any, draft: _Draft) -> None:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise refuse("modalities: expected a list of words")
    if value != ["text"]:
        draft.config["responseModalities"] = [one.upper() for one in value]


def _google(value: Any, draft: _Draft) -> None:
    """Google's own words, as its OpenAI-compatible endpoint takes them under `extra_body.google`."""
    google = value.get("google", value) if isinstance(value, dict) else None
    for name, said in camel(google).items():
        if said is None:
            continue
        if name == "thinkingConfig":
            _thinking_config(said, draft)
        elif name == "generationConfig":
            _config(said, draft)
        elif name == "tools":
            draft.top["tools"] = [*draft.top.get("tools", ()), *(said if isinstance(said, list) else [said])]
        else:
            draft.top[name] = said


def _passed(name: str) -> Callable[[Any, _Draft], None]:
    def passed(value: Any, draft: _Draft) -> None:
        draft.top[name] = value

    return passed


def _refused(name: str, why: str) -> Callable[[Any, _Draft], None]:
    def refused(value: Any, _draft: _Draft) -> None:
        if value:
            raise refuse(f"{name}: {why}")

    return refused


_MADE: Final[dict[str, Callable[[Any, _Draft], None]]] = {
    "tools": _tools,
    "functions": _functions,
    "function_call": lambda _value, _draft: None,
    "web_search_options": _search,
    "stop": _stop,
    "response_format": _format,
    "reasoning_effort": _effort,
    "thinking": _thinking,
    "thinking_config": _thinking_config,
    "thinkingConfig": _thinking_config,
    "generationConfig": _config,
    "generation_config": _config,
    "modalities": _modalities,
    "google": _google,
    "extra_body": _google,
    "safety_settings": _passed("safetySettings"),
    "cached_content": _passed("cachedContent"),
    "tool_config": _passed("toolConfig"),
    "logit_bias": _refused("logit_bias", "Gemini has no bias for tokens"),
    "audio": _refused("audio", "ask for sound in Gemini's words: google.generationConfig.speechConfig"),
}
