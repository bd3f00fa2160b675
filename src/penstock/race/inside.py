"""One attempt as it is sent; and a stream that the race reads itself, for a caller who wants one piece."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from penstock.call import Call, Completion, Kind, Reply, Started, Stream
from penstock.errors import CallError
from penstock.fold import Fold
from penstock.handler import OpenStream, primed
from penstock.race.target import Permit, Target
from penstock.race.triggers import Try

__all__ = ["begun", "read_inside", "send"]


async def send(target: Target, call: Call, asked: Call, permit: Permit, run: Try, now: Callable[[], float]) -> Reply:
    """One attempt: what `call` wants, `asked` being what is sent for it. The permit is its caller's to settle.

    Raises `CallError`.
    """
    reply = await target.send(asked, permit)
    return reply if isinstance(reply, Completion) else await begun(reply, call, permit, run, now)


def begun(stream: Stream, call: Call, permit: Permit, run: Try, now: Callable[[], float]) -> Awaitable[Reply]:
    """What becomes of a stream: the same for who wants one, once it has begun, else the completion of all of it."""
    if call.stream:
        return _begun(stream, permit, run, now)
    assert isinstance(stream, OpenStream)
    return read_inside(stream, run, call.kind, permit, now)


async def _begun(stream: Stream, permit: Permit, run: Try, now: Callable[[], float]) -> OpenStream:
    ready = await primed(stream)
    run.token(now_s := now())
    permit.heard(now_s - run.started_s)
    return ready


async def read_inside(stream: OpenStream, run: Try, kind: Kind, permit: Permit, now: Callable[[], float]) -> Completion:
    """The completion that the stream's events make; `run` is told of each as it comes. Closes the stream.

    Raises `CallError` as the stream does (cut, empty, stalled), and when an event of it was unreadable: nobody has
    any of it yet, so a text with a hole is a failed attempt. `Completion.raw` is empty.
    """
    folded = run.folded = Fold(kind)
    try:
        while events := await stream.batch():
            for event in events:
                folded.add(event)
            said = len(events) - (type(events[0]) is Started)
            if said:
                now_s = now()
                if run.first_token_s is None:
                    permit.heard(now_s - run.started_s)
                run.token(now_s, said)
    finally:
        # At its end it has closed itself.
        if not stream.closed:
            await stream.aclose()
    if stream.malformed_events:
        raise CallError(
            "transport",
            "an event of the stream was no JSON",
            code="malformed",
            request_id=stream.request_id,
            partial=folded.text,
        )
    completion = folded.completion()
    completion.request_id = stream.request_id
    return completion
