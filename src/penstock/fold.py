"""What a stream's events mean: their fold is the completion that the same answer would have been in one piece."""

from __future__ import annotations

import contextlib
import copy
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

import msgspec

from penstock.call import (
    Attempt,
    Choice,
    Completion,
    Event,
    Finish,
    Finished,
    Kind,
    Message,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    Usage,
    UsageUpdate,
)
from penstock.errors import CallError, InvalidAnswer, Unanswered

__all__ = ["Fold", "Total", "apart", "events_of", "fold", "invalid_answer", "unfold"]


class _Open:
    """One choice while it grows."""

    __slots__ = ("extras", "finish", "finish_raw", "logprobs", "parts", "reasoning", "refusal", "text", "tools")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.tools: dict[int, list[str]] = {}
        self.extras: dict[int, Any] = {}
        self.parts: dict[str, Any] = {}
        self.logprobs: dict[str, Any] | None = None
        self.finish: Finish = "unknown"
        self.finish_raw: str | None = None

    def message(self, kind: Kind) -> Message:
        text = "".join(self.text)
        if kind == "completion":
            return {"role": "assistant", "content": text}
        says_otherwise = self.tools or self.refusal or self.parts
        message: Message = {"role": "assistant", "content": text or (None if says_otherwise else "")}
        if self.reasoning:
            message["reasoning_content"] = "".join(self.reasoning)
        if self.refusal:
            message["refusal"] = "".join(self.refusal)
        if self.tools:
            message["tool_calls"] = [
                {
                    "id": id_ or f"call_{index}",
                    "type": "function",
                    "function": {"name": name, "arguments": "".join(arguments)},
                    **({"extra_content": self.extras[index]} if index in self.extras else {}),
                }
                for index, (id_, name, *arguments) in sorted(self.tools.items())
            ]
        return message | self.parts


class Fold:
    """The completion of the events so far. `add` them in order; `completion` may be asked at any time."""

    __slots__ = ("_choices", "_kind", "_started", "_usage")

    def __init__(self, kind: Kind = "chat") -> None:
        self._kind = kind
        self._choices: dict[int, _Open] = {}
        self._started = Started()
        self._usage: Usage | None = None

    def add(self, event: Event) -> None:
        """Take one event in."""
        if isinstance(event, TextDelta):
            choice = self._at(event.choice)
            choice.text.append(event.text)
            if event.logprobs is not None:
                choice.logprobs = _joined(choice.logprobs, event.logprobs)
        elif isinstance(event, ToolDelta):
            tools = self._at(event.choice).tools
            tool = tools.get(event.index)
            if tool is None:
                tools[event.index] = [event.id, event.name, event.arguments]
            else:
                tool[0] = tool[0] or event.id
                tool[1] = tool[1] or event.name
                tool.append(event.arguments)
            if event.extra is not None:
                self._at(event.choice).extras[event.index] = event.extra
        else:
            self._add_rest(event)

    def add_all(self, events: Iterable[Event]) -> None:
        """Take several in."""
        for event in events:
            if type(event) is TextDelta and event.logprobs is None:
                choice = self._choices.get(event.choice) or self._at(event.choice)
                choice.text.append(event.text)
            elif type(event) is Finished:
                choice = self._at(event.choice)
                choice.finish, choice.finish_raw = event.finish, event.finish_raw
            elif type(event) is UsageUpdate:
                self._usage = event.usage
            elif type(event) is Started:
                self._started = event
            else:
                self.add(event)

    def _add_rest(self, event: Event) -> None:
        match event:
            case ReasoningDelta():
                self._at(event.choice).reasoning.append(event.text)
            case RefusalDelta():
                self._at(event.choice).refusal.append(event.text)
            case PartDelta():
                parts = self._at(event.choice).parts
                for name, value in event.fields.items():
                    parts[name] = _grown(parts.get(name), value, name)
            case Finished():
                choice = self._at(event.choice)
                choice.finish, choice.finish_raw = event.finish, event.finish_raw
            case UsageUpdate():
                self._usage = event.usage
            case Started():
                self._started = event

    def _at(self, index: int) -> _Open:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Open()
        return choice

    @property
    def text(self) -> str:
        """The first choice's text so far."""
        return "".join(self._choices[0].text) if 0 in self._choices else ""

    def completion(self, *, malformed_events: int = 0) -> Completion:
        """The answer that the events so far make; `raw` is empty."""
        choices = tuple(
            Choice(choice.message(self._kind), choice.finish, choice.finish_raw, index, choice.logprobs)
            for index, choice in sorted(self._choices.items())
        )
        return Completion(
            kind=self._kind,
            choices=choices,
            usage=self._usage,
            model=self._started.model,
            id=self._started.id,
            created=self._started.created,
            malformed_events=malformed_events,
        )


def fold(events: Iterable[Event], kind: Kind = "chat", *, malformed_events: int = 0) -> Completion:
    """The completion that `events`, in order, make together."""
    folded = Fold(kind)
    folded.add_all(events)
    return folded.completion(malformed_events=malformed_events)


def apart(completion: Completion) -> Completion:
    """The same answer in messages of its own: what somebody makes of them is seen by nobody else."""
    choices = tuple(msgspec.structs.replace(one, message=copy.deepcopy(one.message)) for one in completion.choices)
    return msgspec.structs.replace(completion, choices=choices)


_GROWING = frozenset(("data", "summary", "text", "transcript"))
"""Texts in a part of a message that come piece by piece; of any other the last one counts."""


def _grown(so_far: Any, more: Any, name: str) -> Any:
    """A part of a message with what came of it now; neither is changed.

    Items of a list that have the same `index` and `type` are pieces of one.
    """
    if so_far is None or more is None:
        return more if so_far is None else so_far
    if isinstance(so_far, str) and isinstance(more, str):
        return _longer(so_far, more) if name in _GROWING else more
    if isinstance(so_far, dict) and isinstance(more, dict):
        return {**so_far, **{key: _grown(so_far.get(key), value, key) for key, value in more.items()}}
    if isinstance(so_far, list) and isinstance(more, list):
        grown = list(so_far)
        for item in more:
            place = _place_of(item, grown)
            if place is None:
                grown.append(item)
            else:
                grown[place] = _grown(grown[place], item, name)
        return grown
    return more


def _longer(so_far: str, more: str) -> str:
    """One text; where both are whole base64 (sound comes so), the base64 of both together."""
    if so_far.endswith("="):
        with contextlib.suppress(ValueError):
            tail = b64decode(so_far[-4:], validate=True) + b64decode(more, validate=True)
            return so_far[:-4] + b64encode(tail).decode("ascii")
    return so_far + more


def _place_of(item: Any, items: list[Any]) -> int | None:
    if not isinstance(item, dict) or item.get("index") is None:
        return None
    whose = (item["index"], item.get("type"))
    # The newest first: what grows is nearly always the last one.
    for place in range(len(items) - 1, -1, -1):
        other = items[place]
        if isinstance(other, dict) and (other.get("index"), other.get("type")) == whose:
            return place
    return None


def _joined(so_far: dict[str, Any] | None, more: Any) -> dict[str, Any] | None:
    """Log probabilities joined list by list (both of OpenAI's forms are a dict of lists by token)."""
    if not isinstance(more, dict):
        return so_far
    if so_far is None:
        return {key: list(value) if isinstance(value, list) else value for key, value in more.items()}
    for key, value in more.items():
        known = so_far.get(key)
        if isinstance(known, list) and isinstance(value, list):
            known.extend(value)
        elif known is None:
            so_far[key] = list(value) if isinstance(value, list) else value
    return so_far


def events_of(completion: Completion) -> Iterator[Event]:
    """Events whose fold is the completion: each part in one piece, choice after choice."""
    yield Started(model=completion.model, id=completion.id, created=completion.created)
    for choice in completion.choices:
        yield from _choice_events(choice)
        yield Finished(choice.finish, choice.finish_raw, choice.index)
    if completion.usage is not None:
        yield UsageUpdate(completion.usage)


async def unfold(completion: Completion) -> AsyncIterator[Event]:
    """`events_of` as a stream would bring them."""
    for event in events_of(completion):
        yield event


def _choice_events(choice: Choice) -> Iterator[Event]:
    message, index = choice.message, choice.index
    rest = {name: value for name, value in message.items() if name not in _TOLD and value is not None}
    if reasoning := message.get("reasoning_content"):
        yield ReasoningDelta(reasoning, index)
    content = message.get("content")
    if isinstance(content, str) and content:
        yield TextDelta(content, index, choice.logprobs)
    elif content:
        rest["content"] = content
    if refusal := message.get("refusal"):
        yield RefusalDelta(refusal, index)
    if rest:
        yield PartDelta(rest, index)
    for place, call in enumerate(message.get("tool_calls") or ()):
        function = call.get("function") or {}
        yield ToolDelta(
            place,
            call.get("id") or "",
            function.get("name") or "",
            function.get("arguments") or "",
            index,
            call.get("extra_content"),
        )


_TOLD = frozenset(("role", "content", "reasoning_content", "refusal", "tool_calls"))


class Total:
    """Completions that were asked for one after the other, told as one: usage, cost, attempts and time of all."""

    def __init__(self) -> None:
        self.last: Completion | None = None
        self.attempts: tuple[Attempt, ...] = ()
        self.requests_sent = 0
        self.usage: Usage | None = None
        self.cost_usd: float | None = 0.0
        self.spent_s = 0.0
        """From each one's first send to its end, added up."""
        self._began_s: float | None = None
        self._ended_s = 0.0

    def add(self, completion: Completion, now_s: float) -> None:
        """One more, which has just come."""
        sent_s = now_s - completion.latency_s
        self.attempts = (*self.attempts, *self._shifted(completion.attempts, sent_s))
        self.requests_sent += completion.requests_sent
        if completion.usage is not None:
            self.usage = completion.usage if self.usage is None else self.usage + completion.usage
        known = None not in (self.cost_usd, completion.cost_usd)
        self.cost_usd = (self.cost_usd or 0.0) + (completion.cost_usd or 0.0) if known else None
        self.spent_s += completion.latency_s
        self._ended_s = now_s
        self.last = completion

    def completion(self) -> Completion:
        """The last one, with what all of them took."""
        assert self.last is not None
        return msgspec.structs.replace(
            self.last,
            attempts=self.attempts,
            requests_sent=self.requests_sent,
            usage=self.usage,
            cost_usd=self.cost_usd,
            latency_s=self._ended_s - (self._began_s or 0.0),
        )

    def before(self, error: Unanswered, now_s: float) -> None:
        """Put what came before in front of the attempts of an error that has just come."""
        latency_s = max((attempt.ended_s or 0.0 for attempt in error.attempts), default=0.0)
        error.attempts = (*self.attempts, *self._shifted(error.attempts, now_s - latency_s))
        error.requests_sent += self.requests_sent

    def _shifted(self, attempts: tuple[Attempt, ...], sent_s: float) -> tuple[Attempt, ...]:
        if self._began_s is None:
            self._began_s = sent_s
        by_s = sent_s - self._began_s
        if not by_s:
            return attempts
        return tuple(
            msgspec.structs.replace(
                attempt,
                started_s=attempt.started_s + by_s,
                ended_s=None if attempt.ended_s is None else attempt.ended_s + by_s,
                first_token_s=None if attempt.first_token_s is None else attempt.first_token_s + by_s,
            )
            for attempt in attempts
        )


def invalid_answer(completion: Completion, faults: tuple[str, ...]) -> InvalidAnswer:
    """The error of an answer that isn't as it was asked for."""
    last = CallError(
        "invalid_answer",
        "; ".join(faults),
        target=completion.target,
        status=200,
        request_id=completion.request_id,
        partial=completion.text,
        body=completion.raw,
    )
    sent = completion.requests_sent
    message = f"{last} (asked {sent} times)" if sent > 1 else str(last)
    return InvalidAnswer(message, completion.attempts, last, sent, faults=faults, completion=completion)
