"""A stream as Ollama sends it: one JSON object a line; calls of tools are whole, and the last line is `done`."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.call import (
    Call,
    Event,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    Usage,
    UsageUpdate,
)
from penstock.errors import CallError
from penstock.wire.ollama.server import call_object, ending, error_body, piece

__all__ = ["StreamEncoder"]

_encode = msgspec.json.Encoder().encode


class StreamEncoder:
    """One stream's state: a `penstock.wire.codec.Encoder`. Only the first choice is said: the wire has one."""

    __slots__ = ("_created", "_finish", "_kind", "_model", "_tools", "_usage")

    def __init__(self, call: Call, *, model: str) -> None:
        self._kind = call.kind
        self._model = model
        self._created = 0
        self._tools: dict[int, list[str]] = {}
        """The id, the name, and the fragments of the arguments: kept until they are whole."""
        self._finish: Finished | None = None
        self._usage: Usage | None = None

    def feed(self, events: list[Event]) -> bytes:
        """The lines that `events` make; b"" when they make none yet."""
        return b"".join([self._piece(event) for event in events])

    def end(self) -> bytes:
        """The calls of tools, and the line that is `done`."""
        finish = self._finish or Finished("unknown")
        said = ending(finish.finish, finish.finish_raw, self._usage)
        return self._calls() + self._line({}, said)

    def fail(self, error: CallError) -> bytes:
        """A line with an error; nothing follows it."""
        return _encode(error_body(error)) + b"\n"

    def _piece(self, event: Event) -> bytes:
        match event:
            case Started():
                self._created = event.created
            case UsageUpdate():
                self._usage = event.usage
            case TextDelta(choice=0):
                return self._line({"content": event.text})
            case ReasoningDelta(choice=0):
                return self._line({"thinking": event.text})
            case RefusalDelta(choice=0):
                return self._line({"refusal": event.text})
            case ToolDelta(choice=0):
                tool = self._tools.setdefault(event.index, ["", event.name])
                tool[0] = tool[0] or event.id
                tool.append(event.arguments)
            case Finished(choice=0):
                self._finish = event
        return b""

    def _calls(self) -> bytes:
        if not self._tools:
            return b""
        calls = [
            call_object(index, id_ or f"call_{index}", name, "".join(arguments))
            for index, (id_, name, *arguments) in sorted(self._tools.items())
        ]
        return self._line({"tool_calls": calls})

    def _line(self, said: dict[str, Any], end: dict[str, Any] | None = None) -> bytes:
        return _encode(piece(self._kind, self._model, self._created, said, end)) + b"\n"
