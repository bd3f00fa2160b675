"""A target that is slow and not dead: it isn't asked over and over for one answer, nor shut for it."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tests.race.given import a_call, build

from penstock.call import Completion, Finished, Started, TextDelta
from penstock.policies.breaker import Breaker
from penstock.race import RaceSettings
from penstock.testing import Chunks, ScriptedTarget, run

SETTINGS = RaceSettings(stream_inside="auto")


def answering(first_s: float, *gaps_s: float) -> Chunks:
    """One token at `first_s`, and one more after each gap."""
    pieces = [piece for gap_s in gaps_s for piece in (gap_s, TextDelta("x"))]
    return Chunks([Started(), first_s, TextDelta("x"), *pieces, Finished("stop")])


def target(name: str, step: Callable[[], Chunks]) -> ScriptedTarget:
    made = ScriptedTarget(name, lambda _: step())
    made.breaker = Breaker(random.Random(1))  # type: ignore[assignment]
    return made


def requests(
    targets: list[ScriptedTarget], calls: int, before: Callable[[int], None] = lambda number: None
) -> list[int]:
    async def main() -> list[int]:
        handler, sent = build(*targets, settings=SETTINGS), []
        for number in range(calls):
            before(number)
            reply = await handler(a_call(id=str(number)))
            assert isinstance(reply, Completion)
            sent.append(reply.requests_sent)
        return sent

    return run(main)


@pytest.mark.parametrize("gaps_s", [(1.5,) * 10, (0.02, 0.02, 2.5, 0.02), (3.0, 0.5, 0.5)])
@pytest.mark.parametrize("names", ["a", "ab"])
def test_a_stream_that_pauses_for_a_moment_is_no_silence(gaps_s: tuple[float, ...], names: str) -> None:
    targets = [target(f"{name}/x", lambda: answering(0.5, *gaps_s)) for name in names]
    assert requests(targets, 30) == [1] * 30


@pytest.mark.parametrize(("usual_s", "slow_s"), [(0.3, 10.0), (1.0, 20.0), (0.05, 5.0)])
@pytest.mark.parametrize("names", ["a", "ab"])
def test_a_slow_answer_after_quick_ones_costs_few_more_requests(usual_s: float, slow_s: float, names: str) -> None:
    first_s = [usual_s]

    def grow_slow(number: int) -> None:
        first_s[0] = usual_s if number < 30 else slow_s

    targets = [target(f"{name}/x", lambda: answering(first_s[0], 0.02)) for name in names]
    if len(targets) > 1:
        requests(targets[1:], 30)
    sent = requests(targets, 31, grow_slow)
    assert sent[-1] <= 3 + 3 * len(names)
    assert all(some.breaker.is_closed for some in targets)


def test_a_target_that_hangs_now_and_then_is_asked_again_in_time() -> None:
    hangs = [False]
    only = target("a/x", lambda: Chunks([Started(), 1000]) if hangs[0] and len(only.permits) % 5 else answering(1.0))

    def hang(number: int) -> None:
        hangs[0] = number == 30

    assert 2 <= requests([only], 31, hang)[-1] <= 6
