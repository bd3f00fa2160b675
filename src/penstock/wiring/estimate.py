"""What a request may cost at a limiter, guessed from its text: enough to pace by, settled when the answer tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from penstock.call import Kind
from penstock.tokens.counter import Counter
from penstock.wiring.dear import media_tokens, tokens_of_media

__all__ = ["Asked", "estimate", "estimate_tokens", "most_input", "most_output"]

_BYTES_PER_TOKEN = 4
_PER_MESSAGE = 4
_MEDIA = frozenset(("image_url", "video_url", "input_audio", "file"))
_MEDIA_LETTERS = 4000
"""An image or a sound costs about a thousand tokens, however long its base64 is."""


class Asked(Protocol):
    """Anything that says what is asked: a call, a row."""

    @property
    def kind(self) -> Kind: ...

    @property
    def body(self) -> dict[str, Any]: ...


def estimate(asked: Asked) -> int:
    """`estimate_tokens` of what is asked."""
    return estimate_tokens(asked.kind, asked.body)


def estimate_tokens(kind: Kind, body: dict[str, Any], counter: Counter | None = None) -> int:
    """Tokens of the input, and the most that may be written where the body says it.

    Where it doesn't, the limiter adds the mean of what was written before. Without a `counter` the input is taken to
    have a token for four characters. Never raises.
    """
    if counter is not None:
        return counter.quick(kind, body) + most_output(kind, body, 0)
    if kind == "embedding":
        return _length(body.get("input")) // _BYTES_PER_TOKEN + 1
    output = most_output(kind, body, 0)
    if kind == "completion":
        return _length(body.get("prompt")) // _BYTES_PER_TOKEN + 1 + output
    messages = body.get("messages")
    if type(messages) is not list:
        return output
    letters = 0
    for message in messages:
        content = message.get("content") if type(message) is dict else None
        letters += len(content) if type(content) is str else _length(content)
    if "tools" in body:
        letters += _length(body["tools"])
    return letters // _BYTES_PER_TOKEN + _PER_MESSAGE * len(messages) + output


def most_output(kind: Kind, body: Mapping[str, Any], by_default: int) -> int:
    """The most tokens that may be written, `by_default` where the body doesn't bound it."""
    if kind == "embedding":
        return 0
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    output = most if type(most) is int and most > 0 else by_default
    choices = 1
    if "n" in body or "best_of" in body:
        choices = max(_whole(body.get("n")), _whole(body.get("best_of")), 1)
    prompts = body.get("prompt") if kind == "completion" else None
    if isinstance(prompts, list) and prompts and type(prompts[0]) is not int:
        # Each of a list of texts, or of lists of tokens, is answered by itself.
        choices *= len(prompts)
    return output * choices


def _whole(value: Any) -> int:
    return value if type(value) is int else 0


def most_input(counter: Counter, kind: Kind, body: dict[str, Any]) -> int:
    """As many tokens as the input can have: a twentieth more than the model's own tokenizer counts, else its bytes; and
    what is added on the way."""
    more = 16
    if kind == "chat" and not counter.is_plain:
        is_taught = any(body.get(name) for name in _TAUGHT)
        more = counter.besides(with_tools=is_taught) + _ADDED + (_ADDED_FOR_TOOLS if is_taught else 0)
    if counter.is_exact:
        return counter.request(kind, body) * 21 // 20 + more + tokens_of_media(kind, body)
    return more + sum(_bytes(body[name]) for name in _ASKED if name in body)


_ASKED = ("messages", "prompt", "input", "tools", "functions", "response_format")
_TAUGHT = ("tools", "functions", "response_format")
_ADDED = 128
"""Of what models are told in each chat besides what was sent, more than was seen."""
_ADDED_FOR_TOOLS = 1_500
"""The same of how to call tools or keep to a form."""


def _bytes(value: Any, depth: int = 0) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode("utf-8", "surrogatepass"))
    if depth > 12:
        return 0
    if isinstance(value, dict):
        return sum(
            media_tokens(item) if key in _MEDIA else len(str(key)) + 8 + _bytes(item, depth + 1)
            for key, item in value.items()
        )
    if isinstance(value, list | tuple):
        return sum(8 + _bytes(item, depth + 1) for item in value)
    return 8


def _length(value: Any, depth: int = 0) -> int:
    """Characters of text in a nested value; a list of token ids counts four for each."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, int):
        return _BYTES_PER_TOKEN
    if depth > 8:
        return 0
    if isinstance(value, dict):
        return sum(_MEDIA_LETTERS if key in _MEDIA else _length(item, depth + 1) for key, item in value.items())
    if isinstance(value, list | tuple):
        return sum(_length(item, depth + 1) for item in value)
    return 0
