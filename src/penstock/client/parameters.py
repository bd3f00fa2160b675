"""The types of what may be said with a request, where they are certain: a wrong one is told before anything is sent."""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Any, Final

from penstock.errors import ConfigError, InputError

__all__ = ["check_many", "check_parameter"]


def check_parameter(name: str, value: object) -> None:
    """Raises `ConfigError` when a value that isn't None can't be this parameter's, whoever the provider is."""
    form = _FORMS.get(name)
    if form is not None and not form[0](value):
        shown = f'"{value}"' if isinstance(value, str) else repr(value)
        raise ConfigError(f"{name}: expected {form[1]}, got {shown if len(shown) <= 80 else shown[:77] + '...'}")


def check_many(prompts: object, concurrency: object) -> None:
    """Raises `InputError` for what is no list of prompts, `ConfigError` for what is no number of requests at once."""
    if isinstance(prompts, str | Mapping) or not isinstance(prompts, Iterable | AsyncIterable):
        raise InputError(f"expected a list of prompts, got {type(prompts).__name__}; generate takes a single one")
    if concurrency is not None and not (_is_whole(concurrency) and concurrency > 0):  # type: ignore[operator]
        raise ConfigError(f"concurrency: expected a whole number above 0, got {concurrency!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_switch(value: object) -> bool:
    return isinstance(value, bool)


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _is_texts(value: object) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_models(value: object) -> bool:
    return isinstance(value, str) or _is_texts(value)


_Form = tuple[Callable[[Any], bool], str]

_NUMBER: Final[_Form] = (_is_number, "a number")
_WHOLE: Final[_Form] = (_is_whole, "a whole number")
_SWITCH: Final[_Form] = (_is_switch, "True or False")
_TEXT: Final[_Form] = (_is_text, "text")
_TABLE: Final[_Form] = (_is_table, "a table of names and values")
_LIST: Final[_Form] = (_is_list, "a list")

_FORMS: Final[dict[str, _Form]] = {
    **dict.fromkeys(
        ("frequency_penalty", "min_p", "presence_penalty", "repetition_penalty", "temperature", "top_p"), _NUMBER
    ),
    **dict.fromkeys(
        ("best_of", "dimensions", "max_completion_tokens", "max_tokens", "n", "seed", "top_k", "top_logprobs"), _WHOLE
    ),
    **dict.fromkeys(("echo", "parallel_tool_calls", "store"), _SWITCH),
    **dict.fromkeys(
        ("encoding_format", "prompt_cache_key", "reasoning_effort", "safety_identifier", "service_tier"), _TEXT
    ),
    **dict.fromkeys(("suffix", "system", "user", "verbosity"), _TEXT),
    **dict.fromkeys(("audio", "extra", "logit_bias", "metadata", "prediction", "web_search_options"), _TABLE),
    **dict.fromkeys(("functions", "tools"), _LIST),
    "logprobs": (lambda value: isinstance(value, int), "True, False or a whole number"),
    "reasks": (lambda value: _is_whole(value) and 0 <= value <= 20, "a whole number from 0 to 20"),
    "modalities": (_is_texts, "a list of text"),
    "model": (_is_models, 'text such as "openai/gpt-4o-mini", or a list of it'),
    "stop": (_is_models, "text, or a list of it"),
}
