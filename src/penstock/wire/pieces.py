"""Server-sent events that are nearly all alike, cut by all that stands between two of them, which is quicker than by
lines.
"""

from __future__ import annotations

from typing import Final

from penstock.wire.sse import MAX_EVENT_BYTES, ServerEvent, SSEDecoder

__all__ = ["PieceDecoder"]

_MAX_REST: Final = 8 * 1024
"""What is longer waits for its end where waiting costs no copy a read."""


class PieceDecoder(SSEDecoder):
    """An `SSEDecoder` for a stream whose usual event is `head`, one line of data, and `end`, a blank line included.

    Ask `pieces` first and `feed` only where it gives None: the events are those of `feed` alone, whatever the bytes.
    """

    __slots__ = ("_between", "_end", "_end_bytes", "_head", "_head_bytes", "_rest", "_separator")

    def __init__(self, head: bytes, end: bytes = b"\n\n", *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        super().__init__(max_event_bytes)
        self._end, self._end_bytes = end, len(end)
        self.aim(head)
        self._between = False
        """All lines so far have ended, the last one blank, but for `_rest`."""
        self._rest = b""
        """The beginning of a usual event, its line of data not ended."""

    def aim(self, head: bytes) -> None:
        """Let `head` begin the usual event from now on."""
        self._head, self._head_bytes, self._separator = head, len(head), self._end + head

    def pieces(self, data: bytes) -> list[bytes] | None:
        """The data of the events that `data` completes when each is a usual one, else None, and nothing is taken."""
        if not self._between:
            return None
        if self._rest:
            data = self._rest + data
        start, end = self._head_bytes, self._end_bytes
        piece = data[start:-end]
        if len(data) > self._max:
            return None
        if data[:start] == self._head and data[-end:] == self._end and not (10 in piece or 13 in piece):
            self._rest = b""
            return [piece]
        stop = data.rfind(self._end)
        if stop < start or data[:start] != self._head:
            return None
        rest = data[stop + end :]
        if rest and not self._is_begun(rest):
            return None
        pieces = data[start:stop].split(self._separator)
        joined = b"".join(pieces)
        if 10 in joined or 13 in joined:
            return None
        self._rest = rest
        return pieces

    def feed(self, data: bytes) -> list[ServerEvent]:
        """The events that `data` completes."""
        if self._rest:
            data = self._rest + data
            self._rest = b""
        after = data.rfind(self._end) + self._end_bytes
        # Anything shorter may be the end of a line's end, or of a byte order mark.
        self._between = after > 3 and (after == len(data) or self._is_begun(data[after:]))
        if self._between:
            data, self._rest = data[:after], data[after:]
        return super().feed(data)

    def end(self) -> list[ServerEvent]:
        """What the stream still held when it ended."""
        begun = super().feed(self._rest)
        self._rest = b""
        return begun + super().end()

    def _is_begun(self, rest: bytes) -> bool:
        """Whether `rest` begins a usual event and has not ended its line of data."""
        if len(rest) <= self._head_bytes:
            return self._head.startswith(rest)
        line = rest[self._head_bytes :]
        return rest.startswith(self._head) and len(rest) <= _MAX_REST and not (10 in line or 13 in line)
