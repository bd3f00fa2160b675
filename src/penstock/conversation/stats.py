"""What is told of a conversation in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from penstock.call import Usage
from penstock.conversation.asking import window
from penstock.conversation.context import Measures
from penstock.conversation.message import Message
from penstock.conversation.state import State
from penstock.errors import ContextTooLong
from penstock.wiring import TargetContext

__all__ = ["ConversationStats", "stats_of"]


class ConversationStats(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation in numbers. Tokens of messages are counted here, those of `usage` are the providers'."""

    messages: int
    by_role: dict[str, int]
    pinned: int
    tokens: int
    """Of every message, sent or not."""
    context_tokens: int | None
    """Of what would be sent now; None when what must be sent is too long."""
    limit: int | None
    """The most that may be sent; None where it isn't known."""
    utilisation: float | None
    """`context_tokens` as a share of the limit."""
    left_out: int
    """Messages that would not be sent now and are in no summary."""
    summarised: int
    """Messages that a summary tells."""
    answers: int
    """Answers so far, undone ones too."""
    summaries: int
    usage: Usage
    """Tokens of all answers and summaries."""
    cost_usd: float | None
    """Of all of them; None once a price wasn't known."""
    duration_s: float
    """From the first message to the last."""
    answering_s: float
    """Of that, the seconds in which an answer was awaited."""


def stats_of(
    state: State, messages: Sequence[Message], measures: Measures, contexts: Sequence[TargetContext]
) -> ConversationStats:
    """The state in numbers; `messages` are its own, with their tokens."""
    try:
        sent = window(state, (), contexts, measures, {})
    except ContextTooLong:
        sent = None
    said = state.summary
    kept = sum(1 for message in messages[: said.covers] if message.is_kept) if said else 0
    spent = state.spent
    return ConversationStats(
        messages=len(messages),
        by_role=dict(Counter(message.role for message in messages)),
        pinned=sum(1 for message in messages if message.pinned),
        tokens=sum(message.tokens for message in messages),
        context_tokens=None if sent is None else sent.tokens if messages else 0,
        limit=sent.limit if sent else state.settings.max_tokens,
        utilisation=None if sent is None else sent.utilisation if messages or not sent.limit else 0.0,
        left_out=sent.left_out if sent else 0,
        summarised=said.covers - kept if said else 0,
        answers=spent.answers,
        summaries=spent.summaries,
        usage=spent.usage,
        cost_usd=spent.cost_usd,
        duration_s=_duration_s(messages),
        answering_s=spent.answering_s,
    )


def _duration_s(messages: Sequence[Message]) -> float:
    """The first in the list needn't be the oldest: a system prompt may have been replaced since."""
    times = [message.at_s for message in messages]
    return max(times) - min(times) if times else 0.0
