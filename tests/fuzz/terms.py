"""What the judges agree on: a caller's deadline, its attempts, and which of them count."""

from __future__ import annotations

from tests.fuzz.play import End, Story
from tests.fuzz.wires import Sent
from tests.fuzz.worlds import World

from penstock.call import Attempt
from penstock.errors import Unanswered

__all__ = ["EPSILON_S", "asked_by", "attempts_of", "counts", "deadline_s"]

EPSILON_S = 1e-6
_DEFAULT_DEADLINE_S = 120.0


def asked_by(story: Story, caller: int) -> list[Sent]:
    """A caller's requests, in order."""
    return [sent for sent in story.sent if sent.caller == caller]


def deadline_s(world: World, end: End) -> float | None:
    """The instant by which a caller must have its end; None when only a batch's own time bounds it."""
    caller = end.caller
    if caller.deadline_s is not None:
        return end.began_s + caller.deadline_s
    if caller.is_batch:
        return None
    return end.began_s + (world.routes[caller.route].deadline_s or _DEFAULT_DEADLINE_S)


def attempts_of(end: End) -> tuple[Attempt, ...] | None:
    """What the engine says that it did for a caller; None when it had no occasion to say it."""
    if isinstance(end.error, Unanswered):
        return end.error.attempts
    if end.stream is not None:
        return end.stream.attempts
    return end.completion.attempts if end.completion is not None else None


def counts(attempt: Attempt) -> bool:
    """Refusals at a limit are waits, and a refused key gives way to the next one."""
    return attempt.error_kind not in ("rate_limited", "auth", "quota_exhausted")
