"""A stream as OpenAI sends it: chunks, perhaps a usage chunk, and `[DONE]`."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.call import (
    Call,
    Choice,
    Event,
    Finished,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    Usage,
    UsageUpdate,
)
from penstock.errors import CallError
from penstock.wire.openai.chunks import reference_chunk, thinking_chunk
from penstock.wire.openai.server import finish_word, usage_object
from penstock.wire.refusals import error_object

__all__ = ["StreamEncoder"]

_encode = msgspec.json.Encoder().encode


class StreamEncoder:
    """One stream's state: a `penstock.wire.codec.Encoder`.

    The usage goes out once, before `[DONE]`, when the client asked with `stream_options.include_usage` or `tells_usage`
    says that it comes unasked. `in_chunks`: thoughts and references are chunks of the content.
    """

    __slots__ = ("_begun", "_created", "_id", "_in_chunks", "_include_usage", "_is_chat", "_model", "_usage")

    def __init__(
        self,
        call: Call,
        *,
        model: str,
        id: str,  # noqa: A002
        in_chunks: bool = False,
        tells_usage: bool = False,
    ) -> None:
        options = call.body.get("stream_options")
        asked = isinstance(options, dict) and options.get("include_usage") is True
        self._include_usage = tells_usage or asked
        self._is_chat = call.kind == "chat"
        self._in_chunks = in_chunks
        self._model = model
        self._id = id
        self._created = 0
        self._begun: set[int] = set()
        self._usage: Usage | None = None

    def feed(self, events: list[Event]) -> bytes:
        """The chunks that `events` make; b"" when they make none."""
        return b"".join([self._piece(event) for event in events])

    def end(self) -> bytes:
        """The usage, where it was asked for, and the terminator."""
        usage = b""
        if self._include_usage and self._usage is not None:
            usage = self._frame([], usage_object(self._usage))
        return usage + b"data: [DONE]\n\n"

    def fail(self, error: CallError) -> bytes:
        """An error event; nothing follows it."""
        return b"data: " + _encode(error_object(error)) + b"\n\n"

    def _piece(self, event: Event) -> bytes:
        if isinstance(event, TextDelta):
            if not self._is_chat:
                return self._text(event)
            return self._delta(event.choice, {"content": event.text}, event.logprobs)
        if isinstance(event, Started):
            self._created = event.created
            return self._role(0) if self._is_chat else b""
        if isinstance(event, UsageUpdate):
            self._usage = event.usage
            return b""
        if isinstance(event, Finished):
            word = finish_word(Choice({}, event.finish, event.finish_raw))
            role = self._role(event.choice) if self._is_chat else b""
            return role + self._choice(event.choice, {} if self._is_chat else "", word)
        if not self._is_chat:
            return b""
        fragment = _chunk(event) if self._in_chunks else None
        return self._delta(event.choice, _fragment(event) if fragment is None else fragment, None)

    def _role(self, choice: int) -> bytes:
        """Each choice begins with its role; b"" when it has begun."""
        if choice in self._begun:
            return b""
        self._begun.add(choice)
        return self._choice(choice, {"role": "assistant", "content": ""}, None)

    def _delta(self, choice: int, delta: dict[str, Any], logprobs: Any) -> bytes:
        return self._role(choice) + self._choice(choice, delta, None, logprobs)

    def _text(self, event: TextDelta) -> bytes:
        return self._choice(event.choice, event.text, None, event.logprobs)

    def _choice(self, index: int, said: dict[str, Any] | str, finish: str | None, logprobs: Any = None) -> bytes:
        name = "delta" if self._is_chat else "text"
        return self._frame([{"index": index, name: said, "logprobs": logprobs, "finish_reason": finish}], None)

    def _frame(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None) -> bytes:
        chunk: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion.chunk" if self._is_chat else "text_completion",
            "created": self._created,
            "model": self._model,
            "choices": choices,
        }
        if self._include_usage:
            chunk["usage"] = usage
        return b"data: " + _encode(chunk) + b"\n\n"


def _chunk(event: ReasoningDelta | RefusalDelta | ToolDelta | PartDelta) -> dict[str, Any] | None:
    """Thoughts and references as Mistral streams them; None for what it sends as everyone."""
    if isinstance(event, ReasoningDelta):
        return {"content": [thinking_chunk(event.text)]}
    if isinstance(event, PartDelta) and isinstance(references := event.fields.get("references"), list):
        return {"content": [reference_chunk(one) for one in references]}
    return None


def _fragment(event: ReasoningDelta | RefusalDelta | ToolDelta | PartDelta) -> dict[str, Any]:
    if isinstance(event, PartDelta):
        return event.fields
    if isinstance(event, ReasoningDelta):
        return {"reasoning_content": event.text}
    if isinstance(event, RefusalDelta):
        return {"refusal": event.text}
    function: dict[str, str] = {"arguments": event.arguments}
    call: dict[str, Any] = {"index": event.index}
    if event.id:
        call |= {"id": event.id, "type": "function"}
    if event.name:
        function["name"] = event.name
    if event.extra is not None:
        call["extra_content"] = event.extra
    return {"tool_calls": [{**call, "function": function}]}
