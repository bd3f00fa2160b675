"""The loop of tool calls and their results: what `converse` does between a prompt and its answer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import msgspec

from penstock.answer import Answer, ToolCall
from penstock.call import Completion, Message
from penstock.client.forms import answer_of
from penstock.client.request import Row
from penstock.clock import Clock
from penstock.errors import ConfigError, DeadlineExceeded, PenstockError, ToolLoopStopped, Unanswered
from penstock.fold import Total
from penstock.schema import Tool, written

__all__ = ["Bounds", "Heard", "ToolLoop", "Window", "read_bounds"]

_MOST_AT_ONCE = 32
"""Tool calls of one step that run together; a model may ask for any number."""

Ask = Callable[[Row], Awaitable[Completion]]

Heard = tuple[Message, Answer | None]
"""A message that came to the prompt's, and the answer that it is; None for a tool's result."""

Window = Callable[[Sequence[Heard]], Awaitable[list[Message]]]
"""What is sent when these have come to the prompt, where that isn't all of it."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """When a loop ends without an answer. Steps and cost are looked at before each request: one may pass a cost."""

    max_steps: int = 20
    """Requests to the model."""
    max_cost: float | None = None
    """US dollars."""
    deadline_s: float | None = None
    """An instant of the clock, for all of it: requests and tools."""


def read_bounds(max_steps: object, max_cost: object, *, deadline_s: float | None) -> Bounds:
    """The bounds. Raises `ConfigError` for what can't be meant."""
    if not isinstance(max_steps, int) or isinstance(max_steps, bool) or max_steps < 1:
        raise ConfigError(f"max_steps: expected a whole number above 0, got {max_steps!r:.80}")
    if max_cost is not None and (
        not isinstance(max_cost, int | float) or isinstance(max_cost, bool) or not max_cost > 0
    ):
        raise ConfigError(f"max_cost: expected US dollars above 0, got {max_cost!r:.80}")
    return Bounds(max_steps=max_steps, max_cost=None if max_cost is None else float(max_cost), deadline_s=deadline_s)


class ToolLoop:
    """One conversation with tools, from its prompt to its answer."""

    def __init__(
        self,
        ask: Ask,
        row: Row,
        bounds: Bounds,
        *,
        model: str | None,
        clock: Clock,
        raise_tool_errors: bool,
        window: Window | None = None,
    ) -> None:
        self.heard: list[Heard] = []
        """What came so far, the answer at the end."""
        self._window = window
        self._ask = ask
        self._row = row
        self._bounds = bounds
        self._model = model
        self._clock = clock
        self._raises = raise_tool_errors
        self._tools = {tool.name: tool for tool in row.functions}
        # What is offered without a function is run by the provider, or by the caller.
        offered = row.body.get("tools") or ()
        self._others = {(tool.get("function") or tool).get("name") for tool in offered} - set(self._tools)
        self._messages: list[Message] = list(row.body["messages"])
        self._total = Total()
        self._steps = 0

    async def run(self) -> Answer:
        """The first answer that calls no function of ours, with all messages; usage, cost and attempts of all steps.

        Raises `ToolLoopStopped` at a bound, what a request raises, and a tool's own error when that is asked for. An
        error of penstock's carries the messages so far.
        """
        try:
            while True:
                step = await self._step()
                self.heard.append((step.message, step))
                calls = step.tool_calls
                if not calls or any(call.name in self._others for call in calls):
                    return answer_of(self._total.completion(), self._now(self._messages), model=self._model)
                self._messages.append(step.message)
                results = await self._results(calls)
                self._messages += results
                self.heard += [(result, None) for result in results]
        except PenstockError as error:
            error.messages = list(self._messages)
            raise

    async def _step(self) -> Answer:
        self._check_bounds()
        # The prompt came as it is to be sent.
        grown = self._window if self._steps else None
        row = self._now(self._messages if grown is None else await grown(self.heard))
        try:
            completion = await self._ask(row)
        except Unanswered as error:
            self._total.before(error, self._clock.now())
            if isinstance(error, DeadlineExceeded) and self._is_late():
                raise self._stopped("time", f"the deadline passed in step {self._steps + 1}") from error
            raise
        self._steps += 1
        self._total.add(completion, self._clock.now())
        return answer_of(completion, row, model=self._model)

    def _now(self, messages: Sequence[Message]) -> Row:
        """What is asked next: these messages, in what is left of the time."""
        body = {**self._row.body, "messages": list(messages)}
        if self._steps and body.get("tool_choice") not in (None, "auto", "none"):
            # A call that is demanded is demanded once: else the loop would never end.
            del body["tool_choice"]
        deadline_s = self._bounds.deadline_s
        left_s = None if deadline_s is None else max(0.0, deadline_s - self._clock.now())
        return msgspec.structs.replace(self._row, body=body, deadline_s=left_s)

    def _check_bounds(self) -> None:
        bounds, spent = self._bounds, self._total.cost_usd
        if self._steps >= bounds.max_steps:
            raise self._stopped("steps", f"no answer within {_steps(self._steps)} (max_steps)")
        if bounds.max_cost is not None and self._steps:
            if spent is None:
                raise self._stopped("cost", "max_cost: the price of a step isn't known, so that nothing bounds it")
            if spent >= bounds.max_cost:
                raise self._stopped("cost", f"${spent:.4g} were spent, and max_cost is ${bounds.max_cost:.4g}")
        if self._is_late():
            raise self._stopped("time", f"the deadline passed after step {self._steps}")

    def _is_late(self) -> bool:
        deadline_s = self._bounds.deadline_s
        return deadline_s is not None and self._clock.now() >= deadline_s

    def _stopped(self, which: Literal["steps", "time", "cost"], message: str) -> ToolLoopStopped:
        error = ToolLoopStopped(message, which)
        error.usage, error.cost = self._total.usage, self._total.cost_usd
        return error

    # The tools.

    async def _results(self, calls: Sequence[ToolCall]) -> list[Message]:
        """A message for each call, in their order. They run together."""
        turns = asyncio.Semaphore(_MOST_AT_ONCE)

        async def result(call: ToolCall) -> Message:
            async with turns:
                return {"role": "tool", "tool_call_id": call.id, "content": await self._result(call)}

        deadline_s = self._bounds.deadline_s
        left_s = None if deadline_s is None else max(0.0, deadline_s - self._clock.now())
        running = [asyncio.ensure_future(result(call)) for call in calls]
        try:
            async with asyncio.timeout(left_s) as bound:
                return list(await asyncio.gather(*running))
        except TimeoutError:
            if not bound.expired():
                raise  # a tool's own
            names = ", ".join(call.name for call, task in zip(calls, running, strict=True) if task.cancelled())
            raise self._stopped("time", f"the deadline passed while a tool was running: {names}") from None
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _result(self, call: ToolCall) -> str:
        tool = self._tools.get(call.name)
        if tool is None:
            return f'Error: there is no tool "{call.name}". The tools are: {", ".join(self._tools)}.'
        if call.arguments is None:
            return f"Error: these arguments can't be used: {call.fault}."
        try:
            return written(await _called(tool, call.arguments))
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this: what the tool itself waited for was cancelled.
            if self._raises:
                raise _ended(error) from error
            return f"Error: {_ended(error)}"
        except Exception as error:
            if self._raises:
                raise
            return f"Error: {type(error).__name__}: {error}"


def _steps(count: int) -> str:
    return f"{count} step{'' if count == 1 else 's'}"


async def _called(tool: Tool, arguments: dict[str, Any]) -> Any:
    try:
        if tool.is_async:
            return await tool.function(**arguments)
        # In a thread: a function that waits doesn't hold up the other requests.
        result = await asyncio.to_thread(_alone, tool.function, arguments)
        return await result if inspect.isawaitable(result) else result
    except SystemExit as error:  # it would end the loop, and every other request with it
        raise _ended(error) from error


def _alone(function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """What the function gives. What isn't an error to a thread's caller, or can't be handed to it, becomes one."""
    try:
        return function(**arguments)
    except BaseException as error:
        if isinstance(error, Exception) and not isinstance(error, StopIteration):
            raise
        raise _ended(error) from error


def _ended(error: BaseException) -> RuntimeError:
    """The error of a tool that wanted to end more than itself."""
    said = str(error)
    return RuntimeError(f"the tool raised {type(error).__name__}{f': {said}' if said else ''}")
