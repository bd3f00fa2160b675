"""From a stream's bytes to events: `/v2/chat`, and what the API's first version sends line by line.

The order of events that comes out: `Started`, what is said, the citations beside it, `Finished`, the usage.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from penstock.call import Event, Finished, PartDelta, ReasoningDelta, RefusalDelta, Started, TextDelta, ToolDelta
from penstock.errors import CallError, ErrorKind
from penstock.wire.bending import decoded
from penstock.wire.calls import id_of_its_own
from penstock.wire.cohere.errors import in_band
from penstock.wire.cohere.reply import arguments_of
from penstock.wire.cohere.shapes import CallShape, ContentShape, EventShape, TextShape, decode_event, decode_piece
from penstock.wire.cohere.words import finish_of, logprobs_of, usage_of
from penstock.wire.fault import fault_in
from penstock.wire.pieces import PieceDecoder
from penstock.wire.streaming import StreamState, last_events, loose

__all__ = ["StreamDecoder"]

_TEXT: Final = b"event: content-delta\ndata: "
_ARGUMENTS: Final = b"event: tool-call-delta\ndata: "


class StreamDecoder(StreamState):
    """One stream's state: a `penstock.wire.codec.Decoder`."""

    __slots__ = ("_finish", "_finish_raw", "_held", "_places", "_sse", "_started")

    def __init__(self) -> None:
        super().__init__()
        self._sse = PieceDecoder(_TEXT)
        self._started = self._finish = False
        self._finish_raw: str | None = None
        self._places: dict[int, int] = {}
        """From Cohere's number of a tool's call to ours, which counts from 0."""
        self._held: list[Event] = []

    def _read(self, data: bytes, events: list[Event]) -> None:
        if self._flows and (pieces := self._sse.pieces(data)) is not None:
            for piece in pieces:
                if not (self._flows and self._take_piece(piece, events)):
                    self._take(piece, events)
                    if self._over or self._failure is not None:
                        break
            return
        for event in self._sse.feed(data):
            if self._flows and self._take_piece(event.data, events):
                continue
            self._take(event.data, events)
            if self._over or self._failure is not None:
                break

    def _conclude(self, events: list[Event]) -> None:
        if not self._over:
            for event in last_events(self._sse):
                self._take(event.data, events)
            if self._said_whole:
                return
        self._failure = self._failure or self._verdict()
        if self._failure is None:
            events.extend(self._held)
            self._held.clear()

    def _verdict(self) -> CallError | None:
        """Why this is no whole answer: None when it is one."""
        if not self._finish:
            return self._cut("a finish reason", begun=self._started, stray=self._sse.first_stray)
        finish = finish_of(self._finish_raw, has_tool_calls=bool(self._places))
        if not (self._said or finish in ("length", "content_filter")):
            return self._error("empty", "the stream ended without text or tool call")
        return None

    def _is_event(self, said: dict[str, Any]) -> bool:
        # The first version's line of text has what an answer of it has.
        return "event_type" in said

    def _take_piece(self, data: bytes, events: list[Event]) -> bool:
        """Take an event that holds a piece of text or of arguments alone, as one before it; False for any other."""
        try:
            piece = decode_piece(data)
            if type(piece) is TextShape:
                text = piece.delta.message.content.text
                if text:
                    self._said = True
                    self._text.append(text)
                    events.append(TextDelta(text))
            else:
                at, arguments = self._places[piece.index], piece.delta.message.tool_calls.function.arguments
                if arguments:
                    events.append(ToolDelta(at, "", "", arguments))
        except (ValueError, KeyError, RecursionError):
            self._stem()
            return False
        return True

    def _take(self, data: bytes, events: list[Event]) -> None:
        try:
            event, _ = decoded(data, decode_event)
        except ValueError:
            self._unreadable(data)
            return
        kind = event.type if event.type is not None else event.event_type
        if kind == "content-delta" and event.delta is not None:
            # Nearly every event of a stream is one of these.
            self._content(event, events)
            return
        handle = _HANDLERS.get(kind) if kind is not None else None
        if handle is not None:
            handle(self, event, events)
        elif fault_in(whole := loose(data)) is not None:
            self._failure = in_band(whole, data, partial=self.partial)
        elif kind is None:
            self._take_framed(data, events)

    def _unreadable(self, data: bytes) -> None:
        if data.strip() == b"[DONE]":
            self._over = True
        elif fault_in(whole := loose(data)) is not None:
            self._failure = in_band(whole, data, partial=self.partial)
        else:
            super()._unreadable(data)

    def _start(self, event: EventShape, events: list[Event]) -> None:
        if not self._started:
            self._started = True
            events.append(Started(event.model or "", event.id or event.generation_id or ""))

    def _content(self, event: EventShape, events: list[Event]) -> None:
        message = event.delta.message if event.delta is not None else None
        block = message.content if message is not None else None
        if isinstance(block, ContentShape):
            if block.text:
                self._say(block.text, event, events)
                if event.logprobs is None:
                    self._sse.aim(_TEXT)
                    self._flow()
            if block.thinking:
                events.append(ReasoningDelta(block.thinking))

    def _say(self, text: str, event: EventShape, events: list[Event]) -> None:
        self._said = True
        self._text.append(text)
        events.append(TextDelta(text, 0, logprobs_of(event.logprobs) if event.logprobs is not None else None))

    def _plan(self, event: EventShape, events: list[Event]) -> None:
        message = event.delta.message if event.delta is not None else None
        if message is not None and message.tool_plan:
            events.append(ReasoningDelta(message.tool_plan))

    def _call(self, event: EventShape, events: list[Event]) -> None:
        message = event.delta.message if event.delta is not None else None
        call = message.tool_calls if message is not None else None
        if isinstance(call, CallShape):
            self._grow(event.index, call, events)

    def _grow(self, index: int, call: CallShape, events: list[Event]) -> None:
        """A call's beginning, or a fragment of its arguments."""
        function = call.function
        arguments = arguments_of(function.arguments) if function is not None else ""
        at = self._places.get(index)
        if at is None:
            self._said = True
            at = self._places[index] = len(self._places)
            name = (function.name if function is not None else None) or ""
            events.append(ToolDelta(at, call.id or id_of_its_own(at, name), name, arguments))
        elif arguments:
            events.append(ToolDelta(at, "", "", arguments))
            self._sse.aim(_ARGUMENTS)
            self._flow()

    def _cite(self, event: EventShape, events: list[Event]) -> None:
        message = event.delta.message if event.delta is not None else None
        cited = message.citations if message is not None else None
        if cited:
            events.append(PartDelta({"citations": cited if isinstance(cited, list) else [cited]}))

    def _end(self, event: EventShape, events: list[Event]) -> None:
        delta = event.delta
        if delta is None or self._finish:
            return
        if delta.message is not None and delta.message.refusal:
            self._said = True
            events.append(RefusalDelta(delta.message.refusal))
        raw = delta.finish_reason
        if delta.error:
            self._failure = in_band({"error": delta.error, "error_type": delta.error_type}, b"", partial=self.partial)
        elif finish_of(raw, has_tool_calls=False) == "error":
            kind: ErrorKind = "timeout" if raw == "TIMEOUT" else "server_error"
            self._failure = self._error(kind, f"generation ended with {raw!r}")
        else:
            self._finished(raw, delta.usage, events)

    def _finished(self, raw: str | None, usage: object, events: list[Event]) -> None:
        self._finish, self._finish_raw = True, raw
        finish = finish_of(raw, has_tool_calls=bool(self._places))
        # Nothing was said: held until the end, so that an empty answer is a failed attempt and not a finished one.
        to = events if self._said or finish in ("length", "content_filter") else self._held
        to.append(Finished(finish, raw))
        self._tell(usage_of(usage), to)

    # -- the API's first version

    def _old_text(self, event: EventShape, events: list[Event]) -> None:
        if event.text:
            self._say(event.text, event, events)

    def _old_calls(self, event: EventShape, events: list[Event]) -> None:
        for call in event.tool_calls or ():
            self._said = True
            at = self._places[len(self._places)] = len(self._places)
            name = call.name or ""
            events.append(ToolDelta(at, id_of_its_own(at, name), name, arguments_of(call.parameters)))

    def _old_end(self, event: EventShape, events: list[Event]) -> None:
        raw = event.finish_reason
        response = event.response if isinstance(event.response, dict) else {}
        if finish_of(raw, has_tool_calls=False) == "error":
            self._failure = self._error("server_error", f"generation ended with {raw!r}")
        else:
            self._finished(raw, response.get("meta"), events)


def _pass(decoder: StreamDecoder, event: EventShape, events: list[Event]) -> None:
    """What says nothing that isn't known."""


_Handler = Callable[[StreamDecoder, EventShape, list[Event]], None]
_HANDLERS: Final[dict[str, _Handler]] = {
    "message-start": StreamDecoder._start,
    "content-start": StreamDecoder._content,
    "content-end": _pass,
    "tool-plan-delta": StreamDecoder._plan,
    "tool-call-start": StreamDecoder._call,
    "tool-call-delta": StreamDecoder._call,
    "tool-call-end": _pass,
    "citation-start": StreamDecoder._cite,
    "citation-end": _pass,
    "message-end": StreamDecoder._end,
    "debug": _pass,
    "stream-start": StreamDecoder._start,
    "text-generation": StreamDecoder._old_text,
    "tool-calls-generation": StreamDecoder._old_calls,
    "stream-end": StreamDecoder._old_end,
}
"""From an event's type to what it does; one that is unknown and no error is passed over."""
