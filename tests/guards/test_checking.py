"""Checks say whether an answer is good; what isn't is noted, asked again within bounds, or refused."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.guards.given import a_call, answering, asked, said, streamed

from penstock.call import Call, Completion, Reply, TextDelta
from penstock.clock import LoopClock
from penstock.errors import ConfigError, GuardRefused
from penstock.guards import Check
from penstock.guards.checking import Checked
from penstock.handler import Handler
from penstock.testing import ScriptedHandler, run


class _NoClock:
    """For calls whose time nobody bounds."""

    def now(self) -> float:
        raise AssertionError("nobody asked for the time")


def checked(inner: Handler, *checks: Check) -> Handler:
    return Checked(checks, _NoClock())(inner)  # type: ignore[arg-type]


def short(text: str) -> bool:
    return len(text) < 10


def test_a_good_answer_is_handed_on_as_it_is() -> None:
    answer, _ = asked(checked(answering(reply := said("fine")), Check(short)), a_call())
    assert answer is reply


@pytest.mark.parametrize("verdict", [True, None])
def test_true_and_nothing_are_good(verdict: bool | None) -> None:
    answer, _ = asked(checked(answering(said("x")), Check(lambda _: verdict)), a_call())
    assert answer.text == "x"


def _raises(_: str) -> bool:
    raise ValueError("no digit")


async def _later(text: str) -> str | None:
    await asyncio.sleep(1)
    return "has an a" if "a" in text else None


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda _: False, "refused the answer of t/m$"),
        (lambda _: "too rude", ": too rude$"),
        (lambda _: 7, "returned int, expected"),
        (_raises, ": ValueError: no digit$"),
        (_later, ": has an a$"),
    ],
)
def test_every_way_of_saying_no_refuses(call: Any, told: str) -> None:
    with pytest.raises(GuardRefused, match=told) as caught:
        asked(checked(answering(said("bad")), Check(call, name="mine")), a_call())
    assert str(caught.value).startswith("check mine refused the answer of t/m")
    assert caught.value.requests_sent == 1


def test_a_flagged_answer_is_given_and_noted() -> None:
    answer, _ = asked(checked(answering(said("bad")), Check(lambda _: "why", "flag", name="c")), a_call())
    assert [(one.what, one.done, one.detail) for one in answer.guards] == [("c", "flagged", "why")]


def test_a_bad_answer_is_asked_again_with_what_is_wrong_and_everything_is_counted() -> None:
    inner = answering(said("far too long for this"), said("fine"))
    check = Check(lambda text: None if short(text) else "too long", "again", name="length")
    answer, _ = asked(checked(inner, check), a_call("q"))
    assert answer.text == "fine"
    assert (answer.requests_sent, answer.cost_usd) == (2, 1.0)
    assert [(one.what, one.done) for one in answer.guards] == [("length", "asked again")]
    question, bad, order = inner.calls[1].body["messages"]
    assert (question["content"], bad["content"]) == ("q", "far too long for this")
    assert "too long" in order["content"]
    assert inner.calls[0].sample != inner.calls[1].sample


def test_without_a_reason_the_same_is_asked_as_another_sample() -> None:
    inner = answering(said("far too long for this"), said("fine"))
    asked(checked(inner, Check(short, "again")), call := a_call("q"))
    assert inner.calls[1].body is call.body
    assert inner.calls[1].sample == "~1"


def test_asking_again_ends() -> None:
    inner = answering(*(said("far too long for this") for _ in range(3)))
    with pytest.raises(GuardRefused, match="asked 3 times") as caught:
        asked(checked(inner, Check(short, "again", times=2)), a_call())
    assert caught.value.requests_sent == 3
    assert [one.done for one in caught.value.guards] == ["asked again", "asked again", "refused"]


def test_a_deadline_bounds_all_of_it() -> None:
    seen: list[float | None] = []

    async def inner(call: Call) -> Reply:
        seen.append(call.deadline_s)
        await asyncio.sleep(3)
        return said("far too long for this" if len(seen) == 1 else "fine")

    async def main() -> Any:
        loop_clock = LoopClock(asyncio.get_running_loop())
        began_s = loop_clock.now()
        await Checked((Check(short, "again"),), loop_clock, 20.0)(inner)(a_call())
        return [None if at_s is None else at_s - began_s for at_s in seen]

    assert run(main) == [20.0, 20.0]


def test_a_stream_is_held_until_it_was_checked_and_may_be_asked_again() -> None:
    inner = answering(streamed(["far too ", "long for this"]), streamed(["fi", "ne"]))
    answer, events = asked(checked(inner, Check(short, "again")), a_call(stream=True))
    assert answer.text == "fine"
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["fi", "ne"]
    assert [one.done for one in answer.guards] == ["asked again"]
    assert inner.open == 0


def test_a_stream_that_is_flagged_goes_through_as_it_comes() -> None:
    order: list[str] = []
    inner = answering(streamed(["one", "two"]))

    def check(text: str) -> bool:
        order.append(f"checked {text}")
        return False

    async def main() -> Any:
        stream: Any = await checked(inner, Check(check, "flag"))(a_call(stream=True))
        async for event in stream:
            if isinstance(event, TextDelta):
                order.append(event.text)
        return stream.guards

    assert [one.done for one in run(main)] == ["flagged"]
    assert order == ["one", "two", "checked onetwo"]


def test_a_stream_shows_nothing_of_the_characters_that_failed() -> None:
    pieces = ["good ", "good ", "good ", "BAD ", "good "]
    inner = ScriptedHandler([streamed(pieces)])
    shown: list[str] = []

    async def main() -> None:
        stream: Any = await checked(inner, Check(lambda text: "BAD" not in text, hold=10))(a_call(stream=True))
        async with stream:
            async for event in stream:
                shown.append(getattr(event, "text", ""))

    with pytest.raises(GuardRefused):
        run(main)
    assert "".join(shown) == "good good "
    assert inner.open == 0


def test_a_held_stream_lags_by_its_bound_and_ends_whole() -> None:
    seen: list[str] = []

    def check(text: str) -> bool:
        seen.append(text)
        return True

    answer, _ = asked(checked(answering(streamed("abcdefgh")), Check(check, hold=3)), a_call(stream=True))
    assert answer.text == "abcdefgh"
    assert seen == ["abc", "abcdef", "abcdefgh"]


def test_vectors_are_not_checked() -> None:
    reply = Completion(kind="embedding", vectors=((0.5,),))
    answer, _ = asked(checked(answering(reply), Check(lambda _: False)), a_call(kind="embedding", body={"input": "x"}))
    assert answer is reply


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"call": 7}, "expected a function"),
        ({"action": "shout"}, "action: expected one of"),
        ({"times": 2}, 'times: it bounds action = "again"'),
        ({"action": "again", "times": 0}, "times: expected a whole number from 1"),
        ({"action": "again", "hold": "none"}, "takes an answer back"),
        ({"hold": 0}, "hold: expected"),
        ({"hold": "some"}, "hold: expected"),
    ],
)
def test_a_check_that_cannot_be_meant_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Check(**{"call": short, **settings})
