"""Texts to embed, cut into requests that a provider takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from penstock.errors import InputError

__all__ = ["parts_of"]


def parts_of(inputs: object, cut: Callable[[Sequence[Any]], Sequence[Sequence[Any]]]) -> Iterator[Sequence[Any]]:
    """The inputs in order, in the parts of one request each that `cut` makes of them.

    Raises `InputError` for what can't be embedded.
    """
    if isinstance(inputs, str):
        inputs = [inputs]
    if not isinstance(inputs, Sequence):
        raise InputError(f"expected a text, or a list of texts, to embed, got {type(inputs).__name__}")
    for place, text in enumerate(inputs):
        _check(place, text)
    return iter(cut(inputs) if inputs else ())


def _check(place: int, text: object) -> None:
    is_tokens = isinstance(text, Sequence) and not isinstance(text, str) and all(type(token) is int for token in text)
    if not isinstance(text, str) and not is_tokens:
        raise InputError(f"input {place}: expected text or a list of token ids, got {type(text).__name__}")
    if not text or (isinstance(text, str) and not text.strip()):
        raise InputError(f"input {place} is empty")
