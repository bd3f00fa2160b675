"""One attempt as it is sent; and a stream that the race reads itself, for a caller who wants one piece."""

from __future__ import annotations

from collections.abc import Callable

from penstock.call import Call, Completion, Event, Kind, Reply, Started, Stream
from penstock.errors import CallError
from penstock.fold import Fold
from penstock.handler import OpenStream, primed
from penstock.race.target import Permit, Target
from penstock.race.triggers import Try

__all__ = ["begun", "read_inside", "send", "settle", "take", "whole"]


async def send(target: Target, call: Call, asked: Call, permit: Permit, run: Try, now: Callable[[], float]) -> Reply:
    """One attempt: what `call` wants, `asked` being what is sent for it. The permit is its caller's to settle.

    Raises `CallError`.
    """
    reply = await target.send(asked, permit)
    if isinstance(reply, Completion):
        return reply
    if call.stream:
        return await begun(reply, permit, run, now)
    assert isinstance(reply, OpenStream)
    return await read_inside(reply, run, call.kind, permit, now)


async def begun(stream: Stream, permit: Permit, run: Try, now: Callable[[], float]) -> OpenStream:
    """The stream once it has begun, for a caller who wants one."""
    ready = await primed(stream)
    run.token(now_s := now())
    permit.heard(now_s - run.started_s)
    return ready


async def read_inside(stream: OpenStream, run: Try, kind: Kind, permit: Permit, now: Callable[[], float]) -> Completion:
    """The completion that the stream's events make; `run` is told of each as it comes. Closes the stream.

    Raises `CallError` as the stream does (cut, empty, stalled), and as `whole` does.
    """
    folded = run.folded = Fold(kind)
    try:
        while events := await stream.batch():
            take(events, folded, run, permit, now())
    finally:
        # At its end it has closed itself.
        if not stream.closed:
            await stream.aclose()
    return whole(stream, folded)


def take(events: list[Event], folded: Fold, run: Try, permit: Permit, now_s: float) -> None:
    """Some events of a stream are here."""
    folded.add_all(events)
    said = len(events) - (type(events[0]) is Started)
    if said:
        if run.first_token_s is None:
            permit.heard(now_s - run.started_s)
            run.token(now_s, said)
        else:
            run.heard_s = now_s
            run.tokens += said


def whole(stream: OpenStream, folded: Fold) -> Completion:
    """The completion of a stream that is over; its `raw` is empty.

    Raises `CallError` when an event was unreadable: nobody has any of it yet, so a text with a hole is a failed
    attempt.
    """
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


def settle(permit: Permit, reply: Reply) -> None:
    """Give back what was reserved and not used: now, or of a stream when it is over."""
    if isinstance(reply, Completion):
        permit.settle(reply.usage)
    else:
        assert isinstance(reply, OpenStream)
        reply.on_close(lambda: permit.settle(reply.usage if reply.complete else None))
