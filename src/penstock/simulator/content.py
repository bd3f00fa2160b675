"""What the simulator says: text, vectors and token counts, each made from the request alone.

Four characters are one token, of prompts and answers alike, so that every count can be checked by hand.
"""

from __future__ import annotations

import hashlib
import random
import re
import zlib
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

__all__ = [
    "CHARS_PER_TOKEN",
    "ECHO_CHARS",
    "Begun",
    "begun_in",
    "digest_of",
    "echo",
    "ends_with_assistant",
    "prompt_text",
    "prompt_tokens",
    "prompts_of",
    "stretched",
    "tokens_in",
    "vector",
]

CHARS_PER_TOKEN: Final = 4
ECHO_CHARS: Final = 600
_DIGEST_BYTES: Final = 16
_IMAGE_TOKENS: Final = 85
_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")
# The same question, whoever is asked and however the answer travels, has one digest.
_NOT_THE_QUESTION: Final = ("model", "stream", "stream_options")
# Said beside an assistant's message to have it continued.
_ASKS_TO_CONTINUE: Final = ("add_generation_prompt", "continue_final_message")
_MARK: Final = re.compile(r"sim:[0-9a-f]{16}(?:#\d+)?(?= )")
_WORDS: Final = (
    "water falls through the gate and turns the wheel while the river keeps its level and the valley hears a "
    "steady hum of current that lights a lamp in every window along the shore "
)


def digest_of(body: Mapping[str, Any]) -> bytes:
    """16 bytes of SHA-256 over the canonical JSON of the body without model, stream and stream_options."""
    letter = dict(body)
    for name in _NOT_THE_QUESTION:
        letter.pop(name, None)
    return hashlib.sha256(_CANONICAL.encode(letter)).digest()[:_DIGEST_BYTES]


def tokens_in(chars: int) -> int:
    return (chars + CHARS_PER_TOKEN - 1) // CHARS_PER_TOKEN


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))
    return ""


def prompt_text(messages: list[Any]) -> str:
    """The text of the last user message, or of the last message when no user spoke."""
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == "user":
            return _text_of(message.get("content"))
    return _text_of(messages[-1].get("content")) if messages and isinstance(messages[-1], dict) else ""


def prompt_tokens(messages: list[Any]) -> int:
    """Tokens of every message's text, and 85 for each part that isn't text; at least 1."""
    chars = 0
    others = 0
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, str):
            chars += len(content)
        elif isinstance(content, list):
            chars += len(_text_of(content))
            others += sum(1 for part in content if isinstance(part, dict) and "text" not in part)
    return max(1, tokens_in(chars) + others * _IMAGE_TOKENS)


def prompts_of(value: Any) -> list[str]:
    """A completion's `prompt` or an embedding's `input` as a list of texts; token ids are spelt out."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list) or not value:
        return [""]
    if isinstance(value[0], int):
        return [" ".join(map(str, value))]
    return [item if isinstance(item, str) else " ".join(map(str, item or ())) for item in value]


def echo(digest: bytes, prompt: str, choice: int = 0) -> str:
    """The answer that proves which prompt it belongs to: the digest's first 16 hex digits, then the prompt's tail."""
    mark = f"sim:{digest[:8].hex()}" if not choice else f"sim:{digest[:8].hex()}#{choice}"
    return f"{mark} {prompt[-ECHO_CHARS:]}"


class Begun(NamedTuple):
    """A request for the rest of an answer that the simulator itself began."""

    body: dict[str, Any]
    """What was asked, without the beginning: the same question has the same digest."""
    text: str
    """How the answer begins."""
    echo: str
    """The echo that begins so. Its mark is the beginning's own: a continuation may allow fewer tokens."""


def begun_in(body: Mapping[str, Any]) -> Begun | None:
    """The beginning of an answer that a request brings, as its last message or behind a completion's prompt.

    None when it brings none, or one that nobody here wrote.
    """
    messages, prompt = body.get("messages"), body.get("prompt")
    if ends_with_assistant(body) and isinstance(messages, list):
        question = {name: value for name, value in body.items() if name not in _ASKS_TO_CONTINUE}
        question["messages"] = messages[:-1]
        text, asked = _text_of(messages[-1].get("content")), prompt_text(messages[:-1])
        mark = _MARK.match(text)
    elif isinstance(prompt, str) and (marks := list(_MARK.finditer(prompt))):
        mark = marks[-1]
        asked, text = prompt[: mark.start()], prompt[mark.start() :]
        question = {**body, "prompt": asked}
    else:
        return None
    if mark is None:
        return None
    whole = f"{mark[0]} {asked[-ECHO_CHARS:]}"
    return Begun(question, text, whole) if stretched(whole, tokens_in(len(text))).startswith(text) else None


def ends_with_assistant(body: Mapping[str, Any]) -> bool:
    """A chat whose last word is the assistant's own text: a request to continue it."""
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and len(messages) > 1 else None
    return isinstance(last, dict) and last.get("role") == "assistant" and not last.get("tool_calls")


def stretched(text: str, tokens: int) -> str:
    """`text` cut or continued to exactly `tokens` tokens."""
    chars = tokens * CHARS_PER_TOKEN
    missing = chars - len(text)
    if missing <= 0:
        return text[:chars]
    return text + (" " + _WORDS * (missing // len(_WORDS) + 1))[:missing]


_APART: Final = 0.05
"""Keeps vectors of different texts different, however few numbers they have."""


def vector(text: str, dimensions: int) -> list[float]:
    """A vector of length 1 that depends on the text alone; texts of like spelling are near each other.

    Every three bytes in a row count for one number of it, up or down, as their checksum says.
    """
    rng = random.Random(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    raw = [rng.uniform(-_APART, _APART) for _ in range(dimensions)]
    spelt = f" {' '.join(text.lower().split())} ".encode("utf-8", "surrogatepass")
    for start in range(len(spelt) - 2):
        place = zlib.crc32(spelt[start : start + 3])
        raw[place % dimensions] += 1.0 if place & 0x80000000 else -1.0
    norm = sum(value * value for value in raw) ** 0.5 or 1.0
    return [value / norm for value in raw]
