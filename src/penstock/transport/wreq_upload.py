"""Where a request of wreq's stands: connecting, sending, or waiting for the first byte."""

from __future__ import annotations

import atexit
import os
import sys
import time
import weakref
from collections.abc import Generator

from penstock.http import Timeouts
from penstock.transport.patrol import Wait

__all__ = ["HeadWait", "Upload"]

_PIECE = 65536
_SETTLE_S = 1.0
_RECENT_S = 1.0

_alive: set[weakref.ref[Generator[bytes, None, None]]] = set()
_latest_s = float("-inf")


class Upload:
    """A request body that tells when wreq took it: `started_s` once the connection stood, `handed_s` at its end.

    wreq pulls the first piece when a connection (TCP, TLS and tunnel) is ready, in one of its own threads; a request
    whose upload never started was never sent. Times are `time.monotonic`.
    """

    __slots__ = ("_body", "handed_s", "started_s")

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.started_s: float | None = None
        self.handed_s: float | None = None

    def pieces(self) -> Generator[bytes, None, None]:
        """The body, to be given to wreq once."""
        global _latest_s
        _latest_s = time.monotonic()
        pieces = self._pieces()
        _alive.add(weakref.ref(pieces, _alive.discard))
        return pieces

    def _pieces(self) -> Generator[bytes, None, None]:
        self.started_s = time.monotonic()
        body = self._body
        last = max(0, (len(body) - 1) // _PIECE * _PIECE)
        for start in range(0, last, _PIECE):
            yield body[start : start + _PIECE]
        self.handed_s = time.monotonic()
        yield body[last:]


class HeadWait(Wait):
    """The wait for a reply's head: `connect` until the upload starts, then `first_byte` from its end.

    Nothing tells when a request without a body was sent: there both phases are one.
    """

    __slots__ = ("_timeouts", "upload")

    def __init__(self, timeouts: Timeouts, upload: Upload | None) -> None:
        super().__init__(timeouts.first_byte)
        self._timeouts = timeouts
        self.upload = upload

    @property
    def shortest_s(self) -> float | None:
        """The smallest limit this wait may have."""
        limits = [limit for limit in (self._timeouts.connect, self._timeouts.first_byte) if limit is not None]
        return min(limits, default=None)

    @property
    def is_unsent(self) -> bool:
        return self.upload is not None and self.upload.started_s is None

    def due_s(self) -> float | None:
        connect, first = self._timeouts.connect, self._timeouts.first_byte
        if self.upload is None:
            return None if first is None else self.since_s + (connect or 0.0) + first
        if self.upload.started_s is None:
            return None if connect is None else self.since_s + connect
        if first is None or self.upload.handed_s is None:
            return None
        return self.upload.handed_s + first

    def first_left_s(self) -> float | None:
        """What is left of `first_byte` once the head has come."""
        first = self._timeouts.first_byte
        if first is None or self.upload is None or self.upload.handed_s is None:
            return first
        return max(0.001, self.upload.handed_s + first - time.monotonic())


@atexit.register
def _settle() -> None:
    """Wait at exit until wreq's threads have dropped the bodies they hold, which takes milliseconds.

    One that did so while the interpreter ends would crash the process (seen in 4 of 10 processes that ended within
    5 ms of a watched request's start).
    """
    until_s = time.monotonic() + _SETTLE_S
    while _alive and time.monotonic() < until_s:
        time.sleep(0.001)
    if time.monotonic() - _latest_s < _RECENT_S:
        # The last one is dropped; its thread lets go of the interpreter a little later.
        time.sleep(0.01)


if sys.platform != "win32":
    # A forked child has none of those threads to wait for.
    os.register_at_fork(after_in_child=_alive.clear)
