"""AWS event streams (`application/vnd.amazon.eventstream`): frames from bytes at any split and back, without I/O.

A frame is a length, headers and a payload, with a CRC-32 of its first eight bytes and one of the whole. A frame whose
sums are wrong ends the stream: nothing behind it can be found again.
"""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID
from zlib import crc32

import msgspec

from penstock.errors import CallError

__all__ = [
    "CONTENT_TYPE",
    "MAX_FRAME_BYTES",
    "EventStreamDecoder",
    "Frame",
    "HeaderValue",
    "chunk_frame",
    "encode_frame",
    "event_frame",
    "exception_frame",
    "inner_chunk",
]

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
MAX_FRAME_BYTES: Final = 25 * 1024 * 1024
"""AWS allows a payload of 24 MiB and headers of 128 KiB."""

HeaderValue = bool | int | bytes | str | datetime | UUID

_PRELUDE: Final = struct.Struct(">III")
_SUM: Final = struct.Struct(">I")
_prelude: Final = _PRELUDE.unpack_from
_lengths: Final = struct.Struct(">II").unpack_from
_sum: Final = _SUM.unpack_from
_FRAMING_BYTES: Final = _PRELUDE.size + _SUM.size
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Frame(msgspec.Struct, frozen=True):
    """One message of the stream."""

    headers: Mapping[str, HeaderValue]
    payload: bytes = b""

    @property
    def message_type(self) -> str:
        """`event`, `exception` (modelled by the service) or `error` (not modelled); "" when it isn't said."""
        return self._text(":message-type")

    @property
    def event_type(self) -> str:
        """The kind of an event, such as `contentBlockDelta` or `chunk`."""
        return self._text(":event-type")

    @property
    def exception_type(self) -> str:
        """The name of an exception such as `throttlingException`, the code of an error; "" for an event."""
        return self._text(":exception-type") or self._text(":error-code")

    @property
    def error_message(self) -> str:
        """What an `error` says; exceptions say it in their payload."""
        return self._text(":error-message")

    def _text(self, name: str) -> str:
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class _Chunk(msgspec.Struct, rename={"inner": "bytes"}, gc=False):
    inner: bytes


_decode_chunk: Final = msgspec.json.Decoder(_Chunk).decode


class EventStreamDecoder:
    """One stream's state. `feed` gives the frames that are complete now.

    Raises `CallError` transport for a frame whose lengths or sums are wrong, or that is longer than `max_frame_bytes`.
    The frames before it in the same piece are given first; the next `feed` or `end` raises.

    Nearly all events of a stream are of one type, and its headers repeat to the byte: where it is named as `usual`,
    such an event is given as its payload alone, once one of them was read.
    """

    __slots__ = ("_failure", "_held", "_max", "_pieces", "_usual", "_usual_head", "_wanted")

    def __init__(self, max_frame_bytes: int = MAX_FRAME_BYTES, *, usual: str | None = None) -> None:
        self._max = max_frame_bytes
        self._usual = usual
        self._usual_head: bytes | None = None
        """The headers of the last such event."""
        self._pieces: list[bytes] = []
        """What waits for its rest."""
        self._held = 0
        self._wanted = 0
        self._failure: CallError | None = None

    @property
    def unterminated(self) -> bool:
        """Part of a frame is waiting for its rest: at the end of a stream, the place where it was cut."""
        return self._held > 0

    def feed(self, data: bytes) -> list[Frame | bytes]:
        """The frames that `data` completes."""
        if self._failure is not None:
            raise self._failure
        frames: list[Frame | bytes] = []
        if self._held:
            self._pieces.append(data)
            self._held += len(data)
            if self._held < self._wanted:
                return frames
            data = b"".join(self._pieces)
            self._pieces.clear()
            self._held = 0
        at, size = 0, len(data)
        try:
            while size - at >= 12:
                total, length = _lengths(data, at)
                stop = at + total
                if stop > size:
                    self._wanted = _frame_bytes(data, at, self._max)
                    break
                # The sum of the whole proves the lengths as well.
                if total < _FRAMING_BYTES or crc32(data[at : stop - 4]) != _sum(data, stop - 4)[0]:
                    _frame_bytes(data, at, self._max)
                    raise _broken("the checksum of a frame is wrong")
                if total > self._max or length > total - _FRAMING_BYTES:
                    _frame_bytes(data, at, self._max)
                body = at + 12 + length
                head = data[at + 12 : body]
                if head == self._usual_head:
                    frames.append(data[body : stop - 4])
                else:
                    frames.append(self._unusual(head, data[body : stop - 4]))
                at = stop
            else:
                self._wanted = _PRELUDE.size
        except CallError as error:
            if not frames:
                raise
            self._failure = error
        if at < size:
            self._pieces.append(data[at:])
            self._held = size - at
        return frames

    def _unusual(self, head: bytes, payload: bytes) -> Frame:
        frame = Frame(_headers_of(head), payload)
        if self._usual is not None and frame.event_type == self._usual and frame.message_type == "event":
            self._usual_head = head
        return frame

    def end(self) -> None:
        """The stream is over. Raises `CallError` transport when it ends in the middle of a frame."""
        if self._failure is not None:
            raise self._failure
        if self._held:
            raise _broken("the stream ended in the middle of a frame")


def _frame_bytes(data: bytes, at: int, most: int) -> int:
    """The length of the frame that begins at `at`, once its own sum has proved it."""
    total, head, told = _prelude(data, at)
    if crc32(data[at : at + 8]) != told:
        raise _broken("the checksum of a frame's lengths is wrong")
    if total > most:
        raise _broken(f"a frame of the stream is longer than {most:,} bytes")
    if total < _FRAMING_BYTES or head > total - _FRAMING_BYTES:
        raise _broken("the lengths of a frame contradict each other")
    return int(total)


def encode_frame(headers: Mapping[str, HeaderValue], payload: bytes) -> bytes:
    """The bytes of one frame."""
    head = b"".join([_header(name, value) for name, value in headers.items()])
    lengths = struct.pack(">II", _FRAMING_BYTES + len(head) + len(payload), len(head))
    frame = b"".join((lengths, _SUM.pack(crc32(lengths)), head, payload))
    return frame + _SUM.pack(crc32(frame))


def event_frame(event_type: str, payload: bytes, content_type: str = "application/json") -> bytes:
    """An event as the services send it."""
    headers = {":event-type": event_type, ":content-type": content_type, ":message-type": "event"}
    return encode_frame(headers, payload)


def exception_frame(exception_type: str, payload: bytes) -> bytes:
    """A modelled exception in the middle of a stream."""
    return encode_frame(
        {":exception-type": exception_type, ":content-type": "application/json", ":message-type": "exception"}, payload
    )


def chunk_frame(inner: bytes) -> bytes:
    """What a model itself said, as InvokeModelWithResponseStream sends it."""
    return event_frame("chunk", b'{"bytes":"' + b64encode(inner) + b'"}')


def inner_chunk(payload: bytes) -> bytes:
    """What the model itself said in a `chunk` event's payload. Raises `CallError` transport when nobody can read it."""
    try:
        return _decode_chunk(payload).inner
    except (ValueError, RecursionError):
        pass
    try:
        return b64decode(msgspec.json.decode(payload)["bytes"], validate=True)
    except (ValueError, TypeError, KeyError, RecursionError, Base64Error):
        raise _broken("a chunk of the stream holds no base64") from None


def _broken(what: str) -> CallError:
    return CallError("transport", what)


@lru_cache(maxsize=256)
def _headers_of(head: bytes) -> Mapping[str, HeaderValue]:
    """The headers in exactly their bytes. A stream has few different ones."""
    try:
        return _headers_in(head)
    except (UnicodeDecodeError, KeyError, IndexError, ValueError, OverflowError):
        raise _broken("the headers of a frame can't be read") from None


def _headers_in(head: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    while at < len(head):
        name_end = at + 1 + head[at]
        name = head[at + 1 : name_end].decode()
        kind = head[name_end]
        at = name_end + 1
        if kind in (6, 7):
            start = at + 2
            at = start + int.from_bytes(head[at:start], "big")
            value = head[start:at]
        else:
            size = _SIZES[kind]
            value = head[at : at + size]
            at += size
        if at > len(head):
            raise ValueError("cut")
        headers[name] = _READ[kind](value)
    return headers


def _signed(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


def _instant(value: bytes) -> datetime:
    return datetime.fromtimestamp(_signed(value) / 1000, UTC)


_SIZES: Final = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
_READ: Final[dict[int, Callable[[bytes], HeaderValue]]] = {
    0: lambda _: True,
    1: lambda _: False,
    2: _signed,
    3: _signed,
    4: _signed,
    5: _signed,
    6: lambda value: value,
    7: lambda value: value.decode(),
    8: _instant,
    9: lambda value: UUID(bytes=value),
}


def _number(value: int) -> bytes:
    return b"\x04" + struct.pack(">i", value) if -(2**31) <= value < 2**31 else b"\x05" + struct.pack(">q", value)


def _sized(kind: bytes, value: bytes) -> bytes:
    return kind + struct.pack(">H", len(value)) + value


_WRITE: Final[dict[type, Callable[[Any], bytes]]] = {
    bool: lambda value: b"\x00" if value else b"\x01",
    int: _number,
    bytes: lambda value: _sized(b"\x06", value),
    str: lambda value: _sized(b"\x07", value.encode()),
    datetime: lambda value: b"\x08" + struct.pack(">q", round((value - _EPOCH).total_seconds() * 1000)),
    UUID: lambda value: b"\x09" + value.bytes,
}


def _header(name: str, value: HeaderValue) -> bytes:
    written = name.encode()
    return bytes([len(written)]) + written + _WRITE[type(value)](value)
