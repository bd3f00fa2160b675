"""Texts to embed, cut into requests that a provider takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from penstock.errors import InputError

__all__ = ["MAX_INPUTS", "MAX_TOKENS", "parts_of"]

MAX_INPUTS = 2048
"""Inputs in one request: OpenAI's bound."""
MAX_TOKENS = 200_000
"""Tokens in one request, estimated: OpenAI's bound is 300,000."""
_CHARACTERS_PER_TOKEN = 4


def parts_of(inputs: object) -> Iterator[Sequence[Any]]:
    """The inputs in order, in parts of one request each. Raises `InputError` for what can't be embedded."""
    if isinstance(inputs, str):
        inputs = [inputs]
    if not isinstance(inputs, Sequence):
        raise InputError(f"expected a text, or a list of texts, to embed, got {type(inputs).__name__}")
    for place, text in enumerate(inputs):
        _check(place, text)
    return _cut(inputs)


def _cut(inputs: Sequence[Any]) -> Iterator[Sequence[Any]]:
    part: list[Any] = []
    tokens = 0
    for text in inputs:
        needed = len(text) // _CHARACTERS_PER_TOKEN + 1 if isinstance(text, str) else len(text)
        if part and (len(part) >= MAX_INPUTS or tokens + needed > MAX_TOKENS):
            yield part
            part, tokens = [], 0
        part.append(text)
        tokens += needed
    if part:
        yield part


def _check(place: int, text: object) -> None:
    is_tokens = isinstance(text, Sequence) and not isinstance(text, str) and all(type(token) is int for token in text)
    if not isinstance(text, str) and not is_tokens:
        raise InputError(f"input {place}: expected text or a list of token ids, got {type(text).__name__}")
    if not text or (isinstance(text, str) and not text.strip()):
        raise InputError(f"input {place} is empty")
