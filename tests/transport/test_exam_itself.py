"""The exam can fail: transports that break a promise fail the point that is about it."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from penstock.http import Pool, Timeouts, Transport, WireReply, WireRequest, WireStream
from penstock.testing.exam_transport import ExamFailed, exercise_transport
from penstock.transport import open_transport
from penstock.transport.permits import Permits
from penstock.transport.wreq_adapter import WreqTransport


class _Around:
    """A transport with something changed."""

    def __init__(self, pool: Pool) -> None:
        self.inner = open_transport("wreq", pool)

    async def send(self, request: WireRequest, timeouts: Timeouts) -> WireReply:
        return await self.inner.send(request, timeouts)

    async def stream(self, request: WireRequest, timeouts: Timeouts) -> WireStream:
        return await self.inner.stream(request, timeouts)

    async def aclose(self) -> None:
        await self.inner.aclose()


class _SendsTwice(_Around):
    async def send(self, request: WireRequest, timeouts: Timeouts) -> WireReply:
        try:
            return await self.inner.send(request, timeouts)
        except Exception:  # noqa: BLE001
            return await self.inner.send(request, timeouts)


class _RunsOn(_Around):
    """A cancelled request goes on in the background."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.tasks: set[asyncio.Task[WireReply]] = set()

    async def send(self, request: WireRequest, timeouts: Timeouts) -> WireReply:
        task = asyncio.ensure_future(self.inner.send(request, timeouts))
        self.tasks.add(task)
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await super().aclose()


class _Unbounded(_Around):
    def __init__(self, pool: Pool) -> None:
        super().__init__(Pool(max_connections=10_000, max_body_bytes=2**40))


class _IgnoresPhases(_Around):
    async def send(self, request: WireRequest, timeouts: Timeouts) -> WireReply:
        return await self.inner.send(request, Timeouts(first_byte=None, between_bytes=None, total=timeouts.total))


class _Blames(_Around):
    """Every error says that nothing was sent."""

    async def send(self, request: WireRequest, timeouts: Timeouts) -> WireReply:
        try:
            return await self.inner.send(request, timeouts)
        except Exception as error:
            error.sent = False  # type: ignore[attr-defined]
            raise


class _KeepsPermits(WreqTransport):
    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self._permits = _LeakyPermits(pool.max_connections)


class _LeakyPermits(Permits):
    """A permit is lost each time its holder was cancelled."""

    def give(self) -> None:
        task = asyncio.current_task()
        if task is None or not task.cancelling():
            super().give()


@pytest.mark.parametrize(
    ("broken", "point"),
    [
        (_SendsTwice, "request_the_server_read_is_never_sent_twice"),
        (_SendsTwice, "half_body_closed"),
        (_RunsOn, "cancel_waiting_for_the_head"),
        (_Unbounded, "concurrency_is_bounded"),
        (_Unbounded, "endless_chunks_are_refused"),
        (_IgnoresPhases, "first_byte_timeout_waiting_for_the_head"),
        (_Blames, "no_reply_closed"),
        (_KeepsPermits, "cancel_in_a_sized_body"),
    ],
)
def test_broken_transport_fails_its_point(broken: type[Transport], point: str) -> None:
    with pytest.raises(ExamFailed) as failure:
        asyncio.run(exercise_transport(broken, only=[point], soak=300))
    assert list(failure.value.failed) == [point]


def test_known_failure_is_reported_and_fails_nothing() -> None:
    point = "half_body_closed"
    report = asyncio.run(exercise_transport(_SendsTwice, known_failures={point: "sends twice"}, only=[point]))
    assert report.known[point].startswith("sends twice (")


def test_known_failure_that_passes_fails_the_exam() -> None:
    point = "reply_arrives_whole"
    with pytest.raises(ExamFailed) as failure:
        factory = partial(open_transport, "wreq")
        asyncio.run(exercise_transport(factory, known_failures={point: "it did"}, only=[point]))
    assert failure.value.surprises == [point]


def test_unknown_point_is_named() -> None:
    with pytest.raises(ValueError, match="no_such_point"):
        asyncio.run(exercise_transport(_Around, known_failures={"no_such_point": "?"}))
