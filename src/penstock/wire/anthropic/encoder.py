"""A stream as Anthropic sends it: a message that begins, its blocks one after another, and how it ended."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.call import Event, Finished, ReasoningDelta, Started, TextDelta, ToolDelta, Usage
from penstock.errors import CallError
from penstock.wire.anthropic.forms import Form
from penstock.wire.anthropic.server import error_object, message_object, stop_of, thought_block
from penstock.wire.anthropic.words import usage_object
from penstock.wire.blocks import BlockEncoder, Content
from penstock.wire.eventstream import chunk_frame

__all__ = ["StreamEncoder"]

_encode = msgspec.json.Encoder().encode


class StreamEncoder(BlockEncoder):
    """One stream's state: a `penstock.wire.codec.Encoder`.

    A usage that comes before the first word goes out with the message's beginning, the last one with its end. Blocks of
    tools end together, since their fragments may take turns.
    """

    __slots__ = ("_form", "_id", "_thought", "_tools")

    def __init__(self, *, model: str, id: str, form: Form = "direct") -> None:  # noqa: A002
        super().__init__(model)
        self._id = id
        self._form = form
        self._tools: dict[int, int] = {}
        """From a call's number to its block's."""
        self._thought = False
        """What is thought was said already, so that only its signature is missing."""

    def end(self) -> bytes:
        """The end of what is open, the stop reason with the usage, and the terminator."""
        return self.close() + self.stop()

    def stop(self) -> bytes:
        """The terminator."""
        return self._said("message_stop")

    def close(self) -> bytes:
        """What `end` says before the terminator."""
        finish = self._finish or Finished("unknown")
        reason, details = stop_of(finish.finish, finish.finish_raw, "".join(self._refusal))
        delta = {"stop_reason": reason, "stop_sequence": None, "stop_details": details}
        closing = self._begin() + self._close()
        closing += b"".join([self._stop(at) for at in self._tools.values()])
        usage = usage_object(self._usage or Usage())
        return closing + self._said("message_delta", delta=delta, usage=usage)

    def fail(self, error: CallError) -> bytes:
        """An error event; nothing follows it."""
        return self._framed("error", _encode(error_object(error)))

    def _piece(self, event: Event) -> bytes:
        # The beginning waits for the first word, as the usage of the input may come before it.
        return b"" if isinstance(event, Started) else super()._piece(event)

    def _start(self) -> bytes:
        usage = self._usage or Usage()
        started = msgspec.structs.replace(usage, output_tokens=0, reasoning_tokens=0)
        return self._said("message_start", message=message_object(self._model, self._id, started))

    def _content(self, event: Content) -> bytes:
        if isinstance(event, TextDelta):
            opened = self._opened("text", {"type": "text", "text": ""})
            return opened + self._delta(self._size - 1, {"type": "text_delta", "text": event.text})
        if isinstance(event, ReasoningDelta):
            self._thought = True
            opened = self._opened("thinking", {"type": "thinking", "thinking": "", "signature": ""})
            return opened + self._delta(self._size - 1, {"type": "thinking_delta", "thinking": event.text})
        if isinstance(event, ToolDelta):
            return self._call(event)
        details = event.fields.get("reasoning_details")
        return b"".join([self._detail(detail) for detail in details or ()])

    def _call(self, event: ToolDelta) -> bytes:
        at, opened = self._tools.get(event.index), b""
        if at is None:
            block = {"type": "tool_use", "id": event.id or f"call_{event.index}", "name": event.name, "input": {}}
            opened = self._close() + self._said("content_block_start", index=self._size, content_block=block)
            at = self._tools[event.index] = self._size
            self._size += 1
        if not event.arguments:
            return opened
        return opened + self._delta(at, {"type": "input_json_delta", "partial_json": event.arguments})

    def _detail(self, detail: Any) -> bytes:
        """A signature for the thoughts that were said, or a thinking block of which nothing was."""
        block = thought_block(detail)
        if block is None:
            return b""
        if block["type"] == "redacted_thinking":
            at, self._size = self._size, self._size + 1
            begun = self._close() + self._said("content_block_start", index=at, content_block=block)
            return begun + self._said("content_block_stop", index=at)
        opened = self._opened("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if not self._thought and block["thinking"]:
            opened += self._delta(self._size - 1, {"type": "thinking_delta", "thinking": block["thinking"]})
        self._thought = False
        signed = self._delta(self._size - 1, {"type": "signature_delta", "signature": block["signature"]})
        return opened + signed + self._close()

    def _opened(self, kind: str, block: dict[str, Any]) -> bytes:
        """The beginning of a block of `kind`; b"" when one is open."""
        if self._open == kind:
            return b""
        closed = self._close()
        self._open = kind
        self._size += 1
        return closed + self._said("content_block_start", index=self._size - 1, content_block=block)

    def _stop(self, at: int) -> bytes:
        return self._said("content_block_stop", index=at)

    def _delta(self, at: int, delta: dict[str, Any]) -> bytes:
        return self._said("content_block_delta", index=at, delta=delta)

    def _said(self, kind: str, **fields: Any) -> bytes:
        return self._framed(kind, _encode({"type": kind, **fields}))

    def _framed(self, kind: str, data: bytes) -> bytes:
        if self._form == "bedrock":
            return chunk_frame(data)
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"
