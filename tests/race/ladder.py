"""A caller, a stream that breaks, and what the ladder finds: for tests of the relay."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.race.given import a_call, an_error

from penstock.call import (
    Attempt,
    Call,
    Event,
    Finished,
    Rung,
    Seam,
    Started,
    TextDelta,
    Usage,
    UsageUpdate,
)
from penstock.errors import CallError, Unanswered
from penstock.fold import fold
from penstock.handler import OpenStream
from penstock.race.relay import PrefillRefusals, Relay
from penstock.testing import Chunks, ScriptedHandler, run

TEXT = "The valley hears a steady hum of current, and every window along the shore is lit by it."
BODY = {"messages": [{"role": "user", "content": "What does the valley hear?"}]}
STOP = [Finished("stop"), UsageUpdate(Usage(10, 20))]


def words(text: str, *, size: int = 4) -> list[Event]:
    return [TextDelta(text[at : at + size]) for at in range(0, len(text), size)]


def cut(*events: Event | float, kind: Any = "transport") -> Chunks:
    return Chunks([Started("m", "one"), *events, an_error(kind)])


class Ladder:
    """What `again` finds: for each rung a script of streams or errors, and a record of what it was asked."""

    def __init__(self, prefill: Iterable[Any] = (), anew: Iterable[Any] = (), *, refusals: Any = None) -> None:
        self.scripts = {"prefill": iter(list(prefill)), "anew": iter(list(anew))}
        self.asked: list[tuple[Rung, Call]] = []
        self.streams: list[OpenStream] = []
        self.handler = ScriptedHandler(lambda call: self._step)
        self.refusals = refusals or PrefillRefusals()
        self._step: Any = None

    async def again(self, call: Call, rung: Rung, error: CallError) -> OpenStream:
        self.asked.append((rung, call))
        self._step = next(self.scripts[rung], None)
        if self._step is None:
            raise Unanswered(f"nobody is left for {rung}", (), error)
        return await self.open(call, f"sim/{len(self.streams)}")

    async def open(self, call: Call, name: str) -> OpenStream:
        stream = await self.handler(call)
        assert isinstance(stream, OpenStream)
        stream.target = name
        stream.attempts = (Attempt(id=name, target=name),)
        self.streams.append(stream)
        return stream

    async def relay(self, first: Chunks, *, body: Any = BODY, **options: Any) -> OpenStream:
        call = a_call(body=body, stream=True)
        self._step = first
        relay = Relay(call, await self.open(call, "sim/0"), again=self.again, refusals=self.refusals, **options)
        return relay.stream()

    @property
    def seams(self) -> list[Seam | None]:
        return [stream.attempts[-1].seam for stream in self.streams]


def heard(ladder: Ladder, first: Chunks, **options: Any) -> tuple[list[Event], CallError | None]:
    """Every event that the caller got, and the error that the answer ended with."""
    events: list[Event] = []

    async def main() -> CallError | None:
        try:
            async for event in await ladder.relay(first, **options):
                events.append(event)
        except CallError as error:
            return error
        return None

    error = run(main)
    assert ladder.handler.open == 0, "every stream is closed"
    return events, error


def text_of(events: list[Event]) -> str:
    return fold(events).text
