"""From what a caller writes to the body that is asked: a prompt and OpenAI's sampling parameters."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from penstock.call import Kind
from penstock.errors import InputError

__all__ = ["PARAMETERS", "Prompt", "Request", "body_of", "checked_params"]

_EVERYWHERE = frozenset(("metadata", "seed", "store", "user"))
_SAMPLING = _EVERYWHERE | frozenset(
    (
        "frequency_penalty", "logit_bias", "logprobs", "max_tokens", "min_p", "n", "presence_penalty",
        "repetition_penalty", "stop", "temperature", "top_k", "top_p",
    )
)  # fmt: skip
PARAMETERS: dict[Kind, frozenset[str]] = {
    "chat": _SAMPLING
    | frozenset(
        (
            "audio", "function_call", "functions", "max_completion_tokens", "modalities", "parallel_tool_calls",
            "prediction", "prompt_cache_key", "reasoning_effort", "response_format", "safety_identifier",
            "service_tier", "tool_choice", "tools", "top_logprobs", "verbosity", "web_search_options",
        )
    ),
    "completion": _SAMPLING | frozenset(("best_of", "echo", "suffix")),
    "embedding": _EVERYWHERE | frozenset(("dimensions", "encoding_format")),
}  # fmt: skip
"""The keyword arguments that go into a body of each kind, by OpenAI's names. Others go through `extra`."""


class Request:
    """A prompt with its own model, parameters and tags, for `map` and `run` where rows differ.

    `prompt` is text or a list of chat messages; parameters are OpenAI's, others go in `extra`. What is set here wins
    over what the call says. Raises `InputError` for a prompt that is none, `TypeError` for an unknown parameter.
    """

    __slots__ = ("body", "kind", "model", "tags")

    def __init__(
        self,
        prompt: str | Sequence[Mapping[str, Any]],
        *,
        model: str | Sequence[str] | None = None,
        system: str | None = None,
        tags: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        **params: Any,
    ) -> None:
        self.kind: Kind = "chat"
        self.model = model
        self.tags = dict(tags or {})
        self.body = body_of("chat", prompt, checked_params("chat", params, extra), system=system)

    @classmethod
    def of_body(cls, body: Mapping[str, Any], *, kind: Kind = "chat", model: str | None = None) -> Request:
        """The request of an OpenAI body as it stands; its own "model" counts unless `model` says another."""
        request = cls.__new__(cls)
        request.kind = kind
        request.body = {key: value for key, value in body.items() if key not in ("model", "stream", "stream_options")}
        request.model = model if model is not None else body.get("model")
        request.tags = {}
        return request

    def __repr__(self) -> str:
        return f"Request(kind={self.kind!r}, model={self.model!r}, body of {len(self.body)} keys)"


Prompt = str | Sequence[Mapping[str, Any]] | Request


def checked_params(kind: Kind, params: Mapping[str, Any], extra: Mapping[str, Any] | None) -> dict[str, Any]:
    """The parameters of a body; None leaves one out. Raises `TypeError` that names the nearest known parameter."""
    known = PARAMETERS[kind]
    for name in params:
        if name not in known:
            raise TypeError(_unknown(name, known))
    checked = {name: value for name, value in params.items() if value is not None}
    if extra:
        checked.update(extra)
    return checked


def _unknown(name: str, known: Collection[str]) -> str:
    import difflib  # only an error needs it

    near = difflib.get_close_matches(name, known, n=1)
    hint = f'did you mean "{near[0]}"? ' if near else ""
    return f'unknown parameter "{name}"; {hint}What only this provider knows goes in extra={{"{name}": ...}}'


def body_of(
    kind: Kind, prompt: str | Sequence[Any], params: Mapping[str, Any], *, system: str | None = None
) -> dict[str, Any]:
    """The body of a request of this kind. Raises `InputError` when the prompt is empty or of another type."""
    if kind == "chat":
        return {"messages": _messages(prompt, system), **params}
    if kind == "completion":
        if not isinstance(prompt, str):
            raise InputError(f"a prompt to complete is text, got {_kind_name(prompt)}")
        if not prompt:
            raise InputError("the prompt is empty")
        return {"prompt": prompt, **params}
    return {"input": prompt, **params}


def _messages(prompt: object, system: str | None) -> list[Any]:
    if isinstance(prompt, str):
        if not prompt.strip():
            raise InputError("the prompt is empty")
        messages: list[Any] = [{"role": "user", "content": prompt}]
    elif isinstance(prompt, list | tuple):
        messages = list(prompt)
        _check_messages(messages)
    else:
        raise InputError(f"a prompt is text, a list of chat messages or a Request, got {_kind_name(prompt)}")
    if system is not None:
        if messages[0].get("role") in ("system", "developer"):
            messages = messages[1:]
        messages = [{"role": "system", "content": system}, *messages]
    return messages


def _check_messages(messages: list[Any]) -> None:
    if not messages:
        raise InputError("the list of messages is empty")
    for index, message in enumerate(messages):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            form = '{"role": "user", "content": "..."}'
            raise InputError(f"message {index}: expected {form}, got {_kind_name(message)}")


def _kind_name(value: object) -> str:
    if isinstance(value, Mapping):
        return f"a dict with the keys {', '.join(map(str, value)) or '(none)'}"
    return type(value).__name__
