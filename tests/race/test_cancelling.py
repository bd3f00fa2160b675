"""Many races at once, cancelled from outside at any moment: nothing outlives its race, nothing is lost."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

import pytest
from tests.race.given import a_call, an_answer, an_error

from penstock.call import Call, Completion, Started, TextDelta, Usage, UsageUpdate
from penstock.call import Finished as FinishedEvent
from penstock.clock import LoopClock
from penstock.credentials import KeyPool, Secret
from penstock.errors import Unanswered
from penstock.handler import OpenStream
from penstock.policies.limit import Limiter, Limits
from penstock.race import LatencyBook, RaceSettings, race
from penstock.testing import Chunks, Delayed, FakeBreaker, ScriptedHandler, run

KINDS: tuple[Any, ...] = ("server_error", "overloaded", "rate_limited", "transport", "timeout", "empty", "bad_request")


class LimitedTarget:
    """A scripted handler behind a real limiter."""

    def __init__(self, name: str, handler: ScriptedHandler, limiter: Limiter) -> None:
        self.name = name
        self.handler = handler
        self.limiter = limiter
        self.breaker = FakeBreaker()
        self.latency = LatencyBook()
        self.prefills = False
        self.bill = None
        self.wait_s, self.try_admit, self.admit = limiter.wait_s, limiter.try_admit, limiter.admit

    async def send(self, call: Call, permit: Any) -> Any:
        return await self.handler(call)


def _step(rng: random.Random, call: Call) -> Any:
    draw = rng.random()
    step: Any = an_answer()
    if draw < 0.5:
        kind = rng.choice(KINDS)
        step = an_error(kind, retry_after_s=rng.choice([None, 0.5, 3.0]))
    if call.stream:
        step = _stream(rng)
    # Half-second steps make deadlines, cancels and answers fall together.
    return Delayed(rng.choice([0.0, 0.5, 1.0, rng.random() * 4]), step)


def _stream(rng: random.Random) -> Chunks:
    """Whole, silent, stalled or cut."""
    pieces: list[Any] = [Started()]
    for letter in "hello":
        pieces += [rng.choice([0.0, 0.5, 0.1, rng.random()]), TextDelta(letter)]
    pieces += [UsageUpdate(Usage(3, 5)), FinishedEvent("stop")]
    draw = rng.random()
    if draw < 0.15:
        pieces = [*pieces[: rng.randrange(len(pieces))], 1000]
    elif draw < 0.4:
        pieces = [*pieces[: rng.randrange(len(pieces))], an_error(rng.choice(("transport", "overloaded")))]
    return Chunks(pieces)


def _targets(rng: random.Random) -> list[LimitedTarget]:
    targets = []
    for name in rng.choice([("a/x",), ("a/x", "b/x"), ("a/x", "b/x", "c/x")]):
        limits = rng.choice([Limits(), Limits(rpm=600), Limits(max_in_flight=3), Limits(rpm=300, tpm=60_000)])
        pool = KeyPool([Secret(f"sk-test-not-a-key-{n}") for n in range(rng.choice([1, 2]))])
        limiter = Limiter(pool, clock=LoopClock(), name=name, limits=limits, rng=rng)
        targets.append(LimitedTarget(name, ScriptedHandler(lambda call: _step(rng, call)), limiter))
    return targets


async def _one_world(seed: int) -> None:
    rng = random.Random(seed)
    targets = _targets(rng)
    settings = RaceSettings(
        patience=rng.choice(["interactive", "batch"]),
        max_attempts=rng.choice([None, 5]),
        deadline_after_send_s=60,
        hedge=rng.choice(["off", "auto", 0.5, 1.0]),
        stream_inside=rng.choice(["off", "auto", "on"]),
        first_token_s=rng.choice([None, 1.0]),
        between_tokens_s=rng.choice([15.0, 0.5]),
        on_break=rng.choice(["recover", "error"]),
    )
    handler = race(targets, settings, clock=LoopClock(), rng=rng)
    loop = asyncio.get_running_loop()

    async def one(number: int) -> None:
        await asyncio.sleep(rng.choice([0, 0.5, rng.random()]))
        deadline_s = loop.time() + rng.choice([0.5, 1.0, 5.0, 30.0])
        try:
            reply = await handler(
                a_call(id=f"r{number}", deadline_s=deadline_s, priority=rng.choice([0, 1]), stream=rng.random() < 0.3)
            )
            if isinstance(reply, OpenStream):
                async with reply:
                    text = "".join([event.text async for event in reply if isinstance(event, TextDelta)])
            else:
                assert isinstance(reply, Completion)
                text = reply.text
            assert text == "hello"
        except Unanswered as error:
            assert all(attempt.outcome != "running" for attempt in error.attempts)  # noqa: PT017
        assert loop.time() <= deadline_s + 0.06

    tasks = [asyncio.create_task(one(number)) for number in range(20)]
    for task in tasks:
        if rng.random() < 0.4:
            loop.call_later(rng.choice([0.5, 1.0, 1.5, rng.random() * 6]), task.cancel)
    await asyncio.wait(tasks)
    for task in tasks:
        assert task.cancelled() or task.exception() is None, task.exception()
        assert task.cancelling() == int(task.cancelled())
    for target in targets:
        assert target.handler.open == 0
        seen = target.limiter.saturation()
        assert (seen.in_flight, seen.waiting, target.breaker.in_flight) == (0, 0, 0)


@pytest.mark.parametrize("block", range(10))
def test_nothing_outlives_its_race_and_no_permit_is_lost(block: int) -> None:
    for seed in range(block * 50, block * 50 + 50):
        try:
            run(_one_world(seed))
        except BaseException:
            print(f"seed {seed}")
            raise


def test_a_cancel_at_the_instant_of_the_deadline_is_the_caller_s() -> None:
    handler = ScriptedHandler(lambda _: Delayed(1000, an_answer()))

    async def main() -> None:
        limiter = Limiter(KeyPool(), clock=LoopClock(), name="a/x")
        answer = race([LimitedTarget("a/x", handler, limiter)], RaceSettings(), clock=LoopClock())
        loop = asyncio.get_running_loop()
        for delay_s in (1.01, 1.02, 1.02 - 1e-10, 1.1):
            await asyncio.sleep(math.ceil(loop.time()) - loop.time())
            task = asyncio.ensure_future(answer(a_call(deadline_s=loop.time() + 1.0)))
            loop.call_later(delay_s, task.cancel)
            await asyncio.wait([task])
            assert task.cancelled() == (delay_s < 1.1)

    run(main)
