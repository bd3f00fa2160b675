"""What is kept of an answer, as bytes; and which answers are worth it. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec

from penstock.call import Choice, Completion, Kind, Status, status_of

__all__ = ["Decode", "Kept", "pack", "unpack", "worth_keeping"]

_FORM: Final = b"\x01"
_HEAD: Final = 5

Decode = Callable[[Kind, str, bytes], Completion]
"""From a kind, a target and OpenAI's object to the completion in it."""


class Kept(msgspec.Struct, array_like=True):
    """An answer as a store has it. `whole` is None where `raw`, OpenAI's own object, says everything."""

    target: str
    kind: Kind
    request_id: str | None
    raw: bytes
    whole: Completion | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


def pack(completion: Completion, *, raw_says_all: bool) -> bytes:
    """The answer with a checksum in front. Raises `TypeError`, `ValueError` or `OverflowError` for what has no form."""
    whole = None
    if not (raw_says_all and completion.raw):
        whole = msgspec.structs.replace(completion, raw=b"", attempts=(), requests_sent=0, latency_s=0.0)
    kept = _encode(Kept(completion.target, completion.kind, completion.request_id, completion.raw, whole))
    return _FORM + zlib.crc32(kept).to_bytes(4, "big") + kept


def unpack(value: bytes, decode: Decode, *, target: str = "") -> Completion:
    """The completion, marked as cached; by `target` where it doesn't say whose it is.

    Raises `ValueError` for what `pack` didn't make or something has changed, `CallError` for what is no answer.
    """
    kept = value[_HEAD:]
    if value[:1] != _FORM or not kept or zlib.crc32(kept) != int.from_bytes(value[1:_HEAD], "big"):
        raise ValueError("a cached answer isn't as it was kept")
    found = _decode(kept)
    completion = found.whole
    target = found.target or target
    if completion is None:
        completion = decode(found.kind, target, found.raw)
        completion.request_id = found.request_id
    completion.raw = found.raw
    completion.target = target
    completion.attempts = ()
    completion.requests_sent = 0
    completion.latency_s = 0.0
    completion.cost_usd = 0.0
    completion.cached = True
    return completion


def worth_keeping(completion: Completion, keep: Collection[Status] = ()) -> bool:
    """It is whole and says something. `keep` names endings that are kept although they aren't a success."""
    if completion.cached or completion.malformed_events:
        return False
    if completion.kind == "embedding":
        return bool(completion.vectors)
    status = status_of(completion)
    if status != "success" and status not in keep:
        return False
    return bool(completion.choices) and all(_says_something(choice) for choice in completion.choices)


def _says_something(choice: Choice) -> bool:
    message = choice.message
    content: Any = message.get("content")
    if isinstance(content, str):
        content = content.strip()
    return bool(content) or any(value for name, value in message.items() if name not in _EMPTY)


_EMPTY: Final = frozenset(("role", "content", "reasoning", "reasoning_content", "reasoning_details", "annotations"))
"""Parts of a message that are no answer by themselves."""
