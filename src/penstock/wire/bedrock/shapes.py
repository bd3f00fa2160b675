"""What is read of a whole answer. A tool's input keeps the spelling that the model gave it."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.wire.bending import bent

__all__ = ["BlockShape", "ReplyShape", "ToolUseShape", "decode_reply"]


class ToolUseShape(msgspec.Struct, rename="camel"):
    """A call of a tool."""

    name: str | None = None
    tool_use_id: str | None = None
    type: str | None = None
    input: msgspec.Raw = msgspec.Raw()


class BlockShape(msgspec.Struct, rename="camel"):
    """A content block of any type."""

    text: str | None = None
    tool_use: ToolUseShape | None = None
    reasoning_content: Any = None
    citations_content: Any = None


class MessageShape(msgspec.Struct):
    """An assistant's message."""

    content: list[BlockShape] | None = None


class OutputShape(msgspec.Struct):
    """What holds the message."""

    message: MessageShape | None = None


class ReplyShape(msgspec.Struct, rename="camel"):
    """A whole answer, or what came instead of one."""

    output: OutputShape | None = None
    stop_reason: str | None = None
    usage: Any = None
    trace: Any = None
    additional_model_response_fields: Any = None


_reply = msgspec.json.Decoder(ReplyShape).decode


def decode_reply(body: bytes) -> ReplyShape:
    """An answer. Raises `ValueError` for what is none."""
    try:
        return _reply(body)
    except (msgspec.MsgspecError, RecursionError):
        return bent(body, ReplyShape)
