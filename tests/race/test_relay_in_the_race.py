"""Broken streams in a whole race: who is asked next, how often, until when, and what the attempts say."""

from __future__ import annotations

import pytest
from tests.race.given import a_call, an_error, build, now
from tests.race.ladder import BODY, STOP, TEXT, words

from penstock.call import Call, Event, Seam, Started
from penstock.errors import DeadlineExceeded, Unanswered
from penstock.fold import fold
from penstock.handler import OpenStream
from penstock.race import RaceSettings, RaceStats
from penstock.testing import Chunks, ScriptedTarget, run


def broken(text: str) -> Chunks:
    return Chunks([Started(), *words(text), an_error("transport")])


def whole(text: str) -> Chunks:
    return Chunks([Started(), *words(text), *STOP])


def target(name: str, *script: Chunks, prefills: bool = False) -> ScriptedTarget:
    made = ScriptedTarget(name, script)
    made.prefills = prefills
    return made


def answered(*targets: ScriptedTarget, call: Call | None = None, **parts: object) -> tuple[str, OpenStream]:
    async def main() -> tuple[str, OpenStream]:
        stream = await build(*targets, **parts)(call or a_call(body=BODY, stream=True))
        assert isinstance(stream, OpenStream)
        events: list[Event] = [event async for event in stream]
        return fold(events).text, stream

    text, stream = run(main)
    assert [each.in_flight for each in targets] == [0] * len(targets)
    assert all(permit.ending is not None for each in targets for permit in each.permits)
    return text, stream


def test_the_next_target_that_continues_an_answer_goes_on_with_it() -> None:
    first, plain = target("a/m", broken(TEXT[:40])), target("b/m")
    able, stats = target("c/m", whole(TEXT[40:]), prefills=True), RaceStats()
    text, stream = answered(first, plain, able, stats=stats)
    assert (text, stream.target) == (TEXT, "c/m")
    assert [attempt.outcome for attempt in stream.attempts] == ["failed", "answered"]
    assert stream.attempts[1].seam == Seam(at_chars=40, rung="prefill", from_target="a/m", to_target="c/m")
    assert (stats.answered, stats.seams, stats.gave_up) == (1, 1, 0)


def test_where_nobody_continues_another_target_is_asked_anew() -> None:
    first, second = target("a/m", broken(TEXT[:40])), target("b/m", whole(TEXT))
    text, stream = answered(first, second)
    assert (text, [attempt.target for attempt in stream.attempts]) == (TEXT, ["a/m", "b/m"])


def test_the_only_target_is_asked_anew_itself() -> None:
    only = target("a/m", broken(TEXT[:40]), whole(TEXT))
    assert answered(only)[0] == TEXT


def test_a_text_is_continued_by_a_target_that_continues_no_message() -> None:
    first, second = target("a/m", broken(TEXT[:40])), target("b/m", whole(TEXT[40:]))
    call = a_call(body={"prompt": "Once"}, kind="completion", stream=True)
    text, stream = answered(first, second, call=call)
    assert (text, stream.attempts[1].seam is not None) == (TEXT, True)
    assert second.handler.calls[0].body["prompt"] == "Once" + TEXT[:40]


def test_the_limit_of_attempts_holds_over_every_break() -> None:
    only = ScriptedTarget("a/m", lambda _: broken(TEXT[:40]))
    with pytest.raises(Unanswered) as caught:
        answered(only, settings=RaceSettings(max_attempts=3))
    assert (len(caught.value.attempts), len(only.permits)) == (3, 3)
    assert caught.value.last is not None
    assert caught.value.last.partial == TEXT[:40]


def test_an_attempt_that_lost_the_race_counts_when_the_winner_breaks() -> None:
    silent = target("a/m", Chunks([Started(), 100, *words(TEXT), *STOP]))
    hedge = ScriptedTarget("b/m", lambda _: broken(TEXT[:40]))
    with pytest.raises(Unanswered) as caught:
        answered(silent, hedge, settings=RaceSettings(max_attempts=2, hedge=1.0))
    assert [attempt.outcome for attempt in caught.value.attempts] == ["cancelled", "failed"]


def test_a_deadline_that_passes_in_the_middle_is_told_as_one() -> None:
    slow = ScriptedTarget("a/m", lambda _: Chunks([Started(), *words(TEXT[:40]), 12, *words(TEXT[40:]), *STOP]))

    async def main() -> float:
        stream = await build(slow)(a_call(body=BODY, stream=True, deadline_s=10.0))
        assert isinstance(stream, OpenStream)
        with pytest.raises(DeadlineExceeded) as caught:
            _ = [event async for event in stream]
        assert caught.value.last is not None
        assert caught.value.last.partial == TEXT[:40]
        return now()

    assert run(main) == pytest.approx(10, abs=0.1)
    assert slow.in_flight == 0
