"""Server-sent events from bytes, at any split, without I/O.

Follows the WHATWG event stream rules, and beyond them what providers really send: an `error:` field or a bare JSON
line counts as an event of its own, and the last event needs no blank line. Lines are split on bytes, so that a
character cut in two by the network, or U+2028 inside JSON, does no harm.
"""

from __future__ import annotations

import msgspec

from penstock.errors import CallError

__all__ = ["MAX_EVENT_BYTES", "SSEDecoder", "ServerEvent"]

MAX_EVENT_BYTES = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_MAX_NAMES = 256
_named: dict[bytes, str] = {}
"""From a line such as `event: ping` to its name, for those met so far: a provider has few."""


def _name_in(line: bytes) -> str:
    name = (line[7:] if line[6:7] == b" " else line[6:]).decode("utf-8", "replace")
    if len(_named) < _MAX_NAMES and len(line) < 100:
        _named[line] = name
    return name


class ServerEvent(msgspec.Struct, frozen=True, gc=False):
    """One event. `framed` is False when it stood outside any field: a bare JSON value."""

    data: bytes
    event: str = ""
    framed: bool = True


class SSEDecoder:
    """One stream's state. `feed` gives the events that are complete, `end` what an unfinished stream still held.

    Both raise `CallError` transport when a line or an event is longer than `max_event_bytes`.
    """

    __slots__ = (
        "_bare",
        "_begun",
        "_data",
        "_event",
        "_max",
        "_size",
        "_skip_lf",
        "_tail",
        "_tail_bytes",
        "comments",
        "first_stray",
        "unterminated",
    )

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._tail: list[bytes] = []
        self._tail_bytes = 0
        self._data: list[bytes] = []
        self._event = ""
        self._bare: list[bytes] = []
        self._size = 0
        self._begun = False
        self._skip_lf = False
        self.comments = 0
        """Comment lines so far: no meaning, but signs of life."""
        self.first_stray = b""
        """The beginning of the first line that was no field: tells HTML from a stream."""
        self.unterminated = False
        """After `end`: the last event had no blank line behind it."""

    def feed(self, data: bytes) -> list[ServerEvent]:
        """The events that `data` completes."""
        if not self._begun:
            begun = self._after_bom(data)
            if begun is None:
                return []
            data = begun
        if self._skip_lf and data:
            self._skip_lf = False
            if data[0] == 10:
                data = data[1:]
        # Most of what reading costs is here. To look for single bytes is several times quicker than for two.
        if not (self._tail or self._data or self._bare or self._event) and len(data) <= self._max:
            whole = _only_event(data)
            if whole is not None:
                return [whole]
        events: list[ServerEvent] = []
        lines = data.split(b"\n")
        if len(lines) > 1:
            self._join(lines)
        is_short = not (self._data or self._bare) and len(data) + len(lines[0]) <= self._max
        if 13 in data:
            if is_short and not self._event:
                del lines[: _take_crlf(lines, events)]
            lines = self._without_cr(lines)
        rest = lines.pop()
        if lines:
            self._join(lines)
            if is_short:
                self._take_short(lines, events)
            else:
                self._take(lines, events)
        if rest:
            self._tail.append(rest)
            self._tail_bytes += len(rest)
            if self._tail_bytes > self._max:
                raise self._too_long()
        return events

    def _join(self, lines: list[bytes]) -> None:
        """The first line began in an earlier piece."""
        if self._tail:
            self._tail.append(lines[0])
            lines[0] = b"".join(self._tail)
            self._tail.clear()
            self._tail_bytes = 0

    def _without_cr(self, lines: list[bytes]) -> list[bytes]:
        """The same lines, where CRs are among their ends; the last one is unfinished."""
        data = b"\n".join(lines)
        if 13 not in data:
            return lines
        # A CR ends a line at once; an LF that follows it, perhaps in the next piece, belongs to it.
        self._skip_lf = data[-1] == 13
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")

    def _take_short(self, lines: list[bytes], events: list[ServerEvent]) -> None:
        """`_take` where no data waits: nearly every event is one line of data, perhaps with its name before it."""
        held: bytes | None = None
        name = self._event
        for line in lines:
            if not line:
                if held is not None:
                    events.append(ServerEvent(held, name))
                    held = None
                elif self._data or self._bare:
                    self._event = name
                    self._dispatch(events)
                name = ""
            elif held is None and line[:6] == b"data: " and not self._data and not self._bare:
                held = line[6:]
            elif line in _named:
                name = _named[line]
            else:
                self._event = name
                if held is not None:
                    self._data.append(held)
                    self._grow(len(held) + 6)
                    held = None
                self._take([line], events)
                name = self._event
        self._event = name
        if held is not None:
            self._data.append(held)
            self._grow(len(held) + 6)

    def end(self) -> list[ServerEvent]:
        """What the stream still held when it ended: at most one event, and `unterminated` says so."""
        events: list[ServerEvent] = []
        if self._tail:
            line = b"".join(self._tail)
            self._tail.clear()
            self._take([line], events)
        self.unterminated = bool(self._data or self._bare or events)
        self._dispatch(events)
        return events

    def _after_bom(self, data: bytes) -> bytes | None:
        """`data` without a leading byte order mark; None while too little has come to tell."""
        head = b"".join(self._tail) + data
        if len(head) < 3 and _BOM.startswith(head):
            self._tail = [head] if head else []
            return None
        self._begun = True
        self._tail.clear()
        return head.removeprefix(_BOM)

    def _take(self, lines: list[bytes], events: list[ServerEvent]) -> None:
        pending = self._data
        for line in lines:
            if not line:
                if pending or self._bare or self._event:
                    self._dispatch(events)
            elif line.startswith(b"data:"):
                if self._bare:
                    self._dispatch(events)
                pending.append(line[6:] if line[5:6] == b" " else line[5:])
                self._grow(len(line))
            elif line.startswith(b"event:"):
                self._event = _name_in(line)
            else:
                self._field(line, events)

    def _grow(self, line_bytes: int) -> None:
        # One more for each line, or a million empty ones would be free.
        self._size += line_bytes + 1
        if self._size > self._max:
            raise self._too_long()

    def _field(self, line: bytes, events: list[ServerEvent]) -> None:
        """Any line but `data:` and the blank one."""
        if line[0] == 58:  # a colon: a comment
            self.comments += 1
            return
        name, colon, value = line.partition(b":")
        if colon:
            value = value.removeprefix(b" ")
        if name == b"event":
            self._event = ""
        elif name == b"data":
            self._data.append(b"")
            self._grow(len(line))
        elif name == b"error" and value[:1] == b"{":
            self._dispatch(events)
            events.append(ServerEvent(value, "error"))
        elif name not in (b"id", b"retry"):
            self._stray(line, events)

    def _stray(self, line: bytes, events: list[ServerEvent]) -> None:
        """A line that is no field: JSON that someone forgot to frame, on one line or many, or something else."""
        if not self.first_stray:
            self.first_stray = line[:200]
        if self._bare:
            self._bare.append(line)
            self._grow(len(line))
        elif line[:1] in (b"{", b"["):
            self._bare.append(line)
            self._grow(len(line))
            if line.rstrip()[-1:] == b"}" and line[:1] == b"{":
                self._dispatch(events)

    def _dispatch(self, events: list[ServerEvent]) -> None:
        if self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            events.append(ServerEvent(data, self._event))
            self._data.clear()
        self._event = ""
        self._size = 0
        if self._bare:
            events.append(ServerEvent(b"\n".join(self._bare), "", framed=False))
            self._bare.clear()

    def _too_long(self) -> CallError:
        return CallError("transport", f"an event of the stream is longer than {self._max:,} bytes")


def _only_event(data: bytes) -> ServerEvent | None:
    """The event that `data` is: one line of data, perhaps with its name before it; None when it is anything else."""
    if data[-2:] != b"\n\n":
        inner = data[6:-4]
        if data[-4:] != b"\r\n\r\n" or data[:6] != b"data: " or 10 in inner or 13 in inner:
            return None
        return ServerEvent(inner)
    start, end, name = 0, data.find(10), ""
    if end < len(data) - 2:
        known = _named.get(data[:end])
        if known is None:
            return None
        start, name = end + 1, known
        end = data.find(10, start)
    if end != len(data) - 2 or data[start : start + 6] != b"data: " or 13 in data:
        return None
    return ServerEvent(data[start + 6 : end], name)


def _take_crlf(lines: list[bytes], events: list[ServerEvent]) -> int:
    """Add the events of one line of data at the beginning of `lines`, which end in CRLF: how many lines those were."""
    taken = 0
    for line, blank in zip(lines[::2], lines[1:-1:2], strict=False):
        data = line[6:-1]
        if blank != b"\r" or line[:6] != b"data: " or 13 in data or line[-1] != 13:
            break
        events.append(ServerEvent(data))
        taken += 2
    return taken
