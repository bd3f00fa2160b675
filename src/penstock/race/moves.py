"""The moves a plan makes, and the instants that bound a call."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, Literal

import msgspec

from penstock.call import Attempt, Call
from penstock.errors import CallError, Unanswered, Verdict
from penstock.questions import Until
from penstock.race.settings import RaceSettings
from penstock.race.triggers import Try

__all__ = [
    "Cancel",
    "Finish",
    "GiveUp",
    "Move",
    "Reason",
    "Start",
    "WaitUntil",
    "counts",
    "deadline_of",
    "endings",
    "extended",
    "send_deadline_of",
    "sent_for_s",
]

Reason = Literal["first", "retry", "fallback", "hedge", "silent", "late", "resume"]
"""Why an attempt was made: `hedge`, `silent` and `late` run beside another one; after refusals at a limit alone it is
still a `first`."""


class Start(msgspec.Struct, frozen=True):
    """Ask `target` (its place in the list) for admission and send. `retry`: it follows a failure that counts.

    Beside a running attempt it is sent at once or not at all.
    """

    target: int
    retry: bool
    reason: Reason = "first"


class WaitUntil(msgspec.Struct, frozen=True):
    """Do nothing until then or the next event, and ask again."""

    at_s: float


class Cancel(msgspec.Struct, frozen=True):
    """The attempt has failed with `error` although it still runs: end it, and say so with `failed`."""

    run: Try
    error: CallError


class Finish(msgspec.Struct, frozen=True):
    """`attempt` has the answer."""

    attempt: Attempt


class GiveUp(msgspec.Struct, frozen=True):
    """There will be no answer."""

    error: Unanswered


Move = Start | WaitUntil | Cancel | Finish | GiveUp


def deadline_of(call: Call, settings: RaceSettings, began_s: float) -> float | None:
    """The instant that bounds a call before its first send."""
    if call.deadline_s is not None:
        return extended(call.deadline_s, call.until)
    if settings.patience == "interactive" and settings.deadline_after_s is not None:
        return extended(began_s + settings.deadline_after_s, call.until)
    return None


def send_deadline_of(call: Call, settings: RaceSettings, began_s: float, first_send_s: float) -> float | None:
    """The instant that bounds a call once it was sent: in a batch its own deadline counts from then."""
    deadline_s = deadline_of(call, settings, began_s)
    if settings.patience != "batch" or settings.deadline_after_send_s is None:
        return deadline_s
    own_s = first_send_s + settings.deadline_after_send_s - call.spent_s
    return extended(own_s, call.until) if deadline_s is None else min(own_s, deadline_s)


def extended(deadline_s: float | None, until: Until | None) -> float | None:
    """The deadline, or how long others want the answer where that is later."""
    return deadline_s if until is None else until.latest(deadline_s)


def sent_for_s(call: Call, settings: RaceSettings) -> float | None:
    """How long a call of a batch may take from its first send; None for no bound."""
    return None if settings.deadline_after_send_s is None else settings.deadline_after_send_s - call.spent_s


def counts(verdict: Verdict) -> bool:
    """Whether such a failure counts for `max_attempts`: a refusal at a limit or of a key doesn't."""
    return verdict.same_target != "wait" and not verdict.key_is_bad


def endings(attempts: Iterable[Attempt], *, besides: Collection[CallError | None]) -> str:
    """The last error of each target but those of `besides`, to follow on in a sentence; of very many, some."""
    told = {attempt.target: attempt.error for attempt in attempts if attempt.error and attempt.error_kind}
    for error in besides:
        if error is not None:
            told.pop(error.target, None)
    shown = [error if len(error) <= _MOST_TOLD else error[: _MOST_TOLD - 3] + "..." for error in told.values()]
    more = f"; {len(shown) - _MOST_TARGETS} more" if len(shown) > _MOST_TARGETS else ""
    return "".join(f"; {error}" for error in shown[:_MOST_TARGETS]) + more


_MOST_TARGETS: Final = 5
_MOST_TOLD: Final = 200
