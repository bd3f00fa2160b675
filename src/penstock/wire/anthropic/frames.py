"""A stream on Bedrock: an AWS event stream whose chunks carry the wire's own events in base64."""

from __future__ import annotations

from penstock.call import Call, Event
from penstock.errors import CallError
from penstock.wire.anthropic.errors import named
from penstock.wire.anthropic.stream import StreamDecoder
from penstock.wire.eventstream import EventStreamDecoder, Frame, inner_chunk
from penstock.wire.streaming import loose

__all__ = ["FrameStreamDecoder"]


class FrameStreamDecoder(StreamDecoder):
    """One stream's state: a `penstock.wire.codec.Decoder`."""

    __slots__ = ("_frames",)

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._frames = EventStreamDecoder(usual="chunk")

    def _read(self, data: bytes, events: list[Event]) -> None:
        for frame in self._frames.feed(data):
            if isinstance(frame, bytes):
                payload = frame
            elif frame.message_type in ("exception", "error"):
                self._failure = self._exception(frame)
                break
            else:
                payload = frame.payload
            try:
                inner = inner_chunk(payload)
            except CallError as error:
                self._hold(error)
                break
            if not (self._flows and self._take_piece(inner, events)):
                self._take(inner, events)
                if self._over or self._failure is not None:
                    break

    def _read_last(self, events: list[Event]) -> None:  # noqa: ARG002
        """Nothing. Raises `CallError` transport when the stream ended in the middle of a frame."""
        self._frames.end()

    def _exception(self, frame: Frame) -> CallError:
        said = frame.error_message or _message(frame.payload)
        error = named(frame.exception_type or "error", said, body=frame.payload)
        error.partial = self.partial
        return error


def _message(payload: bytes) -> str:
    whole = loose(payload)
    said = (whole.get("message") or whole.get("Message")) if isinstance(whole, dict) else None
    return said if isinstance(said, str) else payload[:500].decode("utf-8", "replace")
