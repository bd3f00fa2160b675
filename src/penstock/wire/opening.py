"""How the body of a stream begins: a provider or a proxy that doesn't stream answers with one JSON value instead."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from penstock.errors import CallError
from penstock.wire.fault import fault_in

__all__ = ["MAX_WHOLE_BYTES", "Opening"]

MAX_WHOLE_BYTES: Final = 64 * 1024 * 1024
"""As much as a connection brings of a reply in one piece, unless it is set otherwise."""

_BOM: Final = b"\xef\xbb\xbf"


class Opening:
    """The beginning of one body until it is known for a stream; a body that never is stays here whole.

    Bytes alone decide, not the content type, which is often missing or wrong: what begins with `{` or `[` is held. It
    is a stream of JSON lines after all when its first line is one of the wire's events, or when a line that is a
    whole JSON object has another one behind it. An error that is a line by itself ends the body: `is_over`.
    """

    __slots__ = ("_after_line", "_first_line", "_head", "_max", "_pieces", "_size", "is_over")

    def __init__(self, max_bytes: int = MAX_WHOLE_BYTES) -> None:
        self._max = max_bytes
        self._head = b""
        """Too little to tell: the beginning of a byte order mark."""
        self._pieces: list[bytes] = []
        self._size = 0
        self._first_line = False
        """The first line may still prove to be a JSON object."""
        self._after_line = False
        """It has."""
        self.is_over = False
        """Nothing that follows is part of it: take `body` now."""

    def take(self, data: bytes, is_event: Callable[[dict[str, Any]], bool]) -> bytes | None:
        """All of a stream so far, without white space before it; None while it may be one JSON value.

        `is_event` says whether a JSON object is one of the wire's events. Raises `CallError` transport when the value
        is longer than `max_bytes`.
        """
        if not self._pieces:
            begun = self._begin(data)
            if begun is None or begun[:1] not in (b"{", b"["):
                return begun
            data = begun
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self._max:
            raise CallError("transport", f"the body is longer than {self._max:,} bytes", status=200)
        if self._after_line:
            return self.body() if data.strip() else None
        if self._first_line and b"\n" in data:
            return self._judge(is_event)
        return None

    def body(self) -> bytes:
        """What was held."""
        whole = b"".join(self._pieces)
        self._pieces = [whole]
        return whole

    def _begin(self, data: bytes) -> bytes | None:
        """What comes first that is neither white space nor byte order marks; None when it is yet to come."""
        head = (self._head + data).lstrip()
        while head[:3] == _BOM:
            head = head[3:].lstrip()
        if len(head) < 3 and _BOM.startswith(head):
            self._head = head
            return None
        self._first_line = head[:1] == b"{"
        return head

    def _judge(self, is_event: Callable[[dict[str, Any]], bool]) -> bytes | None:
        """The first line is there."""
        self._first_line = False
        body = self.body()
        line, _, rest = body.partition(b"\n")
        if line.rstrip()[-1:] != b"}":
            return None
        try:
            said = msgspec.json.decode(line)
        except (ValueError, RecursionError):
            return None
        if is_event(said):
            return body
        if fault_in(said) is not None:
            self._pieces = [line]
            self.is_over = True
            return None
        self._after_line = True
        return body if rest.strip() else None
