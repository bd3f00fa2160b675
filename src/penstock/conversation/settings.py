"""The settings of a conversation, read; and its beginning: new, or as its store knows it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

import msgspec

from penstock.client import AsyncClient, Client
from penstock.config.suggest import did_you_mean
from penstock.conversation.keeping import Keeper, check_name, open_store
from penstock.conversation.message import new_message
from penstock.conversation.state import Settings, State
from penstock.conversation.store import ConversationStore
from penstock.conversation.summary import Summarizer
from penstock.errors import ConfigError
from penstock.wiring import Models

__all__ = ["ConversationOptions", "begin", "check_summarizer", "read_asked"]


class ConversationOptions(TypedDict, total=False):
    """What may be said with a conversation."""

    model: Models
    """A target, targets in order of preference, or a route; in place of the client's."""
    max_tokens: int | None
    """The most tokens that are sent with a question, below what the targets' contexts allow."""
    compress: str | None
    """What becomes of messages that don't fit: left out ("window", the default), or told in a "summary"."""
    summary_model: Models
    """Who writes summaries: a cheaper target or route; the conversation's own unless set."""
    summary_tokens: int | None
    """The most tokens of a summary; a fifth of the limit, from 32 to 1,024, unless set."""
    summarizer: Summarizer | None
    """Who writes summaries instead of a model: a function of the summary so far and the messages that leave."""
    store: str | ConversationStore | None
    """"memory", "sqlite", "sqlite:PATH" or a store of one's own."""
    name: str | None
    """Under which the store keeps it, one of chance unless set: a conversation that is there goes on."""
    metadata: Mapping[str, Any] | None
    """Words of one's own, kept with it: any JSON."""
    now: Callable[[], float] | None
    """The time of day, in seconds since 1970."""


def begin(system: object, client: object, options: ConversationOptions, now: Callable[[], float]) -> Keeper:
    """The conversation's state, from its store where it has one. Raises `ConfigError`, `InputError`, `TypeError`."""
    for option in options:
        if option not in ConversationOptions.__annotations__:
            raise TypeError(f'unknown option "{option}"{did_you_mean(option, ConversationOptions.__annotations__)}')
    if client is not None and not isinstance(client, Client | AsyncClient):
        raise ConfigError(f"client: expected a penstock.Client or AsyncClient, got {type(client).__name__}")
    said = _said(options)
    metadata = dict(options.get("metadata") or {})
    _check_json(metadata)
    prompt = None if system is None else new_message("system", system, at_s=now())
    fresh = State(created_s=now(), settings=Settings(**said), metadata=metadata)
    fresh = fresh.with_system(prompt)
    store, name = open_store(options.get("store")), options.get("name")
    if name is not None and store is None:
        raise ConfigError('name: a conversation is kept under its name in a store, such as store="sqlite"')
    if store is None:
        return Keeper(fresh)
    keeper = Keeper(fresh, store, f"unnamed-{secrets.token_hex(6)}" if name is None else check_name(name))
    found = keeper.refresh()
    if keeper.is_stored:
        settings = msgspec.structs.replace(found.settings, **said)
        own = found.metadata if options.get("metadata") is None else metadata
        if settings != found.settings or own != found.metadata:
            keeper.change(lambda state: msgspec.structs.replace(state, settings=settings, metadata=own))
        if prompt is not None:
            keeper.change(lambda state: state.with_system(prompt))
    return keeper


def read_asked(name: str, models: object) -> str | tuple[str, ...] | None:
    """A model, several or a route. Raises `ConfigError`."""
    if models is None or (isinstance(models, str) and models.strip()):
        return models
    if isinstance(models, list | tuple) and models and all(isinstance(one, str) and one for one in models):
        return tuple(models)
    raise ConfigError(
        f'{name}: expected a target such as "openai/gpt-4o-mini", a list of them, or a route, got {models!r:.80}'
    )


def _said(options: ConversationOptions) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name in ("model", "summary_model"):
        if (models := read_asked(name, options.get(name))) is not None:
            said[name] = models
    for name in ("max_tokens", "summary_tokens"):
        number = options.get(name)
        if number is None:
            continue
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise ConfigError(f"{name}: expected a whole number above 0, got {number!r:.80}")
        said[name] = number
    compress = options.get("compress")
    if compress is not None:
        if compress not in ("window", "summary"):
            hint = did_you_mean(compress, ("window", "summary")) if isinstance(compress, str) else ""
            raise ConfigError(f'compress: expected "window" or "summary", got {compress!r:.80}{hint}')
        said["compress"] = compress
    if check_summarizer(options.get("summarizer")) is not None:
        others = {'compress="window"': said.setdefault("compress", "summary") == "window"}
        others["summary_model"] = "summary_model" in said
        for other, is_said in others.items():
            if is_said:
                raise ConfigError(f"summarizer and {other} exclude each other")
    return said


def check_summarizer(summarizer: object) -> Summarizer | None:
    """A caller's own function; None where there is none. Raises `ConfigError`."""
    if summarizer is None or callable(summarizer):
        return summarizer
    raise ConfigError(
        "summarizer: expected a function of the summary so far and the messages that leave the window, "
        f"got {summarizer!r:.80}"
    )


def _check_json(metadata: dict[str, Any]) -> None:
    try:
        msgspec.json.encode(metadata)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"metadata: expected what JSON can hold: {error}") from None
