"""One message of a conversation, and the order that messages may stand in."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from penstock.answer import Answer
from penstock.call import Usage
from penstock.config.suggest import nearest
from penstock.errors import InputError

__all__ = [
    "KEPT_ROLES",
    "ROLES",
    "Message",
    "Told",
    "answer_message",
    "check_order",
    "new_message",
    "open_calls",
    "text_of",
]

ROLES: Final = ("system", "developer", "user", "assistant", "tool")
KEPT_ROLES: Final = ("system", "developer")
_MOST_DEPTH: Final = 64


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer came to be."""

    target: str
    model: str
    usage: Usage
    cost_usd: float | None
    """None when the price isn't known."""
    latency_s: float
    status: str
    cached: bool = False

    @classmethod
    def of(cls, answer: Answer) -> Told:
        """What is kept of an answer beside its message."""
        return cls(
            target=answer.target,
            model=answer.model,
            usage=answer.usage,
            cost_usd=answer.cost,
            latency_s=answer.latency_s,
            status=answer.status,
            cached=answer.cached,
        )


class Message(msgspec.Struct, frozen=True, kw_only=True, eq=True):
    """A message: what was said, when, and how long it is. A value; `conversation` gives others in its place."""

    body: dict[str, Any]
    """The message in OpenAI's form."""
    at_s: float
    """When it was added, in seconds since 1970."""
    pinned: bool = False
    """It is always sent."""
    metadata: dict[str, Any] = {}
    """The caller's own, any JSON."""
    tokens: int = 0
    """As the conversation's first target counts it."""
    told: Told | None = None
    """Of an answer: who gave it, its usage and cost."""

    @property
    def role(self) -> str:
        """system, developer, user, assistant or tool."""
        return str(self.body["role"])

    @property
    def content(self) -> Any:
        """Text, a list of parts, or None where a message only calls tools."""
        return self.body.get("content")

    @property
    def text(self) -> str:
        """The text of its content."""
        return text_of(self.body.get("content"))

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The tool calls in OpenAI's form; [] when there is none."""
        return list(self.body.get("tool_calls") or ())

    @property
    def at(self) -> datetime.datetime:
        """When it was added, in UTC."""
        return datetime.datetime.fromtimestamp(self.at_s, tz=datetime.UTC)

    @property
    def is_kept(self) -> bool:
        """It is always sent: a system message, or pinned."""
        return self.pinned or self.body["role"] in KEPT_ROLES

    def __getitem__(self, key: str) -> Any:
        """A field of the message in OpenAI's form."""
        return self.body[key]


def answer_message(answer: Answer, at_s: float) -> Message:
    """The answer as a message of the conversation."""
    body: dict[str, Any] = {"role": "assistant", "content": None, **answer.message}
    if body["content"] is None and not body.get("tool_calls"):
        body["content"] = ""
    return Message(body=body, at_s=at_s, told=Told.of(answer))


def text_of(content: Any) -> str:
    """The text of a content: itself, or its parts that are text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    return ""


def new_message(
    role: object,
    content: object,
    *,
    at_s: float,
    pinned: bool = False,
    metadata: Mapping[str, Any] | None = None,
    told: Told | None = None,
    fields: Mapping[str, Any] | None = None,
) -> Message:
    """A message, checked by itself. Raises `InputError`."""
    if role not in ROLES:
        near = nearest(role, ROLES, most=1) if isinstance(role, str) else []
        hint = f'; did you mean "{near[0]}"?' if near else ""
        raise InputError(f"role: expected {', '.join(ROLES[:-1])} or {ROLES[-1]}, got {role!r:.80}{hint}")
    body: dict[str, Any] = {"role": role, "content": content, **(fields or {})}
    _check_content(str(role), body)
    if role == "assistant":
        _check_calls(body.get("tool_calls"))
    if role == "tool" and not isinstance(body.get("tool_call_id"), str):
        raise InputError('a tool\'s message: expected tool_call_id="...", the id of the call that it answers')
    said = dict(metadata or {})
    for name, value in (("metadata", said), ("message", body)):
        _check_json(value, name)
    return Message(body=body, at_s=at_s, pinned=pinned, metadata=said, told=told)


def _check_content(role: str, body: dict[str, Any]) -> None:
    content = body["content"]
    if isinstance(content, str):
        if not content.strip() and role in ("user", "system", "developer"):
            raise InputError(f"the {role}'s message is empty")
        return
    if isinstance(content, list):
        if not content or not all(isinstance(part, dict) for part in content):
            raise InputError(f"the {role}'s message: expected text or a list of parts, got {content!r:.80}")
        return
    if content is None and role == "assistant" and (body.get("tool_calls") or body.get("refusal") or len(body) > 2):
        return
    raise InputError(f"the {role}'s message: expected text or a list of parts, got {type(content).__name__}")


def _check_calls(calls: object) -> None:
    if calls is None:
        return
    if not isinstance(calls, list) or not all(isinstance(c, dict) and isinstance(c.get("id"), str) for c in calls):
        raise InputError("tool_calls: expected a list of calls in OpenAI's form, each with an id")


def _check_json(value: object, name: str) -> None:
    try:
        msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{name}: expected what JSON can hold: {error}") from None
    depth: list[tuple[object, int]] = [(value, 0)]
    while depth:
        item, deep = depth.pop()
        if deep > _MOST_DEPTH:
            raise InputError(f"{name}: nested deeper than {_MOST_DEPTH}")
        inner: Iterable[object] = (
            item.values() if isinstance(item, dict) else item if isinstance(item, list | tuple) else ()
        )
        depth.extend((one, deep + 1) for one in inner)


def open_calls(messages: Sequence[Message], end: int | None = None) -> list[str]:
    """The ids of the tool calls at the end (before `end`) that have no result yet."""
    answered: list[str] = []
    for index in range((len(messages) if end is None else end) - 1, -1, -1):
        message = messages[index]
        if message.role == "tool":
            answered.append(str(message.body.get("tool_call_id")))
            continue
        # Calls may share an id, as some providers give them: each has a result of its own.
        waiting = [call["id"] for call in message.tool_calls]
        for id_ in answered:
            if id_ in waiting:
                waiting.remove(id_)
        return waiting
    return []


def check_order(messages: Sequence[Message], message: Message, end: int | None = None) -> None:
    """Raises `InputError` when `message` can't follow `messages` (those before `end`): results follow their calls, and
    nothing comes between."""
    open_ = open_calls(messages, end)
    if message.role != "tool":
        if open_:
            first = open_[0]
            raise InputError(
                f'the tool call {first} has no result yet: add("tool", result, tool_call_id="{first}"), or undo()'
            )
        return
    wanted = message.body.get("tool_call_id")
    if wanted not in open_:
        shown = f"waiting for a result: {', '.join(open_)}" if open_ else "no tool call waits for a result"
        raise InputError(f'no tool call "{wanted}" before this result; {shown}')
