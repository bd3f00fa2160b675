"""A stream as ConverseStream sends it: the role, the blocks one after another, how it ended, and the usage."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.call import Finished, ReasoningDelta, TextDelta, ToolDelta, Usage
from penstock.errors import CallError
from penstock.wire.bedrock.server import exception_name, stop_of, trace_of
from penstock.wire.bedrock.words import more_fields, thought_blocks, usage_object
from penstock.wire.blocks import BlockEncoder, Content
from penstock.wire.eventstream import event_frame, exception_frame

__all__ = ["StreamEncoder"]

_encode = msgspec.json.Encoder().encode


class StreamEncoder(BlockEncoder):
    """One stream's state: a `penstock.wire.codec.Encoder`.

    Blocks of tools end together, since their fragments may take turns.
    """

    __slots__ = ("_thought", "_tools")

    def __init__(self, *, model: str) -> None:
        super().__init__(model)
        self._tools: dict[int, int] = {}
        """From a call's number to its block's."""
        self._thought = False
        """What is thought was said already, so that only its signature is missing."""

    def end(self) -> bytes:
        """The end of what is open, the stop reason, and the usage."""
        finish = self._finish or Finished("unknown")
        usage = self._usage or Usage()
        refusal = "".join(self._refusal)
        stop: dict[str, Any] = {"stopReason": stop_of(finish.finish, finish.finish_raw, refused=bool(refusal))}
        more = more_fields(refusal, usage)
        if more:
            stop["additionalModelResponseFields"] = more
        metadata: dict[str, Any] = {"usage": usage_object(usage), "metrics": {"latencyMs": 0}}
        if self._model:
            metadata["trace"] = trace_of(self._model)
        closing = self._begin() + self._close()
        closing += b"".join([self._stop(at) for at in self._tools.values()])
        return closing + _said("messageStop", **stop) + _said("metadata", **metadata)

    def fail(self, error: CallError) -> bytes:
        """An exception; nothing follows it."""
        name = exception_name(error)
        return exception_frame(name[:1].lower() + name[1:], _encode({"message": error.message}))

    def _start(self) -> bytes:
        return _said("messageStart", role="assistant")

    def _content(self, event: Content) -> bytes:
        if isinstance(event, TextDelta):
            return self._opened("text") + self._delta({"text": event.text})
        if isinstance(event, ReasoningDelta):
            self._thought = True
            return self._opened("thought") + self._delta({"reasoningContent": {"text": event.text}})
        if isinstance(event, ToolDelta):
            return self._call(event)
        blocks = thought_blocks(event.fields.get("reasoning_details"))
        return b"".join([self._detail(block["reasoningContent"]) for block in blocks])

    def _call(self, event: ToolDelta) -> bytes:
        at, opened = self._tools.get(event.index), b""
        if at is None:
            use = {"toolUseId": event.id or f"call_{event.index}", "name": event.name}
            at = self._tools[event.index] = self._size
            opened = self._close() + _said("contentBlockStart", contentBlockIndex=at, start={"toolUse": use})
            self._size += 1
        if not event.arguments:
            return opened
        delta = {"toolUse": {"input": event.arguments}}
        return opened + _said("contentBlockDelta", contentBlockIndex=at, delta=delta)

    def _detail(self, thought: dict[str, Any]) -> bytes:
        """A signature for the thoughts that were said, or a thought of which nothing was."""
        closed = thought.get("redactedContent")
        if closed is not None:
            opened = self._close() + self._opened("closed")
            return opened + self._delta({"reasoningContent": {"redactedContent": closed}}) + self._close()
        text = thought["reasoningText"]
        opened = self._opened("thought")
        if not self._thought and text["text"]:
            opened += self._delta({"reasoningContent": {"text": text["text"]}})
        self._thought = False
        return opened + self._delta({"reasoningContent": {"signature": text["signature"]}}) + self._close()

    def _opened(self, what: str) -> bytes:
        """The end of another block that was open; one of `what` begins with its first delta."""
        if self._open == what:
            return b""
        closed = self._close()
        self._open = what
        self._size += 1
        return closed

    def _stop(self, at: int) -> bytes:
        return _said("contentBlockStop", contentBlockIndex=at)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _said("contentBlockDelta", contentBlockIndex=self._size - 1, delta=delta)


def _said(event_type: str, **fields: Any) -> bytes:
    return event_frame(event_type, _encode(fields))
