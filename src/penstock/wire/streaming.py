"""What every wire's stream decoder does alike: events first, then the error behind them; what a cut stream lacks;
one JSON value where a stream was asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

import msgspec

from penstock.call import Completion, Event, TextDelta, Usage, UsageUpdate
from penstock.errors import CallError, ErrorKind
from penstock.fold import events_of
from penstock.http import WireReply
from penstock.wire.fault import kept, read_fault
from penstock.wire.opening import Opening
from penstock.wire.sse import ServerEvent, SSEDecoder

__all__ = ["StreamState", "last_events", "loose"]

_MAX_SURPRISES = 8


class StreamState(ABC):
    """One stream's state: a `penstock.wire.codec.Decoder` once a wire adds `_read` and `_conclude`.

    Both add events to a list and report an error by raising it or by setting `_failure`: it is raised when the events
    before it are given.
    """

    __slots__ = (
        "_failure",
        "_flows",
        "_opening",
        "_over",
        "_read_whole",
        "_said",
        "_said_whole",
        "_surprises",
        "_text",
        "_usage_told",
        "malformed_events",
    )

    def __init__(self) -> None:
        self._text: list[str] = []
        """The pieces of the first choice's text, in order."""
        self._said = False
        """Something was said, so that the caller has a part of the answer."""
        self._said_whole = False
        """What came was the whole answer in one piece: there is nothing to conclude."""
        self._flows = False
        """The last event was a piece and nothing else: the next one is read as such first, which is quicker."""
        self._surprises = 0
        self._over = False
        """The wire's own last word has come, and what follows it isn't read; or the first one is yet to come."""
        self._failure: CallError | None = None
        self._usage_told: Usage | None = None
        self._opening: Opening | None = None
        """The bytes so far, while they may be one JSON value."""
        self._read_whole: Callable[[WireReply], Completion] | None = None
        self.malformed_events = 0

    def or_whole(self, read: Callable[[WireReply], Completion]) -> Self:
        """This decoder; a body that is one JSON value and no stream is read by `read`, as an answer in one piece is."""
        self._opening = Opening()
        # So that nothing is asked of an open stream that wasn't before: its every event would pay.
        self._over = True
        self._read_whole = read
        return self

    def _is_event(self, said: dict[str, Any]) -> bool:  # noqa: ARG002 - most wires frame their events
        """Whether bare JSON is an event of this wire's streams although it may look like a whole answer."""
        return False

    def _is_stream(self, said: Any) -> bool:
        """Whether a JSON value, which is all that came, is a stream of this wire nevertheless."""
        return isinstance(said, dict) and self._is_event(said)

    @abstractmethod
    def _read(self, data: bytes, events: list[Event]) -> None:
        """Add the events that `data` completes. Stops at the wire's last word and at an error."""

    @abstractmethod
    def _conclude(self, events: list[Event]) -> None:
        """The connection is over: add what was held, or say why this is no whole answer."""

    @property
    def done(self) -> bool:
        """After the wire's last word, or when an error waits to be raised: call `end`."""
        if self._over:
            return self._opening is None or self._opening.is_over
        return self._failure is not None

    @property
    def partial(self) -> str:
        """The first choice's text so far."""
        return "".join(self._text)

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete now; see `Decoder.feed` for errors."""
        events: list[Event] = []
        if self._failure is None and not self._over:
            try:
                self._read(data, events)
            except CallError as error:
                self._hold(error)
        elif self._opening is not None and not self._opening.is_over:
            return self._read_opening(self._opening, data)
        if self._failure is not None and not events:
            raise self._failure
        return events

    def end(self) -> list[Event]:
        """The last events. Raises `CallError` when the stream was cut, empty, or had failed."""
        events: list[Event] = []
        if self._failure is None:
            try:
                if self._opening is not None:
                    self._conclude_whole(self._opening.body(), events)
                elif not self._said_whole:
                    self._conclude(events)
            except CallError as error:
                self._hold(error)
        if self._failure is not None:
            raise self._failure
        return events

    def _read_opening(self, opening: Opening, data: bytes) -> list[Event]:
        """The events of a stream whose beginning this is; none while it may be one JSON value."""
        try:
            begun = opening.take(data, self._is_event)
        except CallError as error:
            self._opening, self._over = None, False
            self._failure = error
            raise
        if begun is None:
            return []
        self._opening, self._over = None, False
        return self.feed(begun)

    def _conclude_whole(self, body: bytes, events: list[Event]) -> None:
        """The connection is over, and this is all that came: an answer in one piece, or a stream after all."""
        self._opening, self._over = None, False
        refused: CallError | None = None
        said = loose(body)
        if body and self._read_whole is not None and not self._is_stream(said):
            try:
                self._tell_whole(self._read_whole(WireReply(200, {}, body)), events)
            except CallError as error:
                if error.kind not in ("transport", "empty"):
                    raise
                refused = error
            else:
                return
        if said is not None:
            # Line ends, which are none of JSON's own, would cut it.
            body = body.replace(b"\r", b" ").replace(b"\n", b" ")
        try:
            self._read(body, events)
            if self._failure is None:
                self._conclude(events)
        except CallError as error:
            self._hold(error)
        if refused is not None and self._failure is not None and not events and self._failure.kind == "transport":
            self._failure = refused

    def _take_framed(self, data: bytes, events: list[Event]) -> None:
        """Take an event that is none of the wire's: some proxies frame a whole answer as the stream's only one."""
        if self._read_whole is None or self._said:
            return
        try:
            self._tell_whole(self._read_whole(WireReply(200, {}, data)), events)
        except CallError:
            return

    def _tell_whole(self, completion: Completion, events: list[Event]) -> None:
        told = events_of(completion)
        events += told
        self._text += [event.text for event in told if type(event) is TextDelta and event.choice == 0]
        self._over = self._said_whole = True

    def _flow(self) -> None:
        """A piece came, and nothing else."""
        self._flows = self._surprises < _MAX_SURPRISES

    def _stem(self) -> None:
        """Something else came after it."""
        self._flows = False
        self._surprises += 1

    def _hold(self, error: CallError) -> None:
        error.partial = self.partial or error.partial
        error.status = error.status or 200
        self._failure = error

    def _error(self, kind: ErrorKind, why: str, body: bytes = b"") -> CallError:
        return CallError(kind, why, status=200, partial=self.partial, body=kept(body))

    def _cut(self, missing: str, *, begun: bool, stray: bytes = b"") -> CallError:
        """The stream ended without `missing`, such as "a finish reason"; `stray` is what it was instead of events."""
        if begun:
            return self._error("transport", f"the stream was cut: it ended without {missing}")
        if stray:
            return self._error("transport", f"no event stream: {read_fault(stray).message}")
        return self._error("transport", "the stream ended before it said anything")

    def _unreadable(self, data: bytes) -> None:
        """An event that is no JSON object."""
        if self._said:
            # The caller already has a part of it; what follows may still prove the answer whole.
            self.malformed_events += 1
        else:
            self._failure = self._error("transport", "an event of the stream is no JSON object", data)

    def _tell(self, usage: Usage | None, events: list[Event]) -> None:
        """The usage, when it is known and not what was told last."""
        if usage is not None and usage != self._usage_told:
            self._usage_told = usage
            events.append(UsageUpdate(usage))


def last_events(sse: SSEDecoder) -> list[ServerEvent]:
    """What a stream of JSON held when it ended, if it came whole but for its blank line: otherwise it was cut there."""
    return [
        event for event in sse.end() if event.data.strip() == b"[DONE]" or isinstance(loose(event.data), (dict, list))
    ]


def loose(data: bytes) -> Any:
    """`data` as JSON; None for what is none."""
    try:
        return msgspec.json.decode(data)
    except (ValueError, RecursionError):
        return None
