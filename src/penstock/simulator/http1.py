"""HTTP/1.1 requests out of bytes, and reply headers into them: the server's side, without a socket.

Bounded: header block, body, and what is buffered for pipelined requests. RFC 9112 is the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

__all__ = ["MAX_BODY_BYTES", "MAX_HEADER_BYTES", "Head", "HttpError", "Request", "RequestReader", "reply_head"]

MAX_HEADER_BYTES: Final = 64 * 1024
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
_MAX_CHUNK_LINE: Final = 1024
_CACHED_HEADS: Final = 4096
_CACHED_HEAD_BYTES: Final = 2048
_CHUNKED: Final = -1


class HttpError(Exception):
    """The bytes are no request this server reads; `status` is what to answer before closing."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Head(NamedTuple):
    """A request's first line and header fields (names in lower case; the last of a repeated field counts)."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    length: int
    """Of the body in bytes; -1 when it comes in chunks."""
    keep_alive: bool
    expects_continue: bool


class Request(NamedTuple):
    head: Head
    body: bytes


class RequestReader:
    """One connection's bytes in at any split, whole requests out."""

    __slots__ = ("_chunks", "_data", "_head", "_max_body", "_missing", "_parts")

    # Clients send the same header block again and again: parsed once, shared by all connections.
    _heads: Final[dict[bytes, Head]] = {}

    def __init__(self, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._data = b""
        self._head: Head | None = None
        self._parts: list[bytes] = []
        self._missing = 0
        self._chunks: bytearray | None = None
        self._max_body = max_body_bytes

    @property
    def buffered(self) -> int:
        """Bytes that are held and not yet handed out."""
        return len(self._data) + sum(map(len, self._parts)) + len(self._chunks or b"")

    def take_continue(self) -> bool:
        """True once for each header that asked for `100 Continue` and whose body has not come."""
        if self._head is None or not self._head.expects_continue:
            return False
        self._head = self._head._replace(expects_continue=False)
        return True

    def feed(self, data: bytes) -> None:
        """Take what came; `next` hands out what is whole."""
        if self._missing > 0:
            # A large body is joined once, at its end: no quadratic copying.
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return
            self._data = b"".join(self._parts)
            self._parts = []
            self._missing = 0
        else:
            self._data = self._data + data if self._data else data

    def next(self) -> Request | None:
        """The next whole request, or None until more bytes come. Raises `HttpError`."""
        head = self._head
        if head is None:
            head = self._next_head()
            if head is None:
                return None
            self._head = head
        if head.length == _CHUNKED:
            return self._next_chunked(head)
        data = self._data
        length = head.length
        if len(data) < length:
            if not self._missing:
                self._parts = [data]
                self._missing = length - len(data)
                self._data = b""
            return None
        self._head = None
        if len(data) == length:
            self._data = b""
            return Request(head, data)
        self._data = data[length:]
        return Request(head, data[:length])

    def _next_head(self) -> Head | None:
        data = self._data
        end = data.find(b"\r\n\r\n")
        if end < 0:
            if len(data) > MAX_HEADER_BYTES:
                raise HttpError(431, f"the request's header is larger than {MAX_HEADER_BYTES} bytes")
            return None
        block = data[:end]
        self._data = data[end + 4 :]
        head = self._heads.get(block)
        if head is not None:
            return head
        if end > MAX_HEADER_BYTES:
            raise HttpError(431, f"the request's header is larger than {MAX_HEADER_BYTES} bytes")
        head = _parse_head(block)
        if head.length > self._max_body:
            raise HttpError(413, f"the request's body is larger than {self._max_body} bytes")
        if end <= _CACHED_HEAD_BYTES:
            if len(self._heads) >= _CACHED_HEADS:
                self._heads.clear()
            self._heads[block] = head
        return head

    def _next_chunked(self, head: Head) -> Request | None:
        if self._chunks is None:
            self._chunks = bytearray()
        while True:
            data = self._data
            end = data.find(b"\r\n")
            if end < 0:
                if len(data) > _MAX_CHUNK_LINE:
                    raise HttpError(400, "a chunk's size line is too long")
                return None
            size = _chunk_size(data[:end])
            if len(self._chunks) + size > self._max_body:
                raise HttpError(413, f"the request's body is larger than {self._max_body} bytes")
            if size == 0:
                return self._end_of_chunks(head, data, end)
            after = end + 2 + size
            if len(data) < after + 2:
                return None
            if data[after : after + 2] != b"\r\n":
                raise HttpError(400, "a chunk does not end where it said")
            self._chunks += data[end + 2 : after]
            self._data = data[after + 2 :]

    def _end_of_chunks(self, head: Head, data: bytes, end: int) -> Request | None:
        # The last chunk may be followed by trailer fields, which say nothing here.
        stop = data.find(b"\r\n\r\n", end)
        if stop < 0:
            if len(data) > MAX_HEADER_BYTES:
                raise HttpError(431, "the trailer is too large")
            return None
        self._data = data[stop + 4 :]
        body = bytes(self._chunks or b"")
        self._chunks = None
        self._head = None
        return Request(head, body)


def _chunk_size(line: bytes) -> int:
    digits = line.split(b";", 1)[0].strip()
    # int() alone would take signs and underscores, which the grammar has not.
    if not digits or digits.strip(b"0123456789abcdefABCDEF"):
        raise HttpError(400, "a chunk's size is no hexadecimal number")
    return int(digits, 16)


def _parse_head(block: bytes) -> Head:
    lines = block.decode("latin-1").split("\r\n")
    words = lines[0].split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise HttpError(400, "the first line is not METHOD PATH HTTP/1.1")
    method, target, version = words
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise HttpError(400, "a header line has no name")
        headers[name.lower()] = value.strip()
    path, _, query = target.partition("?")
    connection = headers.get("connection", "").lower()
    keep_alive = "keep-alive" in connection if version == "HTTP/1.0" else "close" not in connection
    return Head(method, path, query, headers, _body_length(headers), keep_alive, "expect" in headers)


def _body_length(headers: Mapping[str, str]) -> int:
    coding = headers.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked":
            raise HttpError(501, f"transfer-encoding {coding[:40]!r} is not read here, only chunked")
        return _CHUNKED
    text = headers.get("content-length", "0")
    if not text.isascii() or not text.isdigit():
        raise HttpError(400, "content-length is no number")
    return int(text)


_REASONS: Final = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}


def reply_head(status: int, headers: Mapping[str, str], length: int | None) -> bytes:
    """A reply's header block; `length` None announces chunks."""
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers.items()]
    lines.append("transfer-encoding: chunked\r\n\r\n" if length is None else f"content-length: {length}\r\n\r\n")
    return "".join(lines).encode("latin-1")
