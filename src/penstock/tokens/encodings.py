"""Which tokenizer a model has, and how far another one's count is off. Vocabularies are in the package, offline."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final, NamedTuple

__all__ = ["BY_LETTERS_ERROR", "Family", "by_letters", "family_of", "text_counter"]


class Family(NamedTuple):
    """How a model's tokens are counted."""

    encoding: str
    """"o200k" or "cl100k"; of another model the one that comes nearest."""
    factor: float = 1.0
    """Its tokens for each of the encoding's."""
    error: float = 0.0
    """By how much a text's count may be off, as a share: 0 where the encoding is its own."""
    is_plain: bool = False
    """Nothing is added to what was sent."""


_TABLE: Final[tuple[tuple[str, Family], ...]] = (
    (r"gpt-oss", Family("o200k")),
    (r"gpt-(?:4o|4\.1|4\.5|5)|chatgpt|(?:^|/)o[134](?:$|-)", Family("o200k", is_plain=True)),
    (r"gpt-4|gpt-3\.5|text-embedding-(?:3|ada-002)|davinci-002|babbage-002", Family("cl100k", is_plain=True)),
    (r"claude", Family("o200k", 1.2, 0.25)),
    (r"gemini|gemma", Family("o200k", 1.05, 0.2)),
    (r"llama-?[34]|meta-llama", Family("cl100k", 1.02, 0.15)),
    (r"qwen|deepseek|kimi|glm", Family("o200k", 1.05, 0.2)),
    (r"mistral|mixtral|magistral|devstral|pixtral|codestral|llama-?2", Family("o200k", 1.2, 0.25)),
)
BY_LETTERS_ERROR: Final = 0.35
"""Of a count that knows no tokenizer, as a share."""
_UNKNOWN: Final = Family("o200k", 1.1, 0.3)


@lru_cache(maxsize=1024)
def family_of(model: str) -> Family:
    """How the tokens of `model` (with or without its provider) are counted."""
    name = model[:200].lower()
    return next((family for pattern, family in _TABLE if re.search(pattern, name)), _UNKNOWN)


_lock = threading.Lock()


@cache
def text_counter(encoding: str) -> tuple[Callable[[str], int], bool]:
    """From a text to its tokens, and whether they are the encoding's own. Loading one takes 0.2 s, once."""
    with _lock:
        try:
            openai = importlib.import_module("rs_bpe.bpe").openai
        except ImportError:
            return by_letters, False
        made = openai.o200k_base() if encoding == "o200k" else openai.cl100k_base()
    count = made.count

    def exactly(text: str) -> int:
        try:
            return int(count(text))
        except UnicodeError:  # half a surrogate pair
            return int(count(text.encode("utf-8", "replace").decode()))

    return exactly, True


def by_letters(text: str) -> int:
    """Without a tokenizer: four ASCII letters a token, two of other alphabets, one of Chinese, Japanese and Korean."""
    if text.isascii():
        return -(-len(text) // 4)
    wide = sum(1 for letter in text if letter >= "\u2e80")
    ascii_ = sum(1 for letter in text if letter < "\x80")
    return -(-ascii_ // 4) + wide + -(-(len(text) - ascii_ - wide) // 2)
