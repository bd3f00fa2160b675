"""What of a conversation is sent: its messages within the contexts of all targets, with room for the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from penstock.conversation.fitting import Overfull, choose
from penstock.conversation.message import KEPT_ROLES, Message, text_of
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
    bounds = []
    for context in contexts or (UNKNOWN,):
        counts = measures.of(context.model)
        limit = limit_of(context, counts.counter, max_tokens, answer_tokens)
        base = counts.counter.request("chat", {"messages": [], **beside})
        bounds.append(_Bound(context, counts, base, limit))
    found, short = _each(messages, summary, bounds, share)
    if summary is not None and short:
        bare, too_short = _each(messages, summary, bounds, share, is_told=False)
        if len(too_short) < len(short):  # the summary is in somebody's way
            why = "there was no room for the summary of what was said before"
            found, short = [msgspec.structs.replace(sent, trouble=why) for sent in bare], too_short
    if not found:
        bound, error = short[0]
        raise _too_long(error, bound.limit, _why(bound.context, max_tokens, bound.limit, answer_tokens), messages)
    # Windows over the same messages lie in each other: who has room for the least has room for it, and so have all.
    return min(found, key=lambda sent: len(sent.indexes))


class _Bound(NamedTuple):
    """What one target allows."""

    context: TargetContext
    counts: Counts
    base: int
    """Tokens of a request without a message."""
    limit: int | None


def _each(
    messages: Sequence[Message],
    summary: Summary | None,
    bounds: Sequence[_Bound],
    share: float,
    *,
    is_told: bool = True,
) -> tuple[list[Sent], list[tuple[_Bound, Overfull]]]:
    """What each target has room for, and those that haven't enough; with the summary, or only without what it tells."""
    covered = 0 if summary is None else summary.covers
    said = summary if is_told else None
    found: list[Sent] = []
    short: list[tuple[_Bound, Overfull]] = []
    for bound in bounds:
        counted = bound.counts.of(messages)
        beside = bound.base + (0 if said is None else _extra(messages, said, bound.counts))
        room = sum(counted) if bound.limit is None else int(bound.limit * share) - beside
        try:
            indexes = choose(messages, counted, room, covered=covered)
        except Overfull as error:
            short.append((bound, error))
            continue
        tokens = beside + sum(counted[index] for index in indexes)
        found.append(_sent(messages, indexes, tokens, bound, said, covered))
    return found, short


def _sent(
    messages: Sequence[Message], indexes: list[int], tokens: int, bound: _Bound, said: Summary | None, covered: int
) -> Sent:
    chosen = set(indexes)
    bodies = [messages[index].body for index in indexes]
    return Sent(
        messages=bodies if said is None else _led(bodies, said.text, has_head=_has_head(messages)),
        indexes=indexes,
        tokens=tokens,
        limit=bound.limit,
        target=bound.context.target,
        left_out=sum(1 for index in range(0 if said is None else covered, len(messages)) if index not in chosen),
        summary=None if said is None else said.text,
    )


def _has_head(messages: Sequence[Message]) -> bool:
    """Whether a system prompt leads the conversation."""
    return bool(messages) and messages[0].role in KEPT_ROLES


def _led(bodies: list[dict[str, Any]], summary: str, *, has_head: bool) -> list[dict[str, Any]]:
    """The messages with the summary in the system message at their head: many models take one such message, and only
    there."""
    said = f"{_HEADING}\n{summary}"
    if not has_head:
        return [{"role": "system", "content": said}, *bodies]
    content = bodies[0]["content"]
    led = [*content, {"type": "text", "text": said}] if isinstance(content, list) else f"{text_of(content)}\n\n{said}"
    return [{**bodies[0], "content": led}, *bodies[1:]]


def _extra(messages: Sequence[Message], summary: Summary, counts: Counts) -> int:
    """What the summary adds to the messages' tokens."""
    has_head = _has_head(messages)
    head = [messages[0].body] if has_head else []
    led = counts.counter.message(_led(head, summary.text, has_head=has_head)[0])
    return led - (counts.counter.message(messages[0].body) if has_head else 0)


def _why(context: TargetContext, max_tokens: int | None, limit: int | None, answer_tokens: int | None) -> str:
    if context.length is None or (max_tokens is not None and limit == max_tokens):
        return f"max_tokens is {max_tokens:,}"
    room = context.output if answer_tokens is None else answer_tokens
    return f"{context.target} reads and writes {context.length:,}, of which {room:,} are kept for the answer"


def _too_long(error: Overfull, limit: int | None, why: str, messages: Sequence[Message]) -> ContextTooLong:
    pinned = sum(1 for message in messages if message.pinned)
    parts = ["the system prompt"] if any(message.role in KEPT_ROLES for message in messages) else []
    parts += [f"{pinned} pinned message{'' if pinned == 1 else 's'}"] if pinned else []
    what = f"{', '.join(parts)} and the question alone" if parts else "the question alone"
    over = error.needed - error.room
    return ContextTooLong(
        f"{what} {'are' if parts else 'is'} {over:,} token{'' if over == 1 else 's'} too many "
        f"for the {limit or 0:,} that may be sent: {why}. Shorten or unpin something, or allow more"
    )
