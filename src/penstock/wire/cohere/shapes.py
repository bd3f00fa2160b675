"""What is read of an answer and of a stream's event, as typed shapes."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = [
    "CallShape",
    "ContentShape",
    "EventShape",
    "FragmentShape",
    "MessageShape",
    "ReplyShape",
    "TextShape",
    "decode_event",
    "decode_piece",
    "decode_reply",
]


class FunctionShape(msgspec.Struct):
    """The tool that is called."""

    name: str | None = None
    arguments: Any = None


class CallShape(msgspec.Struct):
    """A call of a tool; in the API's first version it holds `name` and `parameters` itself."""

    id: str | None = None
    function: FunctionShape | None = None
    name: str | None = None
    parameters: Any = None


class ContentShape(msgspec.Struct):
    """A block of text or thought."""

    type: str | None = None
    text: str | None = None
    thinking: str | None = None


class MessageShape(msgspec.Struct):
    """An assistant's message. `refusal` is a word of servers like ours: Cohere has none."""

    content: list[ContentShape] | ContentShape | str | None = None
    tool_plan: str | None = None
    tool_calls: list[CallShape] | CallShape | None = None
    citations: Any = None
    refusal: str | None = None


class ReplyShape(msgspec.Struct):
    """A whole answer, or what came instead of one; `text`, `tool_calls` and `meta` are the first version's."""

    message: MessageShape | None = None
    finish_reason: str | None = None
    usage: Any = None
    logprobs: Any = None
    id: str | None = None
    model: str | None = None
    text: str | None = None
    tool_calls: list[CallShape] | None = None
    citations: Any = None
    generation_id: str | None = None
    meta: Any = None


class DeltaShape(msgspec.Struct):
    """What an event adds, or how the message ended."""

    message: MessageShape | None = None
    finish_reason: str | None = None
    usage: Any = None
    error: Any = None
    error_type: str | None = None


class EventShape(msgspec.Struct):
    """One event of a stream; those of the first version have an `event_type` and no delta."""

    type: str | None = None
    index: int = 0
    delta: DeltaShape | None = None
    logprobs: Any = None
    id: str | None = None
    model: str | None = None
    event_type: str | None = None
    text: str | None = None
    generation_id: str | None = None
    tool_calls: list[CallShape] | None = None
    finish_reason: str | None = None
    response: Any = None


class _TextContent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    text: str


class _TextMessage(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    content: _TextContent


class _TextDelta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    message: _TextMessage


class TextShape(msgspec.Struct, tag_field="type", tag="content-delta", forbid_unknown_fields=True, gc=False):
    """An event that holds a piece of text and nothing else, which nearly every event of a stream does."""

    delta: _TextDelta
    index: int = 0


class _Function(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    arguments: str


class _Call(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    function: _Function


class _CallMessage(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    tool_calls: _Call


class _CallDelta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    message: _CallMessage


class FragmentShape(msgspec.Struct, tag_field="type", tag="tool-call-delta", forbid_unknown_fields=True, gc=False):
    """The same for a piece of a tool's arguments."""

    delta: _CallDelta
    index: int


decode_reply = msgspec.json.Decoder(ReplyShape).decode
decode_event = msgspec.json.Decoder(EventShape).decode
decode_piece = msgspec.json.Decoder(TextShape | FragmentShape).decode
