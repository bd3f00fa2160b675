"""Whether the engine tells the truth: its attempts and its counts against what crossed the line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.fuzz.play import End, Story
from tests.fuzz.wires import Sent

from penstock.call import Attempt
from penstock.errors import Unanswered

__all__ = ["paired", "untrue_attempts"]

_EPSILON_S = 1e-6
_MOST_TOLD = 64
_UNSENT = "before the request was sent"


def untrue_attempts(story: Story) -> Iterator[str]:
    """Complaints about attempts, counts and ledgers that don't agree."""
    unsent = unheard = 0
    for end in story.ends.values():
        told = _told(end)
        if told is None:
            unheard += 1
            continue
        pairs = paired(story, end)
        unsent += sum(sent is None for _, sent in pairs)
        yield from (f"c{end.caller.number}: {wrong}" for wrong in _disagreements(story, end, pairs, told[1]))
    for name, (served, refused) in story.served.items():
        crossed = sum(one.target.partition("/")[0] == name for one in story.sent)
        if served + refused != crossed:
            yield f"{name} has {served} requests in its ledger, {crossed - refused} were sent"
    yield from _untrue_counts(story, unsent, unheard)


def paired(story: Story, end: End) -> list[tuple[Attempt, Sent | None]]:
    """Each attempt that is told with the request that it was; None for one that was ended before it could be sent.

    Nothing where not all of them are told: there are too many.
    """
    told = _told(end)
    if told is not None and len(told[0]) >= _MOST_TOLD:
        return []
    sent = [one for one in story.sent if one.caller == end.caller.number]
    pairs: list[tuple[Attempt, Sent | None]] = []
    at = 0
    for attempt in () if told is None else told[0]:
        fits = at < len(sent) and sent[at].target == attempt.target
        fits = fits and abs(sent[at].at_s - sent[0].at_s - attempt.started_s) < _EPSILON_S
        pairs.append((attempt, None if (_was_unsent(attempt) and not fits) or at >= len(sent) else sent[at]))
        at += pairs[-1][1] is not None
    return pairs


def _was_unsent(attempt: Attempt) -> bool:
    """It was too late for it, or it was ended in the instant in which it was to begin."""
    return _UNSENT in (attempt.error or "") or (
        attempt.outcome == "cancelled"
        and attempt.ended_s is not None
        and attempt.ended_s - attempt.started_s < _EPSILON_S
    )


def _told(end: End) -> tuple[Sequence[Attempt], int | None] | None:
    """The attempts that the engine tells of, and how many requests there were."""
    if isinstance(end.error, Unanswered):
        return end.error.attempts, end.error.requests_sent
    if end.stream is not None:
        return end.stream.attempts, None
    if end.completion is not None:
        return end.completion.attempts, end.completion.requests_sent
    return None


def _disagreements(
    story: Story, end: End, pairs: list[tuple[Attempt, Sent | None]], count: int | None
) -> Iterator[str]:
    sent = [one for one in story.sent if one.caller == end.caller.number]
    unsent = [attempt for attempt, one in pairs if one is None]
    if any(not _was_unsent(attempt) for attempt in unsent):
        yield f"{len(pairs)} attempts are told, {len(sent)} were sent"
    elif pairs:
        if count is not None and count - len(unsent) != len(sent):
            yield f"{count} requests are told, {len(sent)} were sent"
        if len(pairs) - len(unsent) != len(sent):
            yield f"{len(pairs)} attempts are told, {len(sent)} were sent"
        for attempt, one in pairs:
            if one is not None:
                yield from _differences(attempt, one, sent[0].at_s)
    attempts = [attempt for attempt, _ in pairs]
    if end.how == "answered" and pairs and sum(attempt.outcome == "answered" for attempt in attempts) != 1:
        yield f"{[attempt.outcome for attempt in attempts]} is told of an answer"
    if any(attempt.outcome == "running" for attempt in attempts):
        yield "an attempt is said to run still"


def _differences(attempt: Attempt, sent: Sent, first_s: float) -> Iterator[str]:
    if attempt.target != sent.target:
        yield f"attempt {attempt.id} is said to be at {attempt.target}, it was at {sent.target}"
    began_s = sent.at_s - first_s
    if abs(attempt.started_s - began_s) > _EPSILON_S:
        yield f"attempt {attempt.id} is said to start at {attempt.started_s:.3f} s, it did at {began_s:.3f} s"
    if attempt.status is not None and sent.status is not None and attempt.status != sent.status:
        yield f"attempt {attempt.id} is said to have got {attempt.status}, it got {sent.status}"
    if attempt.ended_s is None:
        yield f"attempt {attempt.id} has no end"


def _untrue_counts(story: Story, unsent: int, unheard: int) -> Iterator[str]:
    """`unheard` callers left before anything could be told to them."""
    stats = story.stats
    if stats is None:
        return
    if not unsent <= stats.requests - len(story.sent) <= unsent + unheard:
        yield f"the engine counts {stats.requests} requests, {len(story.sent)} were sent"
    given_up = sum(isinstance(end.error, Unanswered) for end in story.ends.values())
    if stats.failed != given_up:
        yield f"the engine counts {stats.failed} failed calls, there were {given_up}"
    answered = sum(end.how == "answered" for end in story.ends.values())
    if not answered <= stats.answered <= answered + len(story.ends) - given_up:
        yield f"the engine counts {stats.answered} answers, there were {answered}"
