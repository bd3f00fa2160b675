"""From a stream's bytes to events: server-sent events, whose type stands in their JSON as well.

The order of events that comes out: `Started` and the usage of the input first, then what is said, `Finished` once,
and `UsageUpdate` whenever the count changed. A thinking block's signature comes as one part at the block's end.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.call import (
    Call,
    Event,
    Finished,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
)
from penstock.errors import CallError
from penstock.wire.anthropic.errors import in_band
from penstock.wire.anthropic.reply import arguments_of, owed_space
from penstock.wire.anthropic.shapes import Block, Delta, StreamEvent, UsageShape, bend_event, decode_event
from penstock.wire.anthropic.words import (
    ANSWER_TOOL,
    answers_by_tool,
    encrypted_thought,
    finish_of,
    may_preface,
    signed_thought,
    source_of,
    usage_of,
)
from penstock.wire.calls import id_of_its_own
from penstock.wire.fault import fault_in
from penstock.wire.pieces import PieceDecoder
from penstock.wire.streaming import StreamState, last_events, loose

__all__ = ["StreamDecoder"]


class _Text(msgspec.Struct, tag_field="type", tag="text_delta", gc=False):
    text: str


class _Thinking(msgspec.Struct, tag_field="type", tag="thinking_delta", gc=False):
    thinking: str


class _Json(msgspec.Struct, tag_field="type", tag="input_json_delta", gc=False):
    partial_json: str


class _Piece(msgspec.Struct, tag_field="type", tag="content_block_delta", gc=False):
    """Nearly every event of a stream."""

    delta: _Text | _Thinking | _Json
    index: int = 0


_decode_piece: Final = msgspec.json.Decoder(_Piece).decode
_HEAD: Final = b"event: content_block_delta\ndata: "

_OF_A_PIECE: Final = ("content_block_delta", "")
"""Its name, which some leave out."""


class _Open:
    """A content block while it grows."""

    __slots__ = ("block", "is_answer", "signature", "thinking", "tool", "wrote")

    def __init__(self, block: Block) -> None:
        self.block = block
        self.tool = -1
        """Its number among the calls of tools, -1 for none."""
        self.is_answer = False
        self.wrote = False
        self.thinking: list[str] = []
        self.signature: list[str] = []


class StreamDecoder(StreamState):
    """One stream's state: a `penstock.wire.codec.Decoder`."""

    __slots__ = (
        "_answered",
        "_blocks",
        "_by_tool",
        "_finish_raw",
        "_finished",
        "_held",
        "_owed",
        "_preface",
        "_sse",
        "_started",
        "_thoughts",
        "_tools",
        "_usage",
    )

    def __init__(self, call: Call) -> None:
        super().__init__()
        self._by_tool = answers_by_tool(call.body)
        self._owed = owed_space(call)
        self._preface: list[str] | None = [] if may_preface(call.body) else None
        self._sse = PieceDecoder(_HEAD)
        self._blocks: dict[int, _Open] = {}
        self._started = self._answered = self._finished = False
        self._finish_raw: str | None = None
        self._tools = self._thoughts = 0
        self._usage: UsageShape | None = None
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
            if not (self._flows and event.event in _OF_A_PIECE and self._take_piece(event.data, events)):
                self._take(event.data, events)
                if self._over or self._failure is not None:
                    break

    def _read_last(self, events: list[Event]) -> None:
        """Add what came whole but for its end."""
        for event in last_events(self._sse):
            self._take(event.data, events)

    def _conclude(self, events: list[Event]) -> None:
        if not self._over:
            self._read_last(events)
            if self._said_whole:
                return
        if self._failure is None:
            self._tell_preface(events)
            self._failure = self._verdict()
        if self._failure is not None:
            return
        for index in sorted(self._blocks):
            self._close(index, events)
        if not self._finished:
            self._finish(None, events)
        events.extend(self._held)
        self._held.clear()

    def _verdict(self) -> CallError | None:
        """Why this is no whole answer: None when it is one."""
        if not self._over and not self._finished:
            return self._cut("a stop reason", begun=self._started, stray=self._sse.first_stray)
        finish = finish_of(self._finish_raw, has_tool_calls=self._tools > 0)
        if not (self._said or finish in ("length", "content_filter")):
            return self._error("empty", "the stream ended without text, tool call or refusal")
        return None

    def _take_piece(self, data: bytes, events: list[Event]) -> bool:
        """Take an event that is a piece of a block, like one before it; False for any other."""
        try:
            piece = _decode_piece(data)
        except (ValueError, RecursionError):
            self._stem()
            return False
        delta = piece.delta
        if type(delta) is _Text:
            text = delta.text
            if self._owed or self._answered or self._preface is not None:
                if text:
                    self._say(text, events)
            elif text:
                self._said = True
                self._text.append(text)
                events.append(TextDelta(text))
        elif (opened := self._blocks.get(piece.index)) is not None:
            if type(delta) is _Thinking:
                if delta.thinking:
                    self._think(opened, delta.thinking, events)
            elif type(delta) is _Json and delta.partial_json:
                self._write(opened, delta.partial_json, events)
        return True

    def _take(self, data: bytes, events: list[Event]) -> None:
        if not data:
            return
        try:
            event = decode_event(data)
        except (ValueError, RecursionError):
            try:
                event = bend_event(data)
            except ValueError:
                self._unreadable(data)
                return
        if event.type == "content_block_delta" and (delta := event.delta) is not None:
            self._flow()
            if delta.type == "text_delta":
                if delta.text:
                    self._say(delta.text, events)
            else:
                self._grow(event.index, delta, events)
        else:
            self._take_other(event, data, events)

    def _take_other(self, event: StreamEvent, data: bytes, events: list[Event]) -> None:
        match event.type:
            case "content_block_start" if event.content_block is not None:
                self._begin(event.index, event.content_block, events)
            case "content_block_stop":
                self._close(event.index, events)
            case "message_start" if event.message is not None:
                self._start(event, events)
            case "message_delta":
                self._count(event.usage)
                if event.delta is not None:
                    self._end_message(event.delta, events)
            case "message_stop":
                self._over = True
            case "completion":
                self._complete(event, events)
            case "ping":
                pass
            case "message":
                self._take_framed(data, events)
            case _:
                if event.error or fault_in(loose(data)) is not None:
                    self._failure = in_band(data, partial=self.partial)

    def _complete(self, event: StreamEvent, events: list[Event]) -> None:
        """A piece of the retired `/v1/complete`, which has neither a beginning nor a terminator."""
        if not self._started:
            self._started = True
            events.append(Started(event.model or "", event.id or ""))
        if event.completion:
            self._say(event.completion, events)
        if event.stop_reason is not None and not self._finished:
            self._finish(event.stop_reason, events)

    def _unreadable(self, data: bytes) -> None:
        if data.strip() == b"[DONE]":
            # Translators of other wires end so.
            self._over = True
        elif fault_in(loose(data)) is not None:
            self._failure = in_band(data, partial=self.partial)
        else:
            super()._unreadable(data)

    def _start(self, event: StreamEvent, events: list[Event]) -> None:
        message = event.message
        if message is None or self._started:
            return
        self._started = True
        events.append(Started(message.model or "", message.id or ""))
        self._count(message.usage)
        self._tell(usage_of(self._usage), events)

    def _begin(self, index: int, block: Block, events: list[Event]) -> None:
        self._close(index, events)
        opened = self._blocks[index] = _Open(block)
        if block.type == "text" and block.text:
            self._say(block.text, events)
        elif block.type == "tool_use":
            if self._by_tool and block.name == ANSWER_TOOL:
                opened.is_answer = self._answered = True
                self._preface = None
                return
            opened.tool = self._tools
            self._tools += 1
            self._said = True
            name = block.name or ""
            events.append(ToolDelta(opened.tool, block.id or id_of_its_own(opened.tool, name), name))
        elif block.type == "thinking" and block.thinking:
            self._think(opened, block.thinking, events)

    def _grow(self, index: int, delta: Delta, events: list[Event]) -> None:
        opened = self._blocks.get(index)
        if opened is None:
            return
        if delta.type == "input_json_delta":
            if delta.partial_json:
                self._write(opened, delta.partial_json, events)
        elif delta.type == "thinking_delta":
            if delta.thinking:
                self._think(opened, delta.thinking, events)
        elif delta.type == "signature_delta":
            opened.signature.append(delta.signature or "")
        elif delta.type == "citations_delta":
            source = source_of(delta.citation)
            if source is not None:
                events.append(PartDelta({"annotations": [source]}))

    def _write(self, opened: _Open, arguments: str, events: list[Event]) -> None:
        opened.wrote = True
        if opened.is_answer:
            self._utter(arguments, events)
        elif opened.tool >= 0:
            events.append(ToolDelta(opened.tool, "", "", arguments))

    def _think(self, opened: _Open, text: str, events: list[Event]) -> None:
        opened.thinking.append(text)
        events.append(ReasoningDelta(text))

    def _say(self, text: str, events: list[Event]) -> None:
        if self._preface is not None:
            self._preface.append(text)
        elif not self._answered:
            self._utter(text, events)

    def _tell_preface(self, events: list[Event]) -> None:
        """No tool carried the answer: what was held back is the answer."""
        held, self._preface = self._preface, None
        if held:
            self._utter("".join(held), events)

    def _utter(self, text: str, events: list[Event]) -> None:
        if self._owed:
            text, self._owed = self._without_owed(text)
            if not text:
                return
        self._said = True
        self._text.append(text)
        events.append(TextDelta(text))

    def _without_owed(self, text: str) -> tuple[str, str]:
        """`text` without the white space that the caller already has, and what of that is still to come."""
        owed = self._owed
        if text.startswith(owed):
            return text[len(owed) :], ""
        if owed.startswith(text):
            return "", owed[len(text) :]
        return text, ""

    def _close(self, index: int, events: list[Event]) -> None:
        opened = self._blocks.pop(index, None)
        if opened is None:
            return
        block = opened.block
        if (opened.tool >= 0 or opened.is_answer) and not opened.wrote:
            # No fragment came: the arguments stood at the block's beginning, or there are none.
            self._write(opened, arguments_of(block), events)
        elif block.type == "thinking":
            signature = "".join(opened.signature) or block.signature
            if signature:
                self._part(signed_thought(self._thoughts, "".join(opened.thinking), signature), events)
        elif block.type == "redacted_thinking":
            self._part(encrypted_thought(self._thoughts, block.data or ""), events)

    def _part(self, thought: dict[str, Any], events: list[Event]) -> None:
        self._thoughts += 1
        events.append(PartDelta({"reasoning_details": [thought]}))

    def _end_message(self, delta: Delta, events: list[Event]) -> None:
        self._tell_preface(events)
        for index in sorted(self._blocks):
            self._close(index, events)
        details = delta.stop_details
        if delta.stop_reason == "refusal" and details is not None and details.explanation:
            events.append(RefusalDelta(details.explanation))
        if delta.stop_reason is not None and not self._finished:
            self._finish(delta.stop_reason, events)
        if self._said:
            self._tell(usage_of(self._usage), events)
        else:
            self._tell(usage_of(self._usage), self._held)

    def _finish(self, raw: str | None, events: list[Event]) -> None:
        self._finished, self._finish_raw = True, raw
        finish = finish_of(raw, has_tool_calls=self._tools > 0, by_tool=self._answered)
        # Nothing was said: held until the end, so that an empty answer is a failed attempt and not a finished one.
        open_ended = self._said or finish in ("length", "content_filter")
        (events if open_ended else self._held).append(Finished(finish, raw))

    def _count(self, said: UsageShape | None) -> None:
        """The counts of a message's end are cumulative; what it doesn't repeat stays as it was."""
        known = self._usage
        if said is None or known is None:
            self._usage = said or known
            return
        for name in UsageShape.__struct_fields__:
            value = getattr(said, name)
            if value is not None:
                setattr(known, name, value)
