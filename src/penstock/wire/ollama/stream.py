"""From a stream's bytes to events: one JSON object a line, the last of which is `done`.

The order of events that comes out: `Started`, what is said, `Finished`, the usage.
"""

from __future__ import annotations

from typing import Any, Final

from penstock.call import Event, Finished, ReasoningDelta, RefusalDelta, Started, TextDelta, ToolDelta
from penstock.wire.bending import decoded
from penstock.wire.fault import fault_in
from penstock.wire.ollama.errors import in_band
from penstock.wire.ollama.reply import call_of, message_in
from penstock.wire.ollama.shapes import MessageShape, PieceShape, decode_piece, decode_text
from penstock.wire.ollama.words import created_of, finish_of, logprobs_of, usage_of
from penstock.wire.sse import MAX_EVENT_BYTES
from penstock.wire.streaming import StreamState, loose

__all__ = ["StreamDecoder"]

_SHOWN: Final = 200


class StreamDecoder(StreamState):
    """One stream's state: a `penstock.wire.codec.Decoder`."""

    __slots__ = ("_calls", "_flows", "_held", "_size", "_started", "_stray", "_tail")

    def __init__(self) -> None:
        super().__init__()
        self._tail: list[bytes] = []
        """The beginning of a line whose end is still to come."""
        self._size = 0
        self._started = False
        self._flows = False
        """The last line was a piece of text and nothing else: the next one will be too."""
        self._calls = 0
        self._stray = b""
        self._held: list[Event] = []

    def _read(self, data: bytes, events: list[Event]) -> None:
        lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._tail:
            lines[0] = b"".join([*self._tail, lines[0]])
            self._tail.clear()
            self._size = 0
        for line in lines:
            if self._flows and self._take_text(line, events):
                continue
            self._take(line, events)
            if self._over or self._failure is not None:
                return
        if rest:
            self._tail.append(rest)
            self._size += len(rest)
            if self._size > MAX_EVENT_BYTES:
                self._failure = self._error(
                    "transport", f"a line of the stream is longer than {MAX_EVENT_BYTES:,} bytes"
                )

    def _conclude(self, events: list[Event]) -> None:
        rest = b"".join(self._tail).strip()
        if not self._over and rest:
            if isinstance(loose(rest), dict):
                self._take(rest, events)
            else:
                self._stray = self._stray or rest[:_SHOWN]
        if self._failure is not None:
            return
        if not self._over:
            self._failure = self._cut("its last line", begun=self._started, stray=self._stray)
        elif any(isinstance(event, Finished) for event in self._held):
            self._failure = self._error("empty", "the stream ended without text or tool call")

    def _is_event(self, said: dict[str, Any]) -> bool:
        # A whole answer is the last line of a stream that has no other.
        return "error" not in said and not said.get("done")

    def _take_text(self, line: bytes, events: list[Event]) -> bool:
        """Take a line that holds a piece of text alone, as the one before it did; False for any other."""
        try:
            piece = decode_text(line)
        except (ValueError, RecursionError):
            self._flows = False
            return False
        text = piece.message.content
        if piece.done or not text:
            return False
        self._text.append(text)
        events.append(TextDelta(text))
        return True

    def _take(self, line: bytes, events: list[Event]) -> None:
        line = line.strip()
        if not line:
            return
        try:
            piece, _ = decoded(line, decode_piece)
            if piece.error or (piece.message is None and piece.response is None and not piece.done):
                self._take_odd(line)
            else:
                self._take_piece(piece, events)
        except (ValueError, RecursionError):
            self._take_odd(line)

    def _take_odd(self, line: bytes) -> None:
        """What is no part of an answer: an error, JSON that says nothing, or what nobody can read."""
        whole = loose(line)
        if fault_in(whole) is not None:
            self._failure = in_band(whole, line, partial=self.partial)
        elif not isinstance(whole, dict) or "message" in whole:
            self._unreadable(line)

    def _take_piece(self, piece: PieceShape, events: list[Event]) -> None:
        if not self._started:
            self._started = True
            events.append(Started(piece.model or "", "", created_of(piece.created_at)))
        message = message_in(piece)
        if message is not None:
            if message.content:
                self._said = True
                self._text.append(message.content)
                logprobs = logprobs_of(piece.logprobs) if piece.logprobs else None
                events.append(TextDelta(message.content, 0, logprobs))
                self._flows = logprobs is None and piece.message is not None
            if message.thinking or message.tool_calls or message.refusal:
                self._take_rest(message, piece.created_at, events)
        if piece.done:
            self._finish(piece, events)

    def _take_rest(self, message: MessageShape, when: str | None, events: list[Event]) -> None:
        if message.thinking:
            events.append(ReasoningDelta(message.thinking))
        if message.refusal:
            self._said = True
            events.append(RefusalDelta(message.refusal))
        for call in message.tool_calls or ():
            self._said = True
            events.append(ToolDelta(self._calls, *call_of(call, self._calls, when)))
            self._calls += 1

    def _finish(self, piece: PieceShape, events: list[Event]) -> None:
        raw = piece.done_reason
        finish = finish_of(raw, has_tool_calls=self._calls > 0)
        if finish == "error":
            self._failure = self._error("server_error", f"generation ended with {raw!r}")
            return
        self._over = True
        # Nothing was said: held, so that an empty answer is a failed attempt and not a finished one.
        to = events if self._said or finish in ("length", "content_filter") else self._held
        to.append(Finished(finish, raw))
        self._tell(usage_of(piece), to)
