"""The parts of Anthropic's JSON that are read, as typed structs: what nobody reads is skipped, not built."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.wire.bending import bent

__all__ = [
    "Block",
    "Delta",
    "Reply",
    "StopDetails",
    "StreamEvent",
    "ThoughtCount",
    "UsageShape",
    "bend_event",
    "decode_event",
    "decode_reply",
]


class ThoughtCount(msgspec.Struct, gc=False):
    thinking_tokens: int | None = None


class CacheCreation(msgspec.Struct, gc=False):
    ephemeral_1h_input_tokens: int | None = None


class UsageShape(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: ThoughtCount | None = None


class StopDetails(msgspec.Struct):
    explanation: str | None = None


class Block(msgspec.Struct):
    """A content block of any type."""

    type: str
    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    citations: list[Any] | None = None


class Reply(msgspec.Struct):
    """A message, or what came instead of one. `completion` is the text of the retired `/v1/complete`."""

    type: str = ""
    id: str | None = None
    model: str | None = None
    content: list[Block] | None = None
    stop_reason: str | None = None
    stop_details: StopDetails | None = None
    usage: UsageShape | None = None
    completion: str | None = None
    error: Any = None


class Delta(msgspec.Struct):
    """What changed: of a block, or of the message at its end."""

    type: str = ""
    text: str | None = None
    partial_json: str | None = None
    thinking: str | None = None
    signature: str | None = None
    citation: Any = None
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class StreamEvent(msgspec.Struct):
    """One event of a stream, of any type."""

    type: str = ""
    index: int = 0
    delta: Delta | None = None
    content_block: Block | None = None
    message: Reply | None = None
    usage: UsageShape | None = None
    id: str | None = None
    model: str | None = None
    completion: str | None = None
    stop_reason: str | None = None
    error: Any = None


decode_event = msgspec.json.Decoder(StreamEvent).decode
_reply = msgspec.json.Decoder(Reply).decode
_READ = frozenset(("text", "thinking", "redacted_thinking", "tool_use"))


def decode_reply(body: bytes) -> Reply:
    """A message. Raises `ValueError` for what is none."""
    try:
        return _reply(body)
    except (msgspec.MsgspecError, RecursionError):
        return bent(body, Reply, _without_unread)


def bend_event(data: bytes) -> StreamEvent:
    """An event that `decode_event` refused. Raises `ValueError` for what is none."""
    return bent(data, StreamEvent, _without_unread)


def _without_unread(whole: Any) -> Any:
    """A message or event whose blocks of other types, which nobody reads, are nothing but their type."""
    if isinstance(whole, dict):
        content, block = whole.get("content"), whole.get("content_block")
        if isinstance(content, list):
            whole["content"] = [_unless_unread(one) for one in content]
        if block is not None:
            whole["content_block"] = _unless_unread(block)
    return whole


def _unless_unread(block: Any) -> Any:
    kind = block.get("type") if isinstance(block, dict) else None
    return {"type": kind} if isinstance(kind, str) and kind not in _READ else block
