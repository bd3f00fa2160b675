from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest
from tests.batch.given import item

from penstock.batch.items import BadItem, Item
from penstock.batch.runner import Latencies, Limits, Runner, Tally
from penstock.batch.window import Window
from penstock.call import Call, Choice, Completion, Reply, Usage
from penstock.clock import LoopClock
from penstock.errors import AuthenticationFailed, BadRequest, CallError, Unanswered
from penstock.testing import run


class MemorySink:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.answers: list[tuple[str, str]] = []
        self.failures: list[tuple[str, str]] = []
        self.bads: list[str] = []
        self.shared: dict[bytes, str] = {}
        self.is_full = False
        self.closed = False

    async def room(self) -> None:
        await asyncio.sleep(1)
        self.is_full = False

    def answered(self, item: Item, completion: Completion) -> None:
        self.answers.append((item.custom_id, completion.text))
        if item.key is not None:
            self.shared[item.key] = completion.text

    def failed(self, item: Item, error: Unanswered) -> None:
        self.failures.append((item.custom_id, error.kind))

    def bad(self, item: BadItem) -> None:
        self.bads.append(item.custom_id)

    def joined(self, item: Item) -> bool:
        if item.key not in self.shared:
            return False
        self.answers.append((item.custom_id, self.shared[item.key]))
        return True

    async def close(self) -> None:
        self.closed = True


def answer(call: Call) -> Completion:
    text = call.body["messages"][0]["content"]
    message = {"role": "assistant", "content": text}
    return Completion(choices=(Choice(message, "stop"),), usage=Usage(3, 2), target="t", latency_s=0.1, requests_sent=1)


class Target:
    """Answers after a second, or as `script` says; counts what it is asked."""

    def __init__(self, script: Callable[[Call], Awaitable[Reply]] | None = None) -> None:
        self.asked: list[str] = []
        self.most = 0
        self._now = 0
        self._script = script

    async def __call__(self, call: Call) -> Reply:
        self.asked.append(call.id)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            if self._script is not None:
                return await self._script(call)
            await asyncio.sleep(1)
            return answer(call)
        finally:
            self._now -= 1


def refused(kind: Any, error: type[Unanswered]) -> Callable[[Call], Awaitable[Reply]]:
    async def script(call: Call) -> Reply:
        await asyncio.sleep(1)
        last = CallError(kind, "no", target="t", status=401 if kind == "auth" else 400)
        raise error(str(last), (), last)

    return script


class Ran:
    def __init__(self, runner: Runner, sink: MemorySink, seconds: float) -> None:
        self.runner, self.sink, self.tally, self.seconds = runner, sink, runner.tally, seconds


def ran(
    items: Iterable[Item | BadItem],
    target: Target,
    *,
    width: int = 4,
    limits: Limits | None = None,
    meanwhile: Callable[[Runner], None] | None = None,
    at_s: float = 0.0,
    waiting: Callable[[], int] = lambda: 0,
) -> Ran:
    sink = MemorySink()

    async def main() -> Ran:
        clock = LoopClock()
        runner = Runner(
            iter(items),
            lambda model: target,
            sink,
            clock=clock,
            window=Window(width, width),
            limits=limits or Limits(),
            tally=Tally(),
            waiting=waiting,
        )
        if meanwhile is not None:
            clock.call_later(at_s, lambda: meanwhile(runner))
        await runner.run()
        return Ran(runner, sink, clock.now())

    return run(main())


def test_every_item_is_asked_once_and_answered() -> None:
    target = Target()
    result = ran([item(n) for n in range(50)], target)
    assert sorted(target.asked) == sorted(f"id-{n}" for n in range(50))
    assert sorted(result.sink.answers) == sorted((f"id-{n}", f"question {n}") for n in range(50))
    assert result.sink.closed
    tally = result.tally
    assert (tally.answered, tally.attempts, tally.input_tokens, tally.in_flight) == (50, 50, 150, 0)


def test_no_more_than_the_window_is_in_flight() -> None:
    target = Target()
    result = ran([item(n) for n in range(40)], target, width=8)
    assert target.most == 8
    assert result.seconds == pytest.approx(5, abs=0.5)


def test_the_input_is_read_no_further_than_the_window_needs() -> None:
    read: list[int] = []

    def items() -> Iterable[Item]:
        for n in range(1000):
            read.append(n)
            yield item(n)

    ran(items(), Target(), meanwhile=lambda runner: runner.stop("enough"), at_s=0.5)
    assert len(read) == 4


def test_equal_rows_are_asked_once_and_answered_everywhere() -> None:
    target = Target()
    result = ran([item(n, key=b"same") for n in range(20)] + [item(99)], target)
    assert target.asked == ["id-0", "id-99"]
    assert len(result.sink.answers) == 21
    assert (result.tally.answered, result.tally.joined) == (21, 19)


def test_equal_rows_share_a_refusal_for_good() -> None:
    target = Target(refused("bad_request", BadRequest))
    result = ran([item(n, key=b"same") for n in range(4)], target)
    assert target.asked == ["id-0"]
    assert sorted(result.sink.failures) == [(f"id-{n}", "bad_request") for n in range(4)]


def test_a_failed_request_is_recorded_and_the_run_goes_on() -> None:
    target = Target(refused("bad_request", BadRequest))
    result = ran([item(0), item(1)], target)
    assert len(result.sink.failures) == 2
    assert result.runner.stopped is None
    assert result.tally.errors == {"bad_request": 2}


def test_a_refused_key_stops_the_run_and_fails_no_request() -> None:
    target = Target(refused("auth", AuthenticationFailed))
    result = ran([item(n) for n in range(1000)], target)
    assert len(target.asked) == 4
    assert result.sink.failures == []
    assert "401" in (result.runner.stopped or "")


def test_bad_lines_are_recorded_without_being_asked() -> None:
    target = Target()
    result = ran([BadItem(0, "line-1", "no"), item(1)], target)
    assert result.sink.bads == ["line-1"]
    assert target.asked == ["id-1"]


def test_a_stop_finishes_what_is_in_flight() -> None:
    target = Target()
    result = ran([item(n) for n in range(100)], target, meanwhile=lambda r: r.stop("Ctrl-C"), at_s=0.5)
    assert len(result.sink.answers) == 4
    assert result.seconds == pytest.approx(1, abs=0.1)


def test_a_second_stop_cancels_what_is_in_flight() -> None:
    result = ran([item(n) for n in range(100)], Target(), meanwhile=lambda r: r.stop("Ctrl-C", now=True), at_s=0.5)
    assert result.sink.answers == []
    assert result.seconds == pytest.approx(0.5, abs=0.1)
    assert result.sink.closed


def test_what_takes_longer_than_the_drain_is_cancelled() -> None:
    async def for_ever(call: Call) -> Reply:
        await asyncio.sleep(3600)
        return answer(call)

    result = ran([item(0)], Target(for_ever), meanwhile=lambda r: r.stop("SIGTERM", drain_s=20), at_s=1)
    assert result.seconds == pytest.approx(21, abs=0.1)


def test_a_stop_does_not_wait_for_calls_that_only_wait() -> None:
    async def for_ever(call: Call) -> Reply:
        await asyncio.sleep(3600)
        return answer(call)

    result = ran([item(0)], Target(for_ever), meanwhile=lambda r: r.stop("Ctrl-C"), at_s=1, waiting=lambda: 1)
    assert result.seconds < 3


def test_the_run_gives_up_when_nothing_answers() -> None:
    async def for_ever(call: Call) -> Reply:
        await asyncio.sleep(1e9)
        return answer(call)

    result = ran([item(0)], Target(for_ever), limits=Limits(give_up_after_s=900))
    assert result.seconds == pytest.approx(900, abs=2)
    assert "900 s" in (result.runner.stopped or "")
    assert result.sink.failures == []


def test_max_elapsed_stops_the_run_and_fails_no_request() -> None:
    result = ran([item(n) for n in range(100)], Target(), width=1, limits=Limits(max_elapsed_s=10))
    assert 9 <= len(result.sink.answers) <= 12
    assert result.sink.failures == []


def test_a_bug_in_a_handler_ends_the_run_with_that_error() -> None:
    async def bug(call: Call) -> Reply:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ran([item(n) for n in range(10)], Target(bug))


def test_cancelling_the_run_leaves_nothing_running() -> None:
    async def main() -> set[asyncio.Task[Any]]:
        clock = LoopClock()
        runner = Runner(
            iter([item(n) for n in range(10)]),
            lambda model: Target(),
            MemorySink(),
            clock=clock,
            window=Window(4, 4),
            limits=Limits(),
            tally=Tally(),
        )
        task = asyncio.ensure_future(runner.run())
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return asyncio.all_tasks() - {asyncio.current_task()}  # type: ignore[arg-type]

    assert run(main()) == set()


def test_workers_wait_for_room_and_go_on() -> None:
    sink = MemorySink()
    sink.is_full = True

    async def main() -> None:
        await Runner(
            iter([item(0)]),
            lambda model: Target(),
            sink,
            clock=LoopClock(),
            window=Window(2, 2),
            limits=Limits(),
            tally=Tally(),
        ).run()

    run(main())
    assert len(sink.answers) == 1


def test_a_worker_that_is_cancelled_from_elsewhere_ends_the_run_loudly() -> None:
    async def cancelled(call: Call) -> Reply:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError, match="cancelled"):
        ran([item(n, key=b"same") for n in range(3)], Target(cancelled), width=3)


def test_a_window_that_narrows_keeps_workers_for_what_is_left() -> None:
    sink, target = MemorySink(), Target()

    class Narrowing(Window):
        __slots__ = ()

        def done(self, now_s: float) -> bool:
            self.limit = 4
            return False

    async def main() -> None:
        runner = Runner(
            (item(n) for n in range(100)),
            lambda model: target,
            sink,
            clock=LoopClock(),
            window=Narrowing(16, 16),
            limits=Limits(),
            tally=Tally(),
        )
        await runner.run()

    run(main())
    assert len(sink.answers) == 100


def test_quantiles_of_latencies_are_within_their_buckets() -> None:
    latencies = Latencies()
    assert latencies.quantile(0.5) is None
    for n in range(1, 1001):
        latencies.add(n / 100)
    assert latencies.quantile(0.5) == pytest.approx(5, rel=0.04)
    assert latencies.quantile(0.99) == pytest.approx(9.9, rel=0.04)
    latencies.add(0.0)
    assert (latencies.quantile(0.0) or 0) < 0.02
