"""An answer that isn't as expected doesn't count: it is asked again, within what bounds the call."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from penstock.call import Attempt, Call, Choice, Completion, Reply, Usage
from penstock.clock import LoopClock
from penstock.errors import DeadlineExceeded, InvalidAnswer
from penstock.policies.again import AskAgain
from penstock.testing import run

BODY = {"messages": [{"role": "user", "content": "how big?"}]}


class Says:
    """An expectation: these words."""

    def __init__(self, text: str) -> None:
        self.text = text

    def faults(self, completion: Completion) -> tuple[str, ...]:
        return () if completion.text == self.text else (f"expected {self.text!r}",)


def a_call(**fields: Any) -> Call:
    return Call(id="req", model="m", body=BODY, **{"expected": Says("42"), **fields})


def said(text: str, *, finish: Any = "stop", took_s: float = 1.0, cost: float | None = 0.25) -> Completion:
    attempt = Attempt(id="a", target="t/m", ended_s=took_s, outcome="answered", cost_usd=cost)
    return Completion(
        choices=(Choice({"role": "assistant", "content": text}, finish),),
        usage=Usage(10, 5),
        target="t/m",
        attempts=(attempt,),
        requests_sent=1,
        latency_s=took_s,
        cost_usd=cost,
    )


def asked(answers: list[Any], call: Call, **bounds: Any) -> tuple[list[Call], Any]:
    """The calls that were made for `call` when these come back one after the other, and what came of it."""
    calls: list[Call] = []

    async def main() -> Any:
        async def inner(call: Call) -> Reply:
            calls.append(call)
            answer = answers[len(calls) - 1]
            if isinstance(answer, BaseException):
                raise answer
            await asyncio.sleep(answer.latency_s)
            return answer

        try:
            return await AskAgain(LoopClock(), **bounds)(inner)(call)
        except Exception as error:  # noqa: BLE001
            return error

    return calls, run(main)


def test_a_good_answer_is_asked_for_once_and_untouched() -> None:
    answer = said("42")
    calls, got = asked([answer], a_call())
    assert (len(calls), got) == (1, answer)
    assert got is answer


def test_the_model_is_shown_its_answer_and_what_is_wrong_with_it() -> None:
    calls, _ = asked([said("41"), said("42")], a_call())
    first, second = calls
    assert first.body is BODY
    assert second.body["messages"][:1] == BODY["messages"]
    assert second.body["messages"][1] == {"role": "assistant", "content": "41"}
    assert second.body["messages"][2]["role"] == "user"
    assert "expected '42'" in second.body["messages"][2]["content"]
    assert second.id != first.id
    assert second.estimate > first.estimate


def test_usage_cost_attempts_and_time_of_all_are_added_up() -> None:
    _, got = asked([said("41"), said("43"), said("42", took_s=3.0)], a_call())
    assert (got.text, got.usage, got.cost_usd, got.requests_sent) == ("42", Usage(30, 15), 0.75, 3)
    assert got.latency_s == 5.0
    assert [(attempt.started_s, attempt.ended_s) for attempt in got.attempts] == [(0.0, 1.0), (1.0, 2.0), (2.0, 5.0)]


def test_an_unknown_price_makes_the_sum_unknown() -> None:
    _, got = asked([said("41", cost=None), said("42")], a_call())
    assert got.cost_usd is None


@pytest.mark.parametrize(("reasks", "requests"), [(0, 1), (1, 2), (2, 3)])
def test_it_is_asked_again_so_often_and_not_more(reasks: int, requests: int) -> None:
    calls, got = asked([said("41")] * 5, a_call(reasks=reasks))
    assert isinstance(got, InvalidAnswer)
    assert (len(calls), got.requests_sent, len(got.attempts)) == (requests, requests, requests)
    assert (got.text, got.faults, got.kind) == ("41", ("expected '42'",), "invalid_answer")


@pytest.mark.parametrize("answer", [said("", finish="content_filter"), said("no")])
def test_a_refusal_is_not_asked_again(answer: Completion) -> None:
    if answer.text:
        answer = msgspec.structs.replace(answer, choices=(Choice({"role": "assistant", "refusal": "no"}, "stop"),))
    calls, got = asked([answer] * 3, a_call())
    assert (len(calls), type(got)) == (1, InvalidAnswer)


def test_an_answer_that_was_cut_off_is_asked_to_be_brief() -> None:
    calls, _ = asked([said("4", finish="length"), said("42")], a_call())
    assert "brief" in calls[1].body["messages"][-1]["content"]


def test_the_deadline_of_the_call_holds_for_all_of_it() -> None:
    calls, got = asked([said("41", took_s=6.0)] * 3, a_call(), deadline_after_s=10.0)
    assert [call.deadline_s for call in calls[1:]] == [10.0]
    assert (len(calls), type(got)) == (2, InvalidAnswer)
    calls, _ = asked([said("41", took_s=6.0)] * 3, a_call(deadline_s=5.0), deadline_after_s=10.0)
    assert len(calls) == 1


def test_a_deadline_from_the_first_send_is_used_up_by_every_request() -> None:
    calls, _ = asked([said("41", took_s=4.0)] * 3, a_call(), deadline_after_send_s=10.0)
    assert [call.spent_s for call in calls] == [0.0, 4.0, 8.0]
    calls, _ = asked([said("41", took_s=6.0)] * 3, a_call(), deadline_after_send_s=10.0)
    assert len(calls) == 2


def test_the_most_attempts_hold_for_all_of_it() -> None:
    calls, _ = asked([said("41")] * 5, a_call(), max_attempts=2)
    assert len(calls) == 2


def test_what_a_request_has_used_of_the_most_attempts_isnt_there_for_the_next() -> None:
    def failed(kind: str) -> Attempt:
        return Attempt(id="f", target="t/m", ended_s=0.0, outcome="failed", error_kind=kind)

    first = said("41")
    # A refusal at a limit and one of a key were no attempts, as in a race.
    kinds = ("server_error", "rate_limited", "auth")
    first = msgspec.structs.replace(first, attempts=(*map(failed, kinds), *first.attempts), requests_sent=4)
    calls, got = asked([first, said("41"), said("42")], a_call(), max_attempts=4)
    assert [call.attempts_before for call in calls] == [0, 2, 3]
    assert got.text == "42"


def test_an_error_while_asking_again_tells_the_requests_before_it() -> None:
    attempt = Attempt(id="b", target="t/m", ended_s=0.0, outcome="failed")
    _, got = asked([said("41"), DeadlineExceeded("too late", (attempt,))], a_call())
    assert isinstance(got, DeadlineExceeded)
    assert ([attempt.id for attempt in got.attempts], got.requests_sent) == (["a", "b"], 2)


def test_a_check_that_fails_itself_is_told_at_once_with_the_answer() -> None:
    class Broken:
        def faults(self, completion: Completion) -> tuple[str, ...]:
            raise KeyError("oops")

    calls, got = asked([said("41")], a_call(expected=Broken()))
    assert (len(calls), type(got), got.text) == (1, InvalidAnswer, "41")
    assert isinstance(got.__cause__, KeyError)


def test_who_expects_nothing_gets_what_comes() -> None:
    calls, got = asked([said("41")], a_call(expected=None))
    assert (len(calls), got.text) == (1, "41")
