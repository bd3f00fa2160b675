"""What a stream's events mean: their fold is the completion that the same answer would have been in one piece."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from penstock.call import (
    Choice,
    Completion,
    Event,
    Finish,
    Finished,
    Kind,
    Message,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    Usage,
    UsageUpdate,
)

__all__ = ["Fold", "fold"]


class _Open:
    """One choice while it grows."""

    __slots__ = ("finish", "finish_raw", "logprobs", "reasoning", "refusal", "text", "tools")

    def __init__(self) -> None:
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.refusal: list[str] = []
        self.tools: dict[int, list[str]] = {}
        self.logprobs: dict[str, Any] | None = None
        self.finish: Finish = "unknown"
        self.finish_raw: str | None = None

    def message(self, kind: Kind) -> Message:
        text = "".join(self.text)
        if kind == "completion":
            return {"role": "assistant", "content": text}
        message: Message = {"role": "assistant", "content": text or (None if self.tools or self.refusal else "")}
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
                }
                for index, (id_, name, *arguments) in sorted(self.tools.items())
            ]
        return message


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
        else:
            self._add_rest(event)

    def _add_rest(self, event: Event) -> None:
        match event:
            case ReasoningDelta():
                self._at(event.choice).reasoning.append(event.text)
            case RefusalDelta():
                self._at(event.choice).refusal.append(event.text)
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
    for event in events:
        folded.add(event)
    return folded.completion(malformed_events=malformed_events)


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
