"""A stream as Cohere sends it: the message's beginning, its blocks, its calls of tools, its end, and `[DONE]`."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.call import Finished, ReasoningDelta, TextDelta, ToolDelta
from penstock.errors import CallError
from penstock.wire.blocks import BlockEncoder, Content
from penstock.wire.cohere.server import word_of
from penstock.wire.cohere.words import usage_object
from penstock.wire.refusals import class_name

__all__ = ["StreamEncoder"]

_encode = msgspec.json.Encoder().encode
_START = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}


class StreamEncoder(BlockEncoder):
    """One stream's state: a `penstock.wire.codec.Encoder`."""

    __slots__ = ("_id", "_tools")

    def __init__(self, *, model: str, id: str) -> None:  # noqa: A002
        super().__init__(model)
        self._id = id
        self._tools: list[int] = []
        """The calls that are open; their fragments may take turns."""

    def close(self) -> bytes:
        """The end of what is open, the finish reason, and the usage."""
        finish = self._finish or Finished("unknown")
        delta: dict[str, Any] = {"finish_reason": word_of(finish.finish, finish.finish_raw)}
        if self._usage is not None:
            delta["usage"] = usage_object(self._usage)
        if self._refusal:
            delta["message"] = {"refusal": "".join(self._refusal)}
        ends = b"".join([_said("tool-call-end", index=index) for index in self._tools])
        return self._begin() + self._close() + ends + _said("message-end", delta=delta)

    def end(self) -> bytes:
        """The same, and the terminator."""
        return self.close() + b"data: [DONE]\n\n"

    def fail(self, error: CallError) -> bytes:
        """An error in the message's end; nothing follows it."""
        return _said(
            "message-end", delta={"finish_reason": "ERROR", "error": error.message, "error_type": class_name(error)}
        )

    def _start(self) -> bytes:
        model = {"model": self._model} if self._model else {}
        return _said("message-start", id=self._id, delta={"message": _START}, **model)

    def _content(self, event: Content) -> bytes:
        if isinstance(event, TextDelta):
            return self._block("text", event.text)
        if isinstance(event, ReasoningDelta):
            return self._block("thinking", event.text)
        if isinstance(event, ToolDelta):
            return self._call(event)
        cited = event.fields.get("citations")
        found = enumerate(cited if isinstance(cited, list) else ())
        return b"".join([_said("citation-start", index=at, delta={"message": {"citations": one}}) for at, one in found])

    def _block(self, kind: str, text: str) -> bytes:
        opened = b""
        if self._open != kind:
            opened = self._close()
            self._open = kind
            start = {"message": {"content": {"type": kind, kind: ""}}}
            opened += _said("content-start", index=self._size, delta=start)
            self._size += 1
        delta = {"message": {"content": {kind: text}}}
        return opened + _said("content-delta", index=self._size - 1, delta=delta)

    def _stop(self, at: int) -> bytes:
        return _said("content-end", index=at)

    def _call(self, event: ToolDelta) -> bytes:
        function: dict[str, str] = {"arguments": event.arguments}
        if event.index in self._tools:
            delta = {"message": {"tool_calls": {"function": function}}}
            return _said("tool-call-delta", index=event.index, delta=delta) if event.arguments else b""
        self._tools.append(event.index)
        call = {"id": event.id or f"call_{event.index}", "type": "function"}
        said = {"message": {"tool_calls": {**call, "function": {"name": event.name, **function}}}}
        return self._close() + _said("tool-call-start", index=event.index, delta=said)


def _said(event: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (event.encode(), _encode({"type": event, **fields}))
