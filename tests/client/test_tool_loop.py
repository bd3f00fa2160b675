"""The loop of tool calls and results: what a scripted model gets to hear, and what ends it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import pytest

import penstock
from penstock.call import Attempt, Choice, Completion, Usage
from penstock.client.options import read_options
from penstock.client.request import Row, row_of
from penstock.client.tool_loop import Bounds, ToolLoop
from penstock.clock import LoopClock
from penstock.errors import ConfigError, DeadlineExceeded, InvalidAnswer, RateLimited, ToolLoopStopped
from penstock.testing import run


def calls(*wanted: tuple[str, Any]) -> Completion:
    """The model calls these tools; arguments that are no text are written as JSON."""
    made = [
        {
            "id": f"c{number}",
            "type": "function",
            "function": {"name": name, "arguments": said if isinstance(said, str) else json.dumps(said)},
        }
        for number, (name, said) in enumerate(wanted)
    ]
    return completion({"content": None, "tool_calls": made}, "tool_calls")


def says(text: str) -> Completion:
    return completion({"content": text}, "stop")


def completion(message: dict[str, Any], finish: Any) -> Completion:
    return Completion(
        choices=(Choice({"role": "assistant", **message}, finish),),
        usage=Usage(10, 5),
        target="t/m",
        attempts=(Attempt(id="a", target="t/m", ended_s=0.0, outcome="answered", cost_usd=0.1),),
        requests_sent=1,
        cost_usd=0.1,
    )


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return f"waited {seconds:g}"


def fails(why: str) -> None:
    raise LookupError(why)


class Script:
    """A model that answers so, one after the other, and what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.rows: list[Row] = []

    async def __call__(self, row: Row) -> Completion:
        self.rows.append(row)
        answer = self.answers[len(self.rows) - 1]
        if isinstance(answer, BaseException):
            raise answer
        return answer


def conversed(
    script: Script, *, tools: Any = (add, slow, fails), raise_tool_errors: bool = False, deadline: float | None = None,
    options: Any = None, **bounds: Any,
) -> Any:  # fmt: skip
    async def main() -> penstock.Answer:
        row = row_of("hi", read_options("chat", {"tools": list(tools), **(options or {})}))
        clock = LoopClock()
        until = None if deadline is None else clock.now() + deadline
        limits = Bounds(deadline_s=until, **bounds)
        loop = ToolLoop(script, row, limits, model=None, clock=clock, raise_tool_errors=raise_tool_errors)
        return await loop.run()

    return run(main)


def results(script: Script, step: int = 1) -> list[str]:
    """What the model was told by its tools before that step."""
    return [m["content"] for m in script.rows[step].body["messages"] if m["role"] == "tool"]


def test_calls_and_results_go_on_until_there_is_an_answer() -> None:
    script = Script(calls(("add", {"a": 1, "b": 2})), calls(("add", {"a": 3, "b": 4})), says("ten"))
    answer = conversed(script)
    assert (answer.text, results(script, 2)) == ("ten", ["3", "7"])
    assert [message["role"] for message in answer.messages] == ["user", *["assistant", "tool"] * 2, "assistant"]
    assert answer.messages[2] == {"role": "tool", "tool_call_id": "c0", "content": "3"}
    assert (answer.usage, len(answer.attempts)) == (Usage(30, 15), 3)
    assert answer.cost == pytest.approx(0.3)


def test_an_answer_at_once_calls_nothing() -> None:
    script = Script(says("hello"))
    assert (conversed(script).text, len(script.rows)) == ("hello", 1)


def test_calls_of_one_step_run_together_and_their_results_keep_their_order() -> None:
    async def main() -> tuple[float, list[str]]:
        script = Script(calls(("slow", {"seconds": 3}), ("slow", {"seconds": 1}), ("add", {"a": 1, "b": 1})), says("."))
        row = row_of("hi", read_options("chat", {"tools": [add, slow]}))
        clock = LoopClock()
        began_s = clock.now()
        await ToolLoop(script, row, Bounds(), model=None, clock=clock, raise_tool_errors=False).run()
        return clock.now() - began_s, results(script)

    assert run(main) == (3.0, ["waited 3", "waited 1", "2"])


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("fails", {"why": "no such row"}), "Error: LookupError: no such row"),
        (("sum", {"a": 1}), 'Error: there is no tool "sum". The tools are: add, slow, fails.'),
        (("add", {"a": "one"}), "Error: these arguments can't be used: b: missing; a: Expected `int`, got `str`."),
        (("add", '{"a": 1'), "Error: these arguments can't be used: Input data was truncated."),
        (("add", "[1, 2]"), "Error: these arguments can't be used: the arguments are no object."),
    ],
)
def test_what_goes_wrong_is_told_to_the_model(call: tuple[str, Any], told: str) -> None:
    script = Script(calls(call), says("sorry"))
    assert conversed(script).text == "sorry"
    assert results(script) == [told]


@pytest.mark.parametrize("failure", [SystemExit(2), KeyboardInterrupt(), StopIteration(), asyncio.CancelledError()])
def test_a_tool_that_wants_to_end_more_than_itself_has_only_failed(failure: BaseException) -> None:
    def leaves() -> None:
        raise failure

    async def leaves_too() -> None:
        raise failure

    tools = [leaves] if isinstance(failure, KeyboardInterrupt) else [leaves, leaves_too]  # Ctrl-C is the loop's
    script = Script(calls(*((tool.__name__, {}) for tool in tools)), says("sorry"))
    assert conversed(script, tools=tools, deadline=60).text == "sorry"
    assert all(type(failure).__name__ in result for result in results(script))
    with pytest.raises(RuntimeError, match=type(failure).__name__):
        conversed(Script(calls(("leaves", {}))), tools=[leaves], raise_tool_errors=True, deadline=60)


def test_a_tools_error_is_raised_where_that_is_asked_for() -> None:
    with pytest.raises(LookupError, match="no such row"):
        conversed(Script(calls(("fails", {"why": "no such row"}))), raise_tool_errors=True)


def test_steps_are_bounded() -> None:
    script = Script(*[calls(("add", {"a": 1, "b": 1}))] * 9)
    with pytest.raises(ToolLoopStopped, match="no answer within 3 steps") as caught:
        conversed(script, max_steps=3)
    assert (len(script.rows), caught.value.which, caught.value.usage) == (3, "steps", Usage(30, 15))
    assert len(caught.value.messages) == 7


def test_cost_is_bounded() -> None:
    script = Script(*[calls(("add", {"a": 1, "b": 1}))] * 9)
    with pytest.raises(ToolLoopStopped, match=r"\$0.2 were spent") as caught:
        conversed(script, max_cost=0.15)
    assert (len(script.rows), caught.value.which, caught.value.cost) == (2, "cost", 0.2)


def test_a_cost_that_nobody_knows_bounds_nothing_and_says_so() -> None:
    first = calls(("add", {"a": 1, "b": 1}))
    first.cost_usd = None
    with pytest.raises(ToolLoopStopped, match="isn't known"):
        conversed(Script(first), max_cost=1.0)


def test_time_is_bounded_while_a_tool_runs() -> None:
    with pytest.raises(ToolLoopStopped, match="while a tool was running: slow") as caught:
        conversed(Script(calls(("slow", {"seconds": 60}))), deadline=5.0)
    assert (caught.value.which, len(caught.value.messages)) == ("time", 2)


def test_every_request_gets_what_is_left_of_the_time() -> None:
    script = Script(calls(("slow", {"seconds": 3})), says("."))
    conversed(script, deadline=5.0)
    assert [row.deadline_s for row in script.rows] == [5.0, 2.0]


def test_a_request_that_fails_carries_the_messages_so_far() -> None:
    script = Script(calls(("add", {"a": 1, "b": 1})), RateLimited("at its limit"))
    with pytest.raises(RateLimited) as caught:
        conversed(script)
    assert [message["role"] for message in caught.value.messages] == ["user", "assistant", "tool"]
    assert len(caught.value.attempts) == 1


def test_a_deadline_that_passes_in_a_request_is_the_loops() -> None:
    script = Script(calls(("slow", {"seconds": 5})), DeadlineExceeded("too late"))
    with pytest.raises(ToolLoopStopped) as caught:
        conversed(script, deadline=5.0)
    assert caught.value.which == "time"


def test_a_demanded_call_is_demanded_once() -> None:
    script = Script(calls(("add", {"a": 1, "b": 1})), says("2"))
    conversed(script, options={"tool_choice": "required"})
    assert [row.body.get("tool_choice") for row in script.rows] == ["required", None]


def test_a_call_of_a_tool_without_a_function_is_the_callers() -> None:
    other = {"type": "function", "function": {"name": "ask_boss", "parameters": {"type": "object"}}}
    script = Script(calls(("ask_boss", {})))
    answer = conversed(script, tools=[add, other])
    assert (answer.tool_calls[0].name, len(script.rows)) == ("ask_boss", 1)


@dataclass
class Sum:
    value: int


def test_the_answer_may_have_a_form() -> None:
    script = Script(calls(("add", {"a": 1, "b": 1})), says('{"value": 2}'))
    assert conversed(script, options={"schema": Sum}).parsed == Sum(2)
    with pytest.raises(InvalidAnswer) as caught:
        conversed(Script(calls(("add", {"a": 1, "b": 1})), says("two")), options={"schema": Sum})
    assert len(caught.value.messages) == 3


def test_blocking_and_async_clients_converse_alike(config: dict[str, Any]) -> None:
    def weather(city: str) -> str:
        return f"sunny in {city}"

    with penstock.Client("sim/fast", config=config) as client:
        answer = client.converse("hi", tools=[weather], tool_choice="required")

    async def main() -> penstock.Answer:
        async with penstock.AsyncClient("sim/fast", config=config) as client:
            return await client.converse("hi", tools=[weather], tool_choice="required")

    again = asyncio.run(main())
    assert answer.messages == again.messages
    assert answer.messages[2]["content"].startswith("sunny in sim:")
    assert len(answer.attempts) == 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "at least one function"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "at least one function"),
        ({"tools": [add, add]}, "two functions are called add"),
        ({"tools": [add], "max_steps": 0}, "max_steps: expected a whole number above 0"),
        ({"tools": [add], "max_cost": "much"}, "max_cost: expected US dollars"),
        ({"tools": [add], "max_cost": float("nan")}, "max_cost: expected US dollars above 0, got nan"),
    ],
)
def test_what_cant_be_meant_is_refused(options: dict[str, Any], says: str) -> None:
    with penstock.Client("sim/fast") as client, pytest.raises(ConfigError, match=says):
        client.converse("hi", **options)


def test_functions_given_to_generate_read_the_arguments() -> None:
    def book(seats: int, name: str = "x") -> None: ...

    with penstock.Client("sim/fast") as client:
        (call,) = client.generate("hi", tools=[book], tool_choice="required").tool_calls
    assert (call.name, call.arguments and call.arguments["seats"], call.fault) == ("book", 1, None)
    assert json.loads(call["function"]["arguments"])["seats"] == 1
