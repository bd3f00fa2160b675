"""Where a stream's JSON comes from: server-sent events, or the chunks of an AWS event stream."""

from __future__ import annotations

from penstock.errors import CallError
from penstock.wire.anthropic.errors import named
from penstock.wire.eventstream import EventStreamDecoder, Frame, inner_chunk
from penstock.wire.sse import SSEDecoder
from penstock.wire.streaming import last_events, loose

__all__ = ["FrameSource", "Piece", "SSESource"]


Piece = bytes | CallError
"""The JSON of one event, or the error that took its place."""


class SSESource:
    """Server-sent events. The type stands in the JSON as well, so that event names aren't needed."""

    __slots__ = ("_sse",)

    def __init__(self) -> None:
        self._sse = SSEDecoder()

    @property
    def stray(self) -> bytes:
        """The beginning of the first line that was no field."""
        return self._sse.first_stray

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces that are complete now."""
        return [event.data for event in self._sse.feed(data) if event.data]

    def end(self) -> list[Piece]:
        """The last piece, when it came whole but for its blank line."""
        return [event.data for event in last_events(self._sse)]


class FrameSource:
    """Chunks of an AWS event stream: each one is an event in base64."""

    __slots__ = ("_frames",)

    stray = b""

    def __init__(self) -> None:
        self._frames = EventStreamDecoder()

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces that are complete now. Raises `CallError` transport for a broken frame."""
        return [_piece(frame) for frame in self._frames.feed(data)]

    def end(self) -> list[Piece]:
        """Nothing. Raises `CallError` transport when the stream ended in the middle of a frame."""
        self._frames.end()
        return []


def _piece(frame: Frame) -> Piece:
    if frame.message_type in ("exception", "error"):
        said = frame.error_message or _message(frame.payload)
        return named(frame.exception_type or "error", said, body=frame.payload)
    try:
        return inner_chunk(frame)
    except CallError as error:
        return error


def _message(payload: bytes) -> str:
    whole = loose(payload)
    said = (whole.get("message") or whole.get("Message")) if isinstance(whole, dict) else None
    return said if isinstance(said, str) else payload[:500].decode("utf-8", "replace")
