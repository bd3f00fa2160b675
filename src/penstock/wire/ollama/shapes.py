"""What is read of an answer: a stream's line has the same form as a whole one."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["CallShape", "MessageShape", "PieceShape", "TextShape", "decode_piece", "decode_text"]


class FunctionShape(msgspec.Struct):
    """The tool that is called; its arguments are an object."""

    name: str | None = None
    arguments: msgspec.Raw = msgspec.Raw()


class CallShape(msgspec.Struct):
    """A call of a tool, always whole. Servers before 2025 gave no id."""

    id: str | None = None
    function: FunctionShape | None = None


class MessageShape(msgspec.Struct):
    """An assistant's message. `refusal` is a word of servers like ours: Ollama has none."""

    content: str | None = None
    thinking: str | None = None
    tool_calls: list[CallShape] | None = None
    refusal: str | None = None


class PieceShape(msgspec.Struct):
    """A whole answer or a line of a stream; `response` and `thinking` are `/api/generate`'s."""

    message: MessageShape | None = None
    done: bool | None = None
    done_reason: str | None = None
    model: str | None = None
    created_at: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    usage_details: Any = None
    logprobs: Any = None
    response: str | None = None
    thinking: str | None = None
    error: Any = None


class _TextMessage(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    content: str
    role: str = ""


class TextShape(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line that holds a piece of text and nothing else, which nearly every line of a stream does."""

    message: _TextMessage
    done: bool
    model: str = ""
    created_at: str = ""


decode_piece = msgspec.json.Decoder(PieceShape).decode
decode_text = msgspec.json.Decoder(TextShape).decode
