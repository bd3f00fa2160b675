"""One model's tokens: of texts, of whole requests with their messages, tools and images; calibrated by what it says."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

from penstock.call import Kind
from penstock.tokens.encodings import BY_LETTERS_ERROR, by_letters, family_of, text_counter
from penstock.tokens.frames import frame_of
from penstock.tokens.images import image_tokens

__all__ = ["Counter"]

_NAME = 1
_THINKING = frozenset(("reasoning_effort", "reasoning", "thinking"))
_TOOL_CALL = 8
_SOUND = 300
_FILE = 1500
_QUICK_LETTERS = 2000
"""Of a long text the quick count looks at so many letters, and takes the rest to be alike."""
_LEARNT = 8
"""Answers after which the provider's own counts are believed."""
_WEIGHT = 0.05
_LEAST_ERROR = 0.02
_MOST_RATIO = 4.0
_DEPTH = 16

Text = Callable[[str], int]


class Counter:
    """Counts tokens as one model does. `error` is by how much, as a share, a count may be off; 0 where it is exact.

    `learn` hears what the provider counted: estimates then follow it, and the error is what was seen.
    """

    __slots__ = (
        "_answers",
        "_begins",
        "_deviation",
        "_family",
        "_frame",
        "_per_message",
        "_quick",
        "_ratio",
        "_text",
        "_thinking",
        "model",
    )

    def __init__(self, model: str) -> None:
        self.model = model
        self._family = family_of(model)
        self._frame = frame = frame_of(model)
        self._begins, self._per_message, self._thinking = frame.begins, frame.message, frame.thinking
        self._text: Text | None = None
        self._quick: Text = by_letters
        self._ratio = 1.0
        self._deviation = 0.0
        self._answers = 0

    @property
    def error(self) -> float:
        """Of long requests, as a share; `error_of` says that of one."""
        if self._answers < _LEARNT:
            return max(_LEAST_ERROR, self.stated_error)
        return max(_LEAST_ERROR, min(self.stated_error or 1.0, 2.5 * self._deviation))

    def error_of(self, kind: Kind, body: dict[str, Any], tokens: int) -> float:
        """Of a request that was counted as so many tokens, as a share: a short one is mostly what it has besides."""
        if kind != "chat" or self._answers >= _LEARNT:
            return self.error
        slack, has_tools = self._frame.slack, bool(body.get("tools") or body.get("functions"))
        if has_tools or body.get("response_format"):
            # Where a model has no way to keep to a form, it is told to call a tool.
            slack += self._frame.tools_slack + (0 if has_tools else max(0, self._frame.with_tools))
        return self.error + slack / max(1, tokens)

    def text(self, text: str) -> int:
        """Tokens of a text alone."""
        return self._full()(text)

    def message(self, message: dict[str, Any]) -> int:
        """Tokens of one chat message, with what stands around it; a request has more than the sum of its messages'."""
        return self._message(self._full(), message)

    def request(self, kind: Kind, body: dict[str, Any]) -> int:
        """Tokens of a request's input, as the provider will count them. Never raises."""
        if not self.is_exact and self._answers >= _LEARNT:
            # What the provider counted says more than another model's tokenizer.
            return self.quick(kind, body)
        # Learnt against a count by letters, the ratio says nothing of this one.
        ratio = 1.0 if self._quick is by_letters else self._ratio
        return round(self._count(self._full(), kind, body) * ratio)

    def quick(self, kind: Kind, body: dict[str, Any]) -> int:
        """The same in a few microseconds, to pace by: by letters, or (once `prepare` was called) of long texts only
        the beginning by the model's own tokenizer."""
        return int(self._count(self._quick, kind, body) * self._ratio + 0.5)

    def learn(self, kind: Kind, body: dict[str, Any], told: int) -> None:
        """The provider counted so many tokens of input."""
        if told <= 0:
            return
        counted = self._count(self._quick, kind, body)
        if counted <= 0:
            return
        seen = min(_MOST_RATIO, max(1 / _MOST_RATIO, told / counted))
        self._answers += 1
        weight = max(_WEIGHT, 1 / self._answers)
        if self._answers > 1:
            self._deviation += weight * (abs(seen / self._ratio - 1.0) - self._deviation)
        self._ratio += weight * (seen - self._ratio)

    def prepare(self) -> None:
        """Load the model's own tokenizer, if it has one here, for `quick` too. Takes 0.1 s, once."""
        if self.is_exact and self._quick is by_letters:
            self._quick = self._of_the_beginning
            self._ratio, self._deviation, self._answers = 1.0, 0.0, 0

    @property
    def is_exact(self) -> bool:
        """Texts are counted by the model's own tokenizer; what is around them is known to a few tokens."""
        return self._family.error == 0.0 and text_counter(self._family.encoding)[1]

    @property
    def is_plain(self) -> bool:
        """Nothing is added to what was sent: no words on how to call tools, no date."""
        return self._family.is_plain

    def besides(self, *, with_tools: bool) -> int:
        """What a chat has besides what was sent, as it was seen."""
        frame = self._frame
        return frame.begins + frame.thinking + (max(0, frame.with_tools) if with_tools else 0)

    @property
    def stated_error(self) -> float:
        """Of a text alone, as a share."""
        if self.is_exact:
            return 0.0
        return self._family.error if text_counter(self._family.encoding)[1] else BY_LETTERS_ERROR

    # Parts.

    def _full(self) -> Text:
        if self._text is None:
            count, is_tokenizer = text_counter(self._family.encoding)
            factor = self._family.factor if is_tokenizer else 1.0
            self._text = count if factor == 1.0 else lambda text: math.ceil(count(text) * factor)
        return self._text

    def _of_the_beginning(self, text: str) -> int:
        of = self._full()
        if len(text) <= _QUICK_LETTERS:
            return of(text)
        return of(text[:_QUICK_LETTERS]) * len(text) // _QUICK_LETTERS

    def _count(self, of: Text, kind: Kind, body: dict[str, Any]) -> int:
        if kind == "embedding":
            return _inputs(of, body.get("input"))
        if kind == "completion":
            return _inputs(of, body.get("prompt"))
        messages = body.get("messages")
        total = self._begins
        if self._thinking and not _THINKING.isdisjoint(body):
            total += self._thinking
        if type(messages) is list:
            for message in messages:
                if type(message) is dict:
                    total += self._message(of, message)
        if (tools := body.get("tools") or body.get("functions")) is not None:
            frame = self._frame
            total += (_json(of, tools) if frame.as_json else _tools(of, tools)) + frame.with_tools
        if (form := body.get("response_format")) is not None:
            total += _json(of, form)
        return total

    def _message(self, of: Text, message: dict[str, Any]) -> int:
        total = self._per_message
        content = message.get("content")
        if type(content) is str:
            total += of(content)
            if len(message) == 2 and "role" in message:  # as most are
                return total
        elif type(content) is list:
            total += sum(self._part(of, part) for part in content)
        if type(name := message.get("name")) is str:
            total += _NAME + of(name)
        calls = message.get("tool_calls")
        for call in calls if type(calls) is list else ():
            function = call.get("function") if type(call) is dict else None
            if type(function) is dict:
                total += _TOOL_CALL + of(str(function.get("name"))) + of(str(function.get("arguments")))
        return total

    def _part(self, of: Text, part: Any) -> int:
        if type(part) is str:
            return of(part)
        if type(part) is not dict:
            return 0
        if type(text := part.get("text")) is str:
            return of(text)
        if "image_url" in part:
            return image_tokens(part, self.model)
        if "input_audio" in part:
            return _SOUND
        return _FILE if "file" in part else 0


def _inputs(of: Text, inputs: Any) -> int:
    """A text, texts, token ids, or lists of them."""
    if type(inputs) is str:
        return of(inputs)
    if type(inputs) is not list:
        return 0
    if inputs and type(inputs[0]) is int:
        return len(inputs)
    return sum(_inputs(of, item) for item in inputs)


def _tools(of: Text, tools: Any) -> int:
    """Definitions are written for the model in a form of its own, somewhat shorter than their JSON."""
    if type(tools) is not list or not tools:
        return 0
    return 12 + sum(7 + _described(of, tool.get("function", tool)) for tool in tools if type(tool) is dict)


def _described(of: Text, function: Any) -> int:
    if type(function) is not dict:
        return 0
    total = of(f"{function.get('name')}:{function.get('description') or ''}")
    return total + _schema(of, function.get("parameters"), 0)


def _schema(of: Text, schema: Any, depth: int) -> int:
    if type(schema) is not dict or depth > _DEPTH:
        return 0
    total = 0
    properties = schema.get("properties")
    if type(properties) is dict and properties:
        total += 3
        for name, said in properties.items():
            said = said if type(said) is dict else {}
            total += 3 + of(f"{name}:{said.get('type')}:{said.get('description') or ''}")
            if type(choices := said.get("enum")) is list:
                total += sum(3 + of(str(choice)) for choice in choices) - 3
            total += _schema(of, said, depth + 1)
    return total + _schema(of, schema.get("items"), depth + 1)


def _json(of: Text, value: Any) -> int:
    try:
        return of(msgspec.json.encode(value).decode())
    except (TypeError, ValueError, RecursionError):
        return 0
