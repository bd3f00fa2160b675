"""What a stream's encoder does alike on the wires whose messages are blocks, one after another."""

from __future__ import annotations

from abc import ABC, abstractmethod

from penstock.call import (
    Event,
    Finished,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    Usage,
    UsageUpdate,
)

__all__ = ["BlockEncoder", "Content"]

Content = TextDelta | ReasoningDelta | ToolDelta | PartDelta
"""The events that stand in blocks."""


class BlockEncoder(ABC):
    """One stream's state on the server's side: a `penstock.wire.codec.Encoder` once a wire adds `end` and `fail`.

    A block of text or thought ends where the next begins. Ending, usage and refusals are kept for the message's end.
    Only the first choice is said: these wires have one.
    """

    __slots__ = ("_begun", "_finish", "_model", "_open", "_refusal", "_size", "_usage")

    def __init__(self, model: str) -> None:
        self._model = model
        self._begun = False
        self._open = ""
        """What the open block holds; "" for none."""
        self._size = 0
        """How many blocks have begun."""
        self._refusal: list[str] = []
        self._finish: Finished | None = None
        self._usage: Usage | None = None

    @abstractmethod
    def _start(self) -> bytes:
        """The message's beginning."""

    @abstractmethod
    def _content(self, event: Content) -> bytes:
        """A part of a block, with the block's beginning where it is the first."""

    @abstractmethod
    def _stop(self, at: int) -> bytes:
        """The end of block number `at`."""

    def feed(self, events: list[Event]) -> bytes:
        """What `events` make; b"" when they make nothing yet."""
        return b"".join([self._piece(event) for event in events])

    def _piece(self, event: Event) -> bytes:
        if isinstance(event, Started):
            return self._begin()
        if isinstance(event, UsageUpdate):
            self._usage = event.usage
        elif event.choice:
            return b""
        elif isinstance(event, Finished):
            self._finish = event
        elif isinstance(event, RefusalDelta):
            self._refusal.append(event.text)
        else:
            return self._begin() + self._content(event)
        return b""

    def _begin(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return self._start()

    def _close(self) -> bytes:
        """The end of the open block; b"" when none is."""
        if not self._open:
            return b""
        self._open = ""
        return self._stop(self._size - 1)
