"""The layer that asks callables whether an answer is good; asks the provider again, or refuses, when it isn't."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, Final

import msgspec

from penstock.call import Attempt, Call, Completion, Event, Finding, Reply, TextDelta
from penstock.clock import Clock
from penstock.errors import GuardRefused
from penstock.fold import Fold
from penstock.guards.piping import opened, piped
from penstock.guards.refusal import refusal
from penstock.guards.settings import Check
from penstock.handler import Handler, OpenStream

__all__ = ["Checked"]

_MOST_ATTEMPTS_TOLD: Final = 64
_MOST_DETAIL: Final = 300


@dataclass(frozen=True, slots=True)
class Checked:
    """Outermost: checks see what the caller gets. Each time an answer is asked again is a call of its own below;
    `deadline_after_s` bounds them together where the call has no deadline."""

    checks: tuple[Check, ...]
    clock: Clock
    deadline_after_s: float | None = None

    def __call__(self, inner: Handler) -> Handler:
        asks_again = any(check.action == "again" for check in self.checks)
        holds_all = any(check.held == "all" for check in self.checks)

        async def handle(call: Call) -> Reply:
            if call.kind == "embedding":
                return await inner(call)
            if asks_again and call.deadline_s is None and self.deadline_after_s is not None:
                call = msgspec.structs.replace(call, deadline_s=self.clock.now() + self.deadline_after_s)
            if call.stream and not holds_all:
                reply = await inner(call)
                assert not isinstance(reply, Completion), "a call that streams is answered by a stream"
                return _Passing(self.checks, opened(reply)).stream()
            return await self._asked(call, inner)

        return handle

    async def _asked(self, call: Call, inner: Handler) -> Reply:
        """Ask until every check is content."""
        findings: list[Finding] = []
        before: list[Completion] = []
        left = {check: check.most_times for check in self.checks}
        asked = call
        while True:
            reply = await inner(asked)
            if isinstance(reply, Completion):
                completion, events = reply, None
            else:
                completion, events = await _read(call, opened(reply))
            bad: tuple[Check, str] | None = None
            for check in self.checks:
                fault = await _fault(check, completion)
                if fault is None:
                    continue
                if check.action == "flag":
                    findings.append(_finding(check, "flagged", fault))
                    continue
                bad = (check, fault)
                break
            if bad is None:
                return _answered(completion, before, findings, events)
            check, fault = bad
            before.append(completion)
            if not left[check]:
                findings.append(_finding(check, "refused", fault))
                raise _refused(check, fault, before, findings)
            left[check] -= 1
            findings = [one for one in findings if one.done != "flagged"]
            findings.append(_finding(check, "asked again", fault))
            asked = _again(call, completion, fault, len(before))


async def _read(call: Call, stream: OpenStream) -> tuple[Completion, list[Event]]:
    """A whole stream: as an answer, and its events."""
    fold = Fold(call.kind)
    events: list[Event] = []
    async with stream:
        while more := await stream.batch():
            events += more
            for event in more:
                fold.add(event)
    completion = fold.completion(malformed_events=stream.malformed_events)
    stream.account(completion)
    return completion, events


async def _fault(check: Check, completion: Completion) -> str | None:
    """What the check has against the answer; None when it is content."""
    for choice in completion.choices:
        fault = await _fault_of(check, _text(choice.message))
        if fault is not None:
            return fault
    return None


async def _fault_of(check: Check, text: str) -> str | None:
    try:
        said: object = check.call(text)
        if isawaitable(said):
            said = await said
    except Exception as error:  # noqa: BLE001 - a check that fails is no check that passed, whatever it raised
        return f"{type(error).__name__}: {error}"[:_MOST_DETAIL] if str(error) else type(error).__name__
    if said is None or said is True:
        return None
    if said is False:
        return ""
    if isinstance(said, str):
        return said[:_MOST_DETAIL]
    return f"the check returned {type(said).__name__}, expected True, False, None or text"


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _finding(check: Check, done: Any, fault: str) -> Finding:
    return Finding(guard="check", what=check.name, where="answer", done=done, detail=fault)


def _again(call: Call, completion: Completion, fault: str, number: int) -> Call:
    """The question once more: another sample of it, with what is wrong with the answer where that is known.

    So neither a cache nor an equal call in flight gives the same answer again.
    """
    sample = f"{call.sample}~{number}"
    messages = call.body.get("messages")
    if not fault or call.kind != "chat" or not isinstance(messages, list) or completion.message.get("tool_calls"):
        return msgspec.structs.replace(call, sample=sample)
    order = f"This answer can't be used: {fault}\nAnswer again, without mentioning this."
    answer = {"role": "assistant", "content": completion.text}
    more = [*messages, *([answer] if completion.text else ()), {"role": "user", "content": order}]
    return msgspec.structs.replace(call, sample=sample, body={**call.body, "messages": more})


def _answered(
    completion: Completion, before: Sequence[Completion], findings: Sequence[Finding], events: list[Event] | None
) -> Reply:
    if before or findings:
        every = (*before, completion)
        costs = [one.cost_usd for one in every]
        completion = msgspec.structs.replace(
            completion,
            attempts=_attempts(every),
            requests_sent=sum(one.requests_sent for one in every),
            latency_s=sum(one.latency_s for one in every),
            cost_usd=None if None in costs else sum(cost for cost in costs if cost is not None),
            cached=all(one.cached for one in every),
            guards=(*completion.guards, *findings),
        )
    if events is None:
        return completion
    stream = OpenStream(_Kept(events))
    stream.account_as(completion)
    stream.malformed_events = completion.malformed_events
    stream.guards = completion.guards
    return stream


class _Kept:
    """Events that were held back."""

    __slots__ = ("_events",)

    def __init__(self, events: list[Event]) -> None:
        self._events = events

    async def batch(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    async def aclose(self) -> None:
        self._events = []


def _attempts(completions: Sequence[Completion]) -> tuple[Attempt, ...]:
    """Every attempt, each time from the first send of the first of them."""
    told: list[Attempt] = []
    began_s = 0.0
    for completion in completions:
        for attempt in completion.attempts:
            ended_s = None if attempt.ended_s is None else attempt.ended_s + began_s
            first_s = None if attempt.first_token_s is None else attempt.first_token_s + began_s
            told.append(
                msgspec.structs.replace(
                    attempt, started_s=attempt.started_s + began_s, ended_s=ended_s, first_token_s=first_s
                )
                if began_s
                else attempt
            )
        ends = (attempt.ended_s or 0.0 for attempt in completion.attempts)
        began_s += completion.latency_s or max(ends, default=0.0)
    return tuple(told[:_MOST_ATTEMPTS_TOLD])


def _refused(check: Check, fault: str, answers: Sequence[Completion], findings: Sequence[Finding]) -> GuardRefused:
    last = answers[-1]
    times = f", asked {len(answers)} times" if len(answers) > 1 else ""
    return refusal(
        f"check {check.name} refused the answer of {last.target or 'the cache'}{times}{f': {fault}' if fault else ''}",
        (*last.guards, *findings),
        attempts=_attempts(answers),
        requests_sent=sum(one.requests_sent for one in answers),
    )


class _Passing:
    """A stream whose checks hold back some characters of it, or none."""

    __slots__ = ("_checks", "_findings", "_held", "_held_chars", "_inner", "_most", "_texts")

    def __init__(self, checks: tuple[Check, ...], inner: OpenStream) -> None:
        self._checks = checks
        self._inner = inner
        self._most = min((check.held for check in checks if isinstance(check.held, int)), default=0)
        self._held: list[Event] = []
        self._held_chars = 0
        self._texts: dict[int, str] = {}
        self._findings: list[Finding] = []

    def stream(self) -> OpenStream:
        return piped(self._inner, self._change, self._finish, lambda: tuple(self._findings))

    async def _change(self, events: list[Event]) -> list[Event]:
        ready: list[Event] = []
        for event in events:
            self._held.append(event)
            if isinstance(event, TextDelta):
                self._texts[event.choice] = self._texts.get(event.choice, "") + event.text
                self._held_chars += len(event.text)
                if self._held_chars >= self._most:
                    await self._check(is_end=False)
                    ready += self._release()
        return ready if self._most else ready + self._release()

    async def _finish(self) -> list[Event]:
        await self._check(is_end=True)
        return self._release()

    def _release(self) -> list[Event]:
        held, self._held, self._held_chars = self._held, [], 0
        return held

    async def _check(self, *, is_end: bool) -> None:
        for check in self._checks:
            if not is_end and not isinstance(check.held, int):
                continue
            for text in self._texts.values() or ("",):
                fault = await _fault_of(check, text)
                if fault is None:
                    continue
                if check.action == "flag":
                    if is_end or not any(one.what == check.name for one in self._findings):
                        self._findings = [one for one in self._findings if one.what != check.name]
                        self._findings.append(_finding(check, "flagged", fault))
                    break
                self._findings.append(_finding(check, "refused", fault))
                raise refusal(
                    f"check {check.name} refused the answer of {self._inner.target or 'the cache'}"
                    + (f": {fault}" if fault else ""),
                    (*self._inner.guards, *self._findings),
                    attempts=self._inner.attempts,
                    requests_sent=self._inner.requests_sent,
                )
