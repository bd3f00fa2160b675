from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock.call import Completion, Event, Started, TextDelta, Usage, UsageUpdate
from penstock.errors import CallError
from penstock.handler import OpenStream, hold, primed
from penstock.testing import run


class Source:
    """Events from a list, an exception among them raised; counts how often it was closed."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = list(pieces)
        self.closed = 0

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        if not self.pieces:
            raise StopAsyncIteration
        piece = self.pieces.pop(0)
        if isinstance(piece, BaseException):
            raise piece
        return piece  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        self.closed += 1


class ForeignStream:
    """A `Stream` that isn't an `OpenStream`."""

    def __init__(self, *pieces: Any) -> None:
        self.source = Source(*pieces)
        self.exits = 0

    async def __aenter__(self) -> ForeignStream:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.exits += 1

    def __aiter__(self) -> AsyncIterator[Event]:
        return self.source


async def drained(stream: Any) -> list[Event]:
    return [event async for event in stream]


def test_a_completion_gives_back_at_once() -> None:
    given: list[str] = []
    reply = Completion()
    assert hold(reply, lambda: given.append("permit")) is reply
    assert given == ["permit"]


def test_a_stream_gives_back_when_it_is_over_newest_first() -> None:
    given: list[str] = []

    async def main() -> None:
        stream = hold(OpenStream(Source(TextDelta("a"))), lambda: given.append("inner"))
        stream = hold(stream, lambda: given.append("outer"))
        assert given == []
        await drained(stream)

    run(main)
    assert given == ["outer", "inner"]


def test_a_foreign_stream_is_left_after_its_holder_gave_back() -> None:
    foreign, given = ForeignStream(TextDelta("a")), []

    async def main() -> None:
        assert await drained(hold(foreign, lambda: given.append(foreign.exits))) == [TextDelta("a")]

    run(main)
    assert foreign.exits == 1


def test_closing_twice_gives_back_once() -> None:
    source, given = Source(TextDelta("a")), []

    async def main() -> None:
        stream = OpenStream(source, lambda: given.append(1))
        async with stream:
            pass
        await stream.aclose()
        assert await drained(stream) == []
        assert not stream.complete

    run(main)
    assert (given, source.closed) == ([1], 1)


def test_an_error_closes_the_stream_and_everything_is_given_back_whatever_fails() -> None:
    given: list[str] = []

    def failing() -> None:
        raise OSError("the release failed")

    async def main() -> None:
        stream = OpenStream(Source(TextDelta("a")), lambda: given.append("first"), failing)
        with pytest.raises(OSError, match="release failed"):
            await stream.aclose()

    run(main)
    assert given == ["first"]


def test_a_cancelled_read_closes_the_stream() -> None:
    given: list[str] = []

    async def events() -> AsyncIterator[Event]:
        await asyncio.sleep(100)
        yield TextDelta("late")

    async def main() -> None:
        stream = OpenStream(events(), lambda: given.append("permit"))
        task = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert stream.closed

    run(main)
    assert given == ["permit"]


def test_the_last_usage_is_remembered() -> None:
    async def main() -> Usage | None:
        stream = OpenStream(Source(UsageUpdate(Usage(1, 1)), TextDelta("a"), UsageUpdate(Usage(1, 2))))
        await drained(stream)
        assert stream.complete
        return stream.usage

    assert run(main) == Usage(1, 2)


def test_an_error_in_the_stream_is_explained_but_a_bug_isn_t() -> None:
    async def main() -> None:
        for error, expected in ((CallError("transport", "cut"), LookupError), (KeyError("bug"), KeyError)):
            stream = OpenStream(Source(error))
            stream.explain = lambda error: LookupError(str(error))
            with pytest.raises(expected) as caught:
                await anext(stream)
            assert type(caught.value) is expected

    run(main)


@pytest.mark.parametrize("kind", [OpenStream, ForeignStream])
def test_a_primed_stream_yields_everything_from_the_start(kind: Any) -> None:
    events = [Started(), TextDelta("a"), TextDelta("b")]

    async def main() -> None:
        made = OpenStream(Source(*events)) if kind is OpenStream else ForeignStream(*events)
        assert await drained(await primed(made)) == events

    run(main)


def test_priming_waits_for_an_event_that_says_something() -> None:
    source = Source(Started(), TextDelta("a"), TextDelta("b"))

    async def main() -> None:
        await primed(OpenStream(source))
        assert source.pieces == [TextDelta("b")]

    run(main)


def test_a_stream_that_only_began_still_yields_its_beginning() -> None:
    async def main() -> None:
        assert await drained(await primed(OpenStream(Source(Started())))) == [Started()]

    run(main)


def test_closing_a_primed_stream_drops_what_was_read_ahead() -> None:
    async def main() -> None:
        stream = await primed(OpenStream(Source(Started(), TextDelta("a"))))
        await stream.aclose()
        assert await drained(stream) == []

    run(main)


def test_a_stream_that_dies_at_birth_is_closed_before_the_error_goes_on() -> None:
    given: list[int] = []

    async def main() -> None:
        with pytest.raises(CallError, match="busy"):
            await primed(OpenStream(Source(Started(), CallError("overloaded", "busy")), lambda: given.append(1)))
        assert given == [1]

    run(main)


def test_a_foreign_stream_that_dies_at_birth_is_left() -> None:
    foreign = ForeignStream(Started(), CallError("overloaded", "busy"))

    async def main() -> None:
        with pytest.raises(CallError, match="busy"):
            await primed(foreign)

    run(main)
    assert foreign.exits == 1


def test_priming_that_is_cancelled_closes_the_stream() -> None:
    given: list[int] = []

    async def silent() -> AsyncIterator[Event]:
        yield Started()
        await asyncio.sleep(1000)

    async def main() -> None:
        task = asyncio.create_task(primed(OpenStream(silent(), lambda: given.append(1))))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    run(main)
    assert given == [1]


class Groups:
    """Events in the groups that they come in; an exception is raised in its turn."""

    def __init__(self, *groups: list[Event] | Exception) -> None:
        self.groups = list(groups)
        self.closed = 0

    async def batch(self) -> list[Event]:
        group = self.groups.pop(0) if self.groups else []
        if isinstance(group, Exception):
            raise group
        return group

    async def aclose(self) -> None:
        self.closed += 1


def test_groups_of_events_come_one_by_one_or_together() -> None:
    a, b, c = TextDelta("a"), TextDelta("b"), TextDelta("c")

    async def main() -> None:
        assert await drained(OpenStream(Groups([a, b], [c]))) == [a, b, c]
        stream = OpenStream(Groups([a, b], [c]))
        assert [await stream.batch(), await stream.batch(), await stream.batch()] == [[a, b], [c], []]
        assert stream.complete

    run(main)


def test_a_group_that_was_begun_is_finished_together() -> None:
    a, b, c = TextDelta("a"), TextDelta("b"), TextDelta("c")

    async def main() -> None:
        stream = OpenStream(Groups([a, b], [c]))
        assert await stream.__anext__() == a
        assert [await stream.batch(), await stream.batch()] == [[b], [c]]

    run(main)


def test_what_came_before_an_error_is_given_before_it() -> None:
    groups, given = Groups([TextDelta("a")], CallError("transport", "cut")), []

    async def main() -> None:
        stream = OpenStream(groups, lambda: given.append(1))
        assert await stream.batch() == [TextDelta("a")]
        with pytest.raises(CallError):
            await stream.batch()
        assert await stream.batch() == []

    run(main)
    assert (groups.closed, given) == (1, [1])


def test_single_events_are_groups_of_one() -> None:
    async def main() -> None:
        stream = OpenStream(Source(TextDelta("a"), UsageUpdate(Usage(1, 2))))
        assert [await stream.batch(), await stream.batch()] == [[TextDelta("a")], [UsageUpdate(Usage(1, 2))]]
        assert stream.usage == Usage(1, 2)
        assert await stream.batch() == []

    run(main)
