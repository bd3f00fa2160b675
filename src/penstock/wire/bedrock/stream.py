"""From a stream's bytes to events: ConverseStream's frames."""

from __future__ import annotations

from collections.abc import Callable
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
    UsageUpdate,
)
from penstock.wire.bedrock.errors import error_of_frame
from penstock.wire.bedrock.reply import model_in
from penstock.wire.bedrock.words import (
    ANSWER_TOOL,
    answers_by_tool,
    finish_of,
    more_in,
    redacted_thought,
    signed_thought,
    source_of,
    usage_of,
)
from penstock.wire.bending import mended
from penstock.wire.calls import id_of_its_own
from penstock.wire.eventstream import EventStreamDecoder, Frame
from penstock.wire.streaming import StreamState, loose

__all__ = ["StreamDecoder"]

_Body = dict[str, Any]


class _Input(msgspec.Struct, gc=False):
    input: str


class _Thought(msgspec.Struct, gc=False):
    text: str
    signature: None = None
    redactedContent: None = None  # noqa: N815 - AWS's name


class _Said(msgspec.Struct, gc=False):
    text: str | None = None
    toolUse: _Input | None = None  # noqa: N815
    reasoningContent: _Thought | None = None  # noqa: N815


class _Piece(msgspec.Struct, gc=False):
    """Nearly every event: a piece of text, of a tool's arguments or of a thought."""

    delta: _Said
    contentBlockIndex: int = 0  # noqa: N815


_decode_piece: Final = msgspec.json.Decoder(_Piece).decode


class _Block:
    """One content block while it grows."""

    __slots__ = ("closed", "has_arguments", "is_answer", "signature", "text", "tool")

    def __init__(self) -> None:
        self.tool: int | None = None
        """The number of the tool call that it is; -1 for one that AWS has made itself."""
        self.is_answer = False
        self.has_arguments = False
        self.text: list[str] = []
        """Thoughts, which are wanted again when their signature comes."""
        self.signature: list[str] = []
        self.closed: list[str] = []


class StreamDecoder(StreamState):
    """One stream's state: a `penstock.wire.codec.Decoder`. The usage comes last."""

    __slots__ = ("_answered", "_blocks", "_by_tool", "_finished", "_frames", "_held", "_reasoning", "_tools")

    def __init__(self, call: Call) -> None:
        super().__init__()
        self._by_tool = answers_by_tool(call.body)
        self._frames = EventStreamDecoder(usual="contentBlockDelta")
        self._blocks: dict[int, _Block] = {}
        self._tools = 0
        self._answered = self._finished = False
        self._reasoning = 0
        self._held: list[Event] = []

    def _read(self, data: bytes, events: list[Event]) -> None:
        for frame in self._frames.feed(data):
            if not isinstance(frame, bytes):
                self._take(frame, events)
            elif self._take_piece(frame, events):
                continue
            else:
                self._take_body(StreamDecoder._delta, frame, events)
            if self._over or self._failure is not None:
                break

    def _conclude(self, events: list[Event]) -> None:
        if not self._finished:
            self._frames.end()
            self._failure = self._cut("a stop reason", begun=self._said or bool(self._blocks))
        elif not self._said and not self._is_excused():
            self._failure = self._error("empty", "the stream ended without text or tool call")
        else:
            events += self._held
            self._held.clear()

    def _is_excused(self) -> bool:
        """Cut short or filtered with nothing to show is an answer."""
        return any(isinstance(event, Finished) and event.finish in ("length", "content_filter") for event in self._held)

    def _take(self, frame: Frame, events: list[Event]) -> None:
        if frame.message_type != "event" and (frame.exception_type or frame.message_type == "error"):
            self._failure = error_of_frame(frame, self.partial)
            return
        take = _TAKE.get(frame.event_type)
        if take is not None:
            self._take_body(take, frame.payload, events)

    def _take_body(self, take: _Take, payload: bytes, events: list[Event]) -> None:
        said = loose(payload) or mended(payload)
        if isinstance(said, dict):
            take(self, said, events)
        else:
            self.malformed_events += 1

    def _take_piece(self, payload: bytes, events: list[Event]) -> bool:
        """Take an event by its shape; False where that doesn't fit, and it is read in general."""
        try:
            piece = _decode_piece(payload)
        except (ValueError, RecursionError):
            return False
        said = piece.delta
        text = said.text
        if text is not None:
            if text:
                self._said = True
                self._text.append(text)
                events.append(TextDelta(text))
            return True
        block = self._blocks.get(piece.contentBlockIndex)
        if block is None:
            return False
        if said.toolUse is not None:
            self._write(block, said.toolUse.input, events)
        elif said.reasoningContent is not None:
            text = said.reasoningContent.text
            if text:
                block.text.append(text)
                events.append(ReasoningDelta(text))
        else:
            return False
        return True

    def _start(self, said: _Body, events: list[Event]) -> None:  # noqa: ARG002 - one signature for all of the table
        events.append(Started())

    def _block(self, said: _Body) -> tuple[int, _Block]:
        index = said.get("contentBlockIndex")
        index = index if isinstance(index, int) else 0
        block = self._blocks.get(index)
        if block is None:
            block = self._blocks[index] = _Block()
        return index, block

    def _start_block(self, said: _Body, events: list[Event]) -> None:
        start = said.get("start")
        use = start.get("toolUse") if isinstance(start, dict) else None
        _, block = self._block(said)
        if not isinstance(use, dict):
            return
        name, id_ = use.get("name"), use.get("toolUseId")
        if use.get("type") == "server_tool_use" or not isinstance(name, str):
            block.tool = -1
        elif self._by_tool and name == ANSWER_TOOL:
            block.is_answer = self._answered = True
        else:
            block.tool = self._tools
            self._tools += 1
            self._said = True
            given = id_ if isinstance(id_, str) and id_ else id_of_its_own(block.tool, name)
            events.append(ToolDelta(block.tool, given, name))

    def _delta(self, said: _Body, events: list[Event]) -> None:
        delta = said.get("delta")
        if not isinstance(delta, dict):
            self.malformed_events += 1
            return
        text = delta.get("text")
        if isinstance(text, str):
            self._say(text, events)
            return
        for name, value in delta.items():
            take = _DELTAS.get(name)
            if take is not None and isinstance(value, dict):
                take(self, self._block(said)[1], value, events)

    def _say(self, text: str, events: list[Event]) -> None:
        if text:
            self._said = True
            self._text.append(text)
            events.append(TextDelta(text))

    def _arguments(self, block: _Block, use: _Body, events: list[Event]) -> None:
        piece = use.get("input")
        if isinstance(piece, str):
            self._write(block, piece, events)

    def _write(self, block: _Block, piece: str, events: list[Event]) -> None:
        if not piece:
            return
        block.has_arguments = True
        if block.is_answer:
            self._say(piece, events)
        elif block.tool is not None and block.tool >= 0:
            events.append(ToolDelta(block.tool, "", "", piece))

    def _think(self, block: _Block, said: _Body, events: list[Event]) -> None:
        text, signature, closed = (said.get(name) for name in ("text", "signature", "redactedContent"))
        if isinstance(text, str) and text:
            block.text.append(text)
            events.append(ReasoningDelta(text))
        if isinstance(signature, str):
            block.signature.append(signature)
        if isinstance(closed, str):
            block.closed.append(closed)

    def _cite(self, block: _Block, citation: _Body, events: list[Event]) -> None:  # noqa: ARG002
        source = source_of(citation)
        if source is not None:
            events.append(PartDelta({"annotations": [source]}))

    def _stop_block(self, said: _Body, events: list[Event]) -> None:
        index, block = self._block(said)
        if not block.has_arguments:
            if block.is_answer:
                self._say("{}", events)
            elif block.tool is not None and block.tool >= 0:
                events.append(ToolDelta(block.tool, arguments="{}"))
            block.has_arguments = True
        details: list[_Body] = []
        if any(block.signature):
            details.append(signed_thought(index, "".join(block.text), "".join(block.signature)))
        if any(block.closed):
            details.append(redacted_thought(index, "".join(block.closed)))
        block.signature, block.closed = [], []
        if details:
            events.append(PartDelta({"reasoning_details": details}))

    def _stop(self, said: _Body, events: list[Event]) -> None:
        raw = said.get("stopReason")
        raw = raw if isinstance(raw, str) else None
        finish = finish_of(raw, has_tool_calls=self._tools > 0, by_tool=self._answered)
        self._finished = True
        refusal, self._reasoning = more_in(said.get("additionalModelResponseFields"))
        if refusal:
            self._said = True
            events.append(RefusalDelta(refusal))
        if finish == "error":
            self._failure = self._error("server_error", f"generation ended with {raw!r}")
        elif self._said:
            events.append(Finished(finish, raw))
        else:
            # Held until the end, so that an empty answer is a failed attempt and not a finished one.
            self._held.append(Finished(finish, raw))

    def _metadata(self, said: _Body, events: list[Event]) -> None:
        usage = usage_of(said.get("usage"), reasoning=self._reasoning)
        model = model_in(said.get("trace"))
        told = events if self._said else self._held
        if model:
            told.append(Started(model))
        if usage is not None:
            told.append(UsageUpdate(usage))
        self._over = self._finished


_Take = Callable[[StreamDecoder, _Body, list[Event]], None]
_TAKE: Final[dict[str, _Take]] = {
    "messageStart": StreamDecoder._start,
    "contentBlockStart": StreamDecoder._start_block,
    "contentBlockDelta": StreamDecoder._delta,
    "contentBlockStop": StreamDecoder._stop_block,
    "messageStop": StreamDecoder._stop,
    "metadata": StreamDecoder._metadata,
}
_DELTAS: Final[dict[str, Callable[[StreamDecoder, _Block, _Body, list[Event]], None]]] = {
    "toolUse": StreamDecoder._arguments,
    "reasoningContent": StreamDecoder._think,
    "citation": StreamDecoder._cite,
}
