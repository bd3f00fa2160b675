"""Whether the engine tells the truth: its attempts and its counts against what crossed the line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.fuzz.play import End, Story
from tests.fuzz.wires import Sent

from penstock.call import Attempt
from penstock.errors import Unanswered

__all__ = ["untrue_attempts"]

_EPSILON_S = 1e-6
_UNSENT = "before the request was sent"


def untrue_attempts(story: Story) -> Iterator[str]:
    """Complaints about attempts, counts and ledgers that don't agree."""
    for end in story.ends.values():
        told = _told(end)
        if told is not None:
            sent = [one for one in story.sent if one.caller == end.caller.number]
            yield from (f"c{end.caller.number}: {wrong}" for wrong in _disagreements(end, *told, sent))
    for name, (served, refused) in story.served.items():
        crossed = sum(one.target.partition("/")[0] == name for one in story.sent)
        if served + refused != crossed:
            yield f"{name} has {served} requests in its ledger, {crossed - refused} were sent"
    yield from _untrue_counts(story)


def _told(end: End) -> tuple[Sequence[Attempt], int | None] | None:
    """The attempts that the engine tells of, and how many requests there were."""
    if isinstance(end.error, Unanswered):
        return end.error.attempts, end.error.requests_sent
    if end.stream is not None:
        return end.stream.attempts, None
    if end.completion is not None:
        return end.completion.attempts, end.completion.requests_sent
    return None


def _disagreements(end: End, attempts: Sequence[Attempt], count: int | None, sent: list[Sent]) -> Iterator[str]:
    unsent = sum(_UNSENT in (attempt.error or "") for attempt in attempts)
    if count is not None and count - unsent != len(sent):
        yield f"{count} requests are told, {len(sent)} were sent"
    listed = [attempt for attempt in attempts if _UNSENT not in (attempt.error or "")]
    if len(attempts) < 64 and len(listed) != len(sent):
        yield f"{len(listed)} attempts are told, {len(sent)} were sent"
    elif len(attempts) < 64:
        for attempt, one in zip(listed, sent, strict=True):
            yield from _differences(end, attempt, one, sent[0].at_s)
    if end.how == "answered" and not any(attempt.outcome == "answered" for attempt in attempts):
        yield "no attempt is told to have answered"
    if any(attempt.outcome == "running" for attempt in attempts):
        yield "an attempt is said to run still"


def _differences(end: End, attempt: Attempt, sent: Sent, first_s: float) -> Iterator[str]:
    if attempt.target != sent.target:
        yield f"attempt {attempt.id} is said to be at {attempt.target}, it was at {sent.target}"
    began_s = sent.at_s - first_s
    if abs(attempt.started_s - began_s) > _EPSILON_S:
        yield f"attempt {attempt.id} is said to start at {attempt.started_s:.3f} s, it did at {began_s:.3f} s"
    if attempt.status is not None and sent.status is not None and attempt.status != sent.status:
        yield f"attempt {attempt.id} is said to have got {attempt.status}, it got {sent.status}"
    if attempt.ended_s is None:
        yield f"attempt {attempt.id} has no end"


def _untrue_counts(story: Story) -> Iterator[str]:
    stats = story.stats
    if stats is None:
        return
    unsent = sum(
        _UNSENT in (attempt.error or "") for end in story.ends.values() for attempt in (_told(end) or ((), 0))[0]
    )
    if stats.requests - unsent != len(story.sent):
        yield f"the engine counts {stats.requests} requests, {len(story.sent)} were sent"
    given_up = sum(isinstance(end.error, Unanswered) for end in story.ends.values())
    if stats.failed != given_up:
        yield f"the engine counts {stats.failed} failed calls, there were {given_up}"
    answered = sum(end.how == "answered" for end in story.ends.values())
    if stats.answered < answered:
        yield f"the engine counts {stats.answered} answers, there were {answered}"
