"""Everything hangs for a while, and then it doesn't: those who waited are answered, whoever else comes or not."""

from __future__ import annotations

import asyncio
import random
from typing import Literal

import pytest
from tests.race.given import a_call, build, now

from penstock.call import Completion, Finished, Started, TextDelta
from penstock.errors import Unanswered
from penstock.handler import Handler
from penstock.policies.breaker import Breaker
from penstock.race import RaceSettings
from penstock.testing import Chunks, ScriptedTarget, run

OUTAGE_S = 20.0


def answer_or_hang(outage_s: float) -> Chunks:
    if now() < outage_s:
        return Chunks([Started(), 100_000.0])
    return Chunks([Started(), 0.5, TextDelta("x"), 0.5, Finished("stop")])


def ends_s(
    names: str, callers: int, *, patience: Literal["interactive", "batch"], deadline_s: float | None
) -> tuple[list[float], int]:
    """When each caller was answered, and the requests that were sent while everything hung."""
    targets = [ScriptedTarget(f"{name}/x", lambda _: answer_or_hang(OUTAGE_S)) for name in names]
    for place, target in enumerate(targets):
        target.breaker = Breaker(random.Random(place))  # type: ignore[assignment]
    sent_at_end = [0]

    async def one(handler: Handler, number: int) -> float:
        await asyncio.sleep(number * 0.01)
        try:
            call = a_call(id=str(number), deadline_s=None if deadline_s is None else now() + deadline_s)
            assert isinstance(await handler(call), Completion)
        except Unanswered:
            return float("inf")
        return now()

    async def main() -> list[float]:
        settings = RaceSettings(stream_inside="auto", patience=patience, deadline_after_s=None)
        handler = build(*targets, settings=settings)
        asyncio.get_running_loop().call_later(
            OUTAGE_S, lambda: sent_at_end.__setitem__(0, sum(len(target.permits) for target in targets))
        )
        return list(await asyncio.gather(*(one(handler, number) for number in range(callers))))

    return run(main), sent_at_end[0]


@pytest.mark.parametrize("names", ["a", "ab", "abc"])
@pytest.mark.parametrize("callers", [5, 21, 80, 200])
def test_callers_who_wait_in_silence_are_answered_before_their_deadline(names: str, callers: int) -> None:
    ends, sent = ends_s(names, callers, patience="interactive", deadline_s=60.0)
    assert max(ends) < 62.0
    assert sent <= callers + 60


@pytest.mark.parametrize("callers", [5, 200])
def test_a_batch_goes_on_when_everything_has_hung(callers: int) -> None:
    ends, sent = ends_s("ab", callers, patience="batch", deadline_s=None)
    assert max(ends) < OUTAGE_S + 60.0
    assert sent <= callers + 40
