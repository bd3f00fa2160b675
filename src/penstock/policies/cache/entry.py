"""What is kept of an answer, as bytes; and which answers are worth it. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from typing import Annotated, Any, Final

import msgspec

from penstock.call import Choice, Completion, Kind, Status, Usage, status_of
from penstock.fold import apart

__all__ = ["Decode", "Kept", "completion_of", "pack", "read", "to_keep", "unpack", "worth_keeping"]

_FORM: Final = b"\x02"
_HEAD: Final = 5
_PARTS: Final = Usage.__struct_fields__
_PLAIN: Final = 5

Decode = Callable[[Kind, str, bytes], Completion]
"""From a kind, a target and OpenAI's object to the completion in it."""


class Kept(msgspec.Struct, array_like=True):
    """An answer as a store has it. `whole` is None where `raw`, OpenAI's own object, says everything; `status` and
    `tokens` (those of its `Usage`, in its order) spare who only hands it on to read it."""

    target: str
    kind: Kind
    request_id: str | None
    status: Status
    tokens: Annotated[tuple[int, ...], msgspec.Meta(min_length=_PLAIN, max_length=len(_PARTS))] | None
    raw: bytes
    whole: Completion | None = None

    @classmethod
    def of(
        cls, target: str, kind: Kind, *, request_id: str | None, status: Status, usage: Usage | None, raw: bytes
    ) -> Kept:
        """Of an answer of which `raw` says everything."""
        return cls(target, kind, request_id, status, _tokens(usage), raw)

    @property
    def usage(self) -> Usage | None:
        return None if self.tokens is None else Usage(*self.tokens)


def _tokens(usage: Usage | None) -> tuple[int, ...] | None:
    """Those that few answers have are left out where they are 0."""
    if usage is None:
        return None
    tokens = msgspec.structs.astuple(usage)
    return tokens if any(tokens[_PLAIN:]) else tokens[:_PLAIN]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Kept).decode


def to_keep(completion: Completion, *, raw_says_all: bool) -> Kept:
    """What is kept of the answer, and nothing that refers to the rest of it where `raw_says_all`."""
    whole = None
    if not (raw_says_all and completion.raw):
        # Written later: what the caller makes of the answer until then is none of the model's.
        whole = apart(msgspec.structs.replace(completion, raw=b"", attempts=(), requests_sent=0, latency_s=0.0))
    tokens, status = _tokens(completion.usage), status_of(completion)
    return Kept(completion.target, completion.kind, completion.request_id, status, tokens, completion.raw, whole)


def pack(kept: Kept) -> bytes:
    """The same as bytes, with a checksum in front. Raises `TypeError`, `ValueError` or `OverflowError` for what has no
    form."""
    packed = _encode(kept)
    return _FORM + zlib.crc32(packed).to_bytes(4, "big") + packed


def read(value: bytes) -> Kept:
    """What `pack` made. Raises `ValueError` for what it didn't make or something has changed."""
    packed = value[_HEAD:]
    if value[:_HEAD] != _FORM + zlib.crc32(packed).to_bytes(4, "big") or not packed:
        raise ValueError("a cached answer isn't as it was kept")
    return _decode(packed)


def unpack(value: bytes, decode: Decode, *, target: str = "") -> Completion:
    """The completion, marked as cached; by `target` where it doesn't say whose it is.

    Raises `ValueError` as `read` does, `CallError` for what is no answer.
    """
    return completion_of(read(value), decode, target=target)


def completion_of(kept: Kept, decode: Decode, *, target: str = "") -> Completion:
    """See `unpack`."""
    completion = kept.whole
    target = kept.target or target
    if completion is None:
        completion = decode(kept.kind, target, kept.raw)
        completion.request_id = kept.request_id
    completion.raw = kept.raw
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
    choices = completion.choices
    if len(choices) == 1 and choices[0].finish == "stop":
        return _says_something(choices[0])
    status = status_of(completion)
    if status != "success" and status not in keep:
        return False
    return bool(choices) and all(_says_something(choice) for choice in choices)


def _says_something(choice: Choice) -> bool:
    message = choice.message
    content: Any = message.get("content")
    if isinstance(content, str):
        content = not content.isspace() and content
    return bool(content) or any(value for name, value in message.items() if name not in _EMPTY)


_EMPTY: Final = frozenset(("role", "content", "reasoning", "reasoning_content", "reasoning_details", "annotations"))
"""Parts of a message that are no answer by themselves."""
