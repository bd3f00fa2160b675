"""A stream that the race reads itself, for a caller who wants one piece: a stall shows while there is time."""

from __future__ import annotations

from collections.abc import Callable

from penstock.call import Completion, Kind, Started
from penstock.errors import CallError
from penstock.fold import Fold
from penstock.handler import OpenStream
from penstock.race.triggers import Try

__all__ = ["read_inside"]


async def read_inside(stream: OpenStream, run: Try, kind: Kind, now: Callable[[], float]) -> Completion:
    """The completion that the stream's events make; `run` is told of each as it comes. Closes the stream.

    Raises `CallError` as the stream does (cut, empty, stalled), and when an event of it was unreadable: nobody has
    any of it yet, so a text with a hole is a failed attempt. `Completion.raw` is empty.
    """
    folded = Fold(kind)
    async with stream:
        async for event in stream:
            folded.add(event)
            if type(event) is not Started:
                run.token(now())
    if stream.malformed_events:
        raise CallError("transport", "an event of the stream was no JSON", code="malformed", partial=folded.text)
    return folded.completion()
