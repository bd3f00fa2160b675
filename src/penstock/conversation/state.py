"""A conversation's content as a value: what was said, under which settings, and what it has cost."""

from __future__ import annotations

from typing import Literal

import msgspec

from penstock.answer import Answer
from penstock.call import Usage
from penstock.conversation.message import Message, check_order, new_message
from penstock.errors import InputError

__all__ = ["Compress", "Settings", "Spent", "State", "Summary", "check_messages", "undone"]

Compress = Literal["window", "summary"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a conversation was made with."""

    model: str | tuple[str, ...] | None = None
    max_tokens: int | None = None
    compress: Compress = "window"
    summary_model: str | tuple[str, ...] | None = None
    summary_tokens: int | None = None


class Summary(msgspec.Struct, frozen=True):
    """What was said in the first `covers` messages, in a model's words; pinned ones are sent besides."""

    text: str
    covers: int


class Spent(msgspec.Struct, frozen=True):
    """What the answers came to, summaries included. Undone ones stay in it: they were paid."""

    answers: int = 0
    summaries: int = 0
    usage: Usage = Usage()
    cost_usd: float | None = 0.0
    """None once an answer's price wasn't known."""
    answering_s: float = 0.0
    """Seconds that the answers took."""

    def plus(self, answer: Answer, *, summary: bool = False) -> Spent:
        """With one more answer, or a summary."""
        known = self.cost_usd is not None and answer.cost is not None
        return Spent(
            self.answers + (not summary),
            self.summaries + summary,
            self.usage + answer.usage,
            (self.cost_usd or 0.0) + (answer.cost or 0.0) if known else None,
            self.answering_s + answer.latency_s,
        )


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is kept of a conversation."""

    created_s: float
    settings: Settings = Settings()
    metadata: dict[str, object] = {}
    summary: Summary | None = None
    spent: Spent = Spent()
    messages: tuple[Message, ...] = ()

    def with_messages(self, messages: tuple[Message, ...]) -> State:
        """Others in their place; a summary of what isn't there any more is dropped."""
        summary = self.summary
        if summary is not None:
            covers = summary.covers
            if len(messages) < covers or not _alike(self.messages[:covers], messages[:covers]):
                summary = None
        return msgspec.structs.replace(self, messages=messages, summary=summary)

    def with_system(self, prompt: Message | None) -> State:
        """With this system prompt at the head, in place of the one that is there; None: without."""
        had = bool(self.messages) and self.messages[0].role in ("system", "developer")
        if prompt is not None and had and self.messages[0].body == prompt.body:
            return self
        if prompt is None and not had:
            return self
        rest = self.messages[1:] if had else self.messages
        after = rest if prompt is None else (prompt, *rest)
        summary = self.summary
        if summary is not None:
            covers = summary.covers + len(after) - len(self.messages)
            summary = Summary(summary.text, covers) if covers > 0 else None
        return msgspec.structs.replace(self, messages=after, summary=summary)

    def with_pin(self, index: int, *, pinned: bool) -> State:
        """With the message at the index pinned, or not. Raises `InputError`."""
        if not isinstance(index, int) or not -len(self.messages) <= index < len(self.messages):
            raise InputError(f"no message {index!r:.40}: there are {len(self.messages)}")
        place = index % len(self.messages)
        if self.messages[place].pinned == pinned:
            return self
        fresh = msgspec.structs.replace(self.messages[place], pinned=pinned)
        after = (*self.messages[:place], fresh, *self.messages[place + 1 :])
        return msgspec.structs.replace(self, messages=after)


def _alike(some: tuple[Message, ...], others: tuple[Message, ...]) -> bool:
    """Whether a summary of some tells the others: a system prompt isn't in it."""
    return all(
        one is other or one.body == other.body or (one.role == other.role and one.role in ("system", "developer"))
        for one, other in zip(some, others, strict=False)
    )


def undone(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Without the last exchange: the last question and all that came after it; where none was asked, without the last
    message. Raises `InputError` when only system messages are left."""
    for start in range(len(messages) - 1, -1, -1):
        if messages[start].role == "user":
            kept = tuple(m for m in messages[start:] if m.role in ("system", "developer"))
            return messages[:start] + kept
    for start in range(len(messages) - 1, -1, -1):
        if messages[start].role not in ("system", "developer"):
            block = start
            while messages[block].role == "tool":
                block -= 1
            return messages[:block] + messages[start + 1 :]
    raise InputError("there is nothing to undo")


def check_messages(messages: tuple[Message, ...]) -> None:
    """Raises `InputError` that names the first message which is none, or can't stand where it does."""
    for index, message in enumerate(messages):
        try:
            body = dict(message.body)
            new_message(
                body.pop("role", None),
                body.pop("content", None),
                at_s=message.at_s,
                metadata=message.metadata,
                fields=body,
            )
            check_order(messages, message, index)
        except InputError as error:
            raise InputError(f"message {index}: {error}") from None
