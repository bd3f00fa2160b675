"""From what a caller writes to the body that is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Unpack

import msgspec

from penstock import prompts
from penstock.call import CacheMode, Kind, PromptVersion
from penstock.client.options import Asking, read_options
from penstock.client.prompting import LEAST_CONTEXT, check_room, content_of, rendered_of, settings_under
from penstock.client.vocabulary import ChatOptions
from penstock.config import Hedge, RouteTimeouts
from penstock.errors import InputError
from penstock.schema import Form, Tool
from penstock.wiring import Models, TargetContext

__all__ = ["Prompt", "Request", "Row", "Spoken", "row_of"]

_PLACES: dict[Kind, str] = {"chat": "messages", "completion": "prompt", "embedding": "input"}


class Row(msgspec.Struct, frozen=True):
    """One request as it will be asked."""

    kind: Kind
    body: dict[str, Any]
    models: Models
    deadline_s: float | None
    hedge: Hedge | None
    timeouts: RouteTimeouts | None
    tags: dict[str, str]
    cache: CacheMode | None = None
    sample: str = ""
    form: Form | None = None
    reasks: int | None = None
    functions: tuple[Tool, ...] = ()
    prompt: PromptVersion | None = None
    variables: dict[str, Any] | None = None


class Request:
    """A prompt with options of its own, for `map` and `run` where rows differ.

    `prompt` is text, a list of chat messages, a conversation, or a `penstock.Prompt` (with `variables=`), rendered or
    not. What is said here wins over what the call says. Raises `InputError` for a prompt that is none, `TypeError` for
    an unknown option.
    """

    __slots__ = ("asking", "kind", "prompt")

    def __init__(
        self,
        prompt: str | Sequence[Mapping[str, Any]] | prompts.Prompt | prompts.Rendered | Spoken,
        **options: Unpack[ChatOptions],
    ) -> None:
        self.kind: Kind = "chat"
        self.prompt: Any = prompt
        self.asking = read_options("chat", options)
        if not isinstance(prompt, prompts.Prompt | prompts.Rendered) and not hasattr(prompt, "spoken"):
            _checked("chat", prompt)

    @classmethod
    def of_body(cls, body: Mapping[str, Any], *, kind: Kind = "chat") -> Request:
        """The request of an OpenAI body as it stands, with its model. Raises `InputError`."""
        place = _PLACES[kind]
        if place not in body:
            raise InputError(f'expected "{place}" in the body')
        model = body.get("model")
        if model is not None and not isinstance(model, str):
            raise InputError(f"the body's model: expected text, got {_named(model)}")
        apart = (place, "model", "stream", "stream_options")
        request = cls.__new__(cls)
        request.kind = kind
        request.prompt = _checked(kind, body[place])
        params = {key: value for key, value in body.items() if key not in apart}
        request.asking = Asking(model=model, params=params)
        return request

    def __repr__(self) -> str:
        return f"Request(kind={self.kind!r}, model={self.asking.model!r})"


Contexts = Callable[[Models], Sequence[TargetContext]]


class Spoken(Protocol):
    """A prompt that knows more than is sent, as a `penstock.Conversation` does."""

    def spoken(
        self, contexts: Contexts, model: Models, params: Mapping[str, Any]
    ) -> tuple[list[dict[str, Any]], Models]:
        """The messages that have room in the contexts of `model`, and the model to ask; None for the client's own."""
        ...


Prompt = str | Sequence[Mapping[str, Any]] | Request | prompts.Prompt | prompts.Rendered | Spoken


def row_of(
    prompt: object,
    asking: Asking,
    *,
    kind: Kind = "chat",
    models: Models = None,
    contexts: Contexts | None = None,
) -> Row:
    """What `prompt` asks under these options; `models` are the client's own. Raises `InputError` when it is empty or
    of another type, and when a prompt's variables don't fit."""
    if isinstance(prompt, Request):
        kind, asking, prompt = prompt.kind, asking.under(prompt.asking), prompt.prompt
    if not isinstance(prompt, str | list) and contexts is not None and hasattr(prompt, "spoken"):
        prompt, model = prompt.spoken(contexts, asking.model, asking.params)
        asking = msgspec.structs.replace(asking, model=model)
    rendered = rendered_of(prompt, asking.variables, asking.model or models)
    if rendered is not None:
        kind, prompt = content_of(rendered, kind)
        asking = settings_under(rendered, kind, asking, has_models=models is not None)
        if contexts is not None and rendered.most_tokens > LEAST_CONTEXT:
            check_room(rendered, contexts(asking.model))
    checked = _checked(kind, prompt)
    if kind == "chat" and asking.system is not None:
        has_own = checked[0].get("role") in ("system", "developer")
        checked = [{"role": "system", "content": asking.system}, *checked[has_own:]]
    body = {_PLACES[kind]: checked, **asking.params}
    return Row(
        kind,
        body,
        asking.model,
        asking.deadline_s,
        asking.hedge,
        asking.timeouts,
        asking.tags,
        asking.cache,
        asking.sample,
        asking.form if kind == "chat" else None,
        asking.reasks,
        asking.functions,
        rendered.source if rendered is not None else None,
        rendered.variables if rendered is not None else None,
    )


def _checked(kind: Kind, prompt: Any) -> Any:
    """What goes into the body's first place."""
    if kind == "chat":
        return _messages(prompt)
    if kind == "completion" and not isinstance(prompt, str):
        raise InputError(f"a prompt to complete is text, got {_named(prompt)}")
    if not prompt:
        raise InputError("the prompt is empty")
    return prompt


def _messages(prompt: object) -> list[Any]:
    if isinstance(prompt, str):
        if not prompt.strip():
            raise InputError("the prompt is empty")
        return [{"role": "user", "content": prompt}]
    if not isinstance(prompt, list | tuple):
        raise InputError(
            f"a prompt is text, a list of chat messages, a Request or a Conversation, got {_named(prompt)}"
        )
    if not prompt:
        raise InputError("the list of messages is empty")
    for index, message in enumerate(prompt):
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            form = '{"role": "user", "content": "..."}'
            raise InputError(f"message {index}: expected {form}, got {_named(message)}")
    return list(prompt)


def _named(value: object) -> str:
    if isinstance(value, Mapping):
        return f"a dict with the keys {', '.join(map(str, value)) or '(none)'}"
    return type(value).__name__
