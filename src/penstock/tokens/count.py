"""`count_tokens`: how many tokens a text, messages or a request are to a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from penstock.call import Kind
from penstock.errors import InputError
from penstock.tokens.counter import Counter

__all__ = ["Count", "count_tokens"]


class Count(msgspec.Struct, frozen=True):
    """A number of tokens, and by how much, as a share, it may be off."""

    tokens: int
    error: float = 0.0

    @property
    def is_exact(self) -> bool:
        return self.error == 0.0

    @property
    def most(self) -> int:
        """The number with its error."""
        return round(self.tokens * (1 + self.error))


def count_tokens(what: str | Sequence[Mapping[str, Any]] | Mapping[str, Any], *, model: str) -> Count:
    """The tokens of a text, of chat messages, or of a whole OpenAI request body (its input), to `model`.

    Exact for a text to one of OpenAI's models when the extra `tokens` is installed; else `error` says how far it may be
    off. Raises `InputError` for what is none of these.
    """
    counter = _counter(model)
    if isinstance(what, str):
        return Count(counter.text(what), counter.stated_error)
    if isinstance(what, Mapping):
        body = {str(key): value for key, value in what.items()}
        kinds: dict[str, Kind] = {"messages": "chat", "prompt": "completion", "input": "embedding"}
        kind = next((kind for key, kind in kinds.items() if key in body), None)
        if kind is None:
            raise InputError(f"a request has messages, a prompt or an input; got {', '.join(map(str, body)) or 'none'}")
        return _of_request(counter, kind, body)
    if isinstance(what, Sequence) and all(isinstance(message, Mapping) for message in what):
        return _of_request(counter, "chat", {"messages": list(what)})
    raise InputError(f"expected a text, a list of chat messages or a request body, got {type(what).__name__}")


def _of_request(counter: Counter, kind: Kind, body: dict[str, Any]) -> Count:
    tokens = counter.request(kind, body)
    return Count(tokens, counter.error_of(kind, body, tokens))


@lru_cache(maxsize=256)
def _counter(model: str) -> Counter:
    return Counter(model)
