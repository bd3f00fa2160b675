"""What of a conversation is sent: its messages within the contexts of all targets, with room for the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from penstock.conversation.fitting import Overfull, choose
from penstock.conversation.message import Message, text_of
from penstock.conversation.state import Summary
from penstock.errors import ContextTooLong
from penstock.tokens import Counter
from penstock.wiring import TargetContext

__all__ = ["UNKNOWN", "Counts", "Measures", "Sent", "fitted", "limit_of"]

UNKNOWN = TargetContext(target="", model="", length=None, output=0)
"""Where no target is known yet."""
_MOST_MODELS = 8
_HEADING = "What was said before, in short:"


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What of a conversation was sent, or would be."""

    messages: list[dict[str, Any]]
    """In OpenAI's form, as they went out."""
    indexes: list[int]
    """Their places in the conversation's `messages`."""
    tokens: int
    """Of all of it, tools included, as the target counts."""
    limit: int | None
    """The most that may be sent; None where neither `max_tokens` nor the context's length is known."""
    target: str
    """Whose context and tokenizer these are: of several targets the first that has room."""
    left_out: int
    """Messages that were not sent and are in no summary."""
    summary: str | None = None
    """What was sent in place of older messages."""
    trouble: str | None = None
    """Why an older window was sent than wanted: the summary couldn't be written, or had no room."""

    @property
    def utilisation(self) -> float | None:
        """Tokens as a share of the limit."""
        return None if not self.limit else self.tokens / self.limit


class Counts:
    """Tokens of messages to one model, counted once each."""

    def __init__(self, model: str) -> None:
        self.counter = Counter(model)
        self._known: dict[int, tuple[Message, int]] = {}

    def of(self, messages: Sequence[Message]) -> list[int]:
        """The tokens of each. Those that aren't among the messages any more are forgotten."""
        known, counted = {}, []
        for message in messages:
            found = self._known.get(id(message))
            if found is None or found[0] is not message:
                found = (message, self.counter.message(message.body))
            known[id(message)] = found
            counted.append(found[1])
        self._known = known
        return counted


class Measures:
    """The counts of a conversation for each of its models."""

    def __init__(self) -> None:
        self._counts: dict[str, Counts] = {}

    def of(self, model: str) -> Counts:
        """The counts for one model."""
        counts = self._counts.pop(model, None) or Counts(model)
        while len(self._counts) >= _MOST_MODELS:
            del self._counts[next(iter(self._counts))]
        self._counts[model] = counts
        return counts


def limit_of(context: TargetContext, counter: Counter, max_tokens: int | None, answer_tokens: int | None) -> int | None:
    """The most tokens to send: `max_tokens`, and the context's length less the answer's room and the count's error."""
    if context.length is None:
        return max_tokens
    room = context.output if answer_tokens is None else answer_tokens
    hard = max(0, int((context.length - room) / (1 + counter.error)))
    return hard if max_tokens is None else min(hard, max_tokens)


def fitted(
    messages: Sequence[Message],
    summary: Summary | None,
    contexts: Sequence[TargetContext],
    measures: Measures,
    *,
    max_tokens: int | None,
    params: Mapping[str, Any],
    share: float = 1.0,
) -> Sent:
    """What to send of `messages` so that each target has room for it, those aside that haven't for what must be sent.

    `params` are the request's other fields: tools count, and the answer's `max_tokens`; `share` is the part of the
    limit to use. Raises `ContextTooLong` when no target has room for what must be sent.
    """
    asked = params.get("max_completion_tokens") or params.get("max_tokens")
    answer_tokens = asked if isinstance(asked, int) else None
    beside = {key: params[key] for key in ("tools", "functions", "response_format") if params.get(key) is not None}
    best: Sent | None = None
    short: list[tuple[Overfull, int | None, str]] = []
    for context in contexts or (UNKNOWN,):
        counts = measures.of(context.model)
        limit = limit_of(context, counts.counter, max_tokens, answer_tokens)
        base = counts.counter.request("chat", {"messages": [], **beside})
        try:
            sent = _for_one(messages, summary, counts, base, limit, share)
        except Overfull as error:
            short.append((error, limit, _why(context, max_tokens, limit, answer_tokens)))
            continue
        if best is None or _length(sent) < _length(best):
            best = msgspec.structs.replace(sent, target=context.target)
    if best is None:
        raise _too_long(*short[0], messages)
    return best


def _length(sent: Sent) -> tuple[int, bool]:
    """Of two windows the one with less in it has room where the other has."""
    return len(sent.indexes), sent.summary is not None


def _for_one(
    messages: Sequence[Message], summary: Summary | None, counts: Counts, base: int, limit: int | None, share: float
) -> Sent:
    counted = counts.of(messages)
    if limit is None:
        indexes = choose(messages, counted, sum(counted), covered=summary.covers if summary else 0)
        return _sent(messages, indexes, counts, counted, base, limit, summary)
    room = int(limit * share) - base
    if summary is not None:
        try:
            extra = _extra(messages, summary, counts)
            indexes = choose(messages, counted, room - extra, covered=summary.covers)
            return _sent(messages, indexes, counts, counted, base, limit, summary)
        except Overfull:
            indexes = choose(messages, counted, room, covered=summary.covers)
            sent = _sent(messages, indexes, counts, counted, base, limit, None)
            return msgspec.structs.replace(sent, trouble="there was no room for the summary of what was said before")
    indexes = choose(messages, counted, room)
    return _sent(messages, indexes, counts, counted, base, limit, None)


def _sent(
    messages: Sequence[Message],
    indexes: list[int],
    counts: Counts,
    counted: list[int],
    base: int,
    limit: int | None,
    summary: Summary | None,
) -> Sent:
    covered = summary.covers if summary is not None else 0
    chosen = set(indexes)
    bodies = [messages[index].body for index in indexes]
    tokens = base + sum(counted[index] for index in indexes)
    if summary is not None:
        bodies = _led(bodies, summary.text)
        tokens += _extra(messages, summary, counts)
    return Sent(
        messages=bodies,
        indexes=indexes,
        tokens=tokens,
        limit=limit,
        target="",
        left_out=sum(1 for index in range(covered, len(messages)) if index not in chosen),
        summary=None if summary is None else summary.text,
    )


def _led(bodies: list[dict[str, Any]], summary: str) -> list[dict[str, Any]]:
    """The messages with the summary in the system message at their head: many models take one such message, and only
    there."""
    said = f"{_HEADING}\n{summary}"
    if not bodies or bodies[0]["role"] not in ("system", "developer"):
        return [{"role": "system", "content": said}, *bodies]
    content = bodies[0]["content"]
    led = [*content, {"type": "text", "text": said}] if isinstance(content, list) else f"{text_of(content)}\n\n{said}"
    return [{**bodies[0], "content": led}, *bodies[1:]]


def _extra(messages: Sequence[Message], summary: Summary, counts: Counts) -> int:
    """What the summary adds to the messages' tokens."""
    has_system = bool(messages) and messages[0].role in ("system", "developer")
    head = [messages[0].body] if has_system else []
    led = counts.counter.message(_led(head, summary.text)[0])
    return led - (counts.of(messages)[0] if has_system else 0)


def _why(context: TargetContext, max_tokens: int | None, limit: int | None, answer_tokens: int | None) -> str:
    if context.length is None or (max_tokens is not None and limit == max_tokens):
        return f"max_tokens is {max_tokens:,}"
    room = context.output if answer_tokens is None else answer_tokens
    return f"{context.target} reads and writes {context.length:,}, of which {room:,} are kept for the answer"


def _too_long(error: Overfull, limit: int | None, why: str, messages: Sequence[Message]) -> ContextTooLong:
    pinned = sum(1 for message in messages if message.pinned)
    pins = f", {pinned} pinned message(s)" if pinned else ""
    over = error.needed - error.room
    return ContextTooLong(
        f"the system prompt{pins} and the question alone are {over:,} tokens more than the {limit or 0:,} that may be "
        f"sent: {why}. Shorten or unpin something, or allow more"
    )
