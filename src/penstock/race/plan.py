"""One request's decisions: which target, when again, when to stop. Pure: time and chance are arguments.

Events go in (`started`, `waited`, `failed`, `answered`), `next` tells the move to make now. The driver makes the
moves; property tests and simulations do too, with the same object.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from penstock.call import Attempt, Call
from penstock.errors import VERDICTS, CallError, DeadlineExceeded, Unanswered, Verdict, unanswered
from penstock.race.backoff import full_jitter_s
from penstock.race.budgets import RetryBudget
from penstock.race.settings import RaceSettings

__all__ = ["ATTEMPTS_KEPT", "Finish", "GiveUp", "Move", "Plan", "Readiness", "Start", "WaitUntil", "deadline_of"]

ATTEMPTS_KEPT = 64
"""Of a request's attempts the first half and the last half of this many are kept; all are counted."""

_MOST_KEYS = 1000
"""Refused keys a call may go through at one target: more than any pool holds, less than for ever."""

_EPSILON_S = 1e-6


class Readiness(Protocol):
    """What the plan asks of a target: its name, and how long it would let a call wait now."""

    @property
    def name(self) -> str: ...

    def wait_s(self, now_s: float, estimate: int) -> float: ...


class Start(msgspec.Struct, frozen=True):
    """Ask `target` (its place in the list) for admission and send. `retry`: it follows a failure that counts."""

    target: int
    retry: bool


class WaitUntil(msgspec.Struct, frozen=True):
    """Do nothing until then, and ask again."""

    at_s: float


class Finish(msgspec.Struct, frozen=True):
    """`attempt` has the answer."""

    attempt: Attempt


class GiveUp(msgspec.Struct, frozen=True):
    """There will be no answer."""

    error: Unanswered


Move = Start | WaitUntil | Finish | GiveUp


def deadline_of(call: Call, settings: RaceSettings, began_s: float) -> float | None:
    """The instant that bounds a call before its first send."""
    if call.deadline_s is not None:
        return call.deadline_s
    if settings.patience == "interactive" and settings.deadline_after_s is not None:
        return began_s + settings.deadline_after_s
    return None


class _Standing:
    """What one call has been through at one target."""

    __slots__ = ("ended", "failures", "key_refusals", "not_before_s", "once", "refusals", "tried")

    def __init__(self) -> None:
        self.ended: CallError | None = None
        """Why it isn't asked again."""
        self.not_before_s = -math.inf
        self.tried = False
        self.failures = 0
        self.refusals = 0
        self.key_refusals = 0
        self.once = False


class Plan:
    """Decides for one request over an ordered list of targets, the first one preferred.

    `deadline_s` is an instant or None; with `deadline_after_send_s` set it is known from the first send on, and
    moves on while the call waits for a limit.
    """

    def __init__(
        self,
        call: Call,
        targets: Sequence[Readiness],
        *,
        settings: RaceSettings,
        budget: RetryBudget,
        rng: random.Random,
        began_s: float,
    ) -> None:
        self.attempts: list[Attempt] = []
        self.requests_sent = 0
        self.counted = 0
        """Attempts that `max_attempts` counts."""
        self.first_send_s: float | None = None
        self.admission_deadline_s = deadline_of(call, settings, began_s)
        """The bound of a wait at a limit: a deadline that counts from the first send doesn't count there."""
        self.deadline_s = self.admission_deadline_s
        self._batch = settings.patience == "batch"
        self._call = call
        self._targets = targets
        self._standings = [_Standing() for _ in targets]
        self._settings = settings
        self._budget = budget
        self._rng = rng
        self._last: CallError | None = None
        self._answer: Attempt | None = None
        self._over: GiveUp | None = None
        # Set while the budget is empty: the instant of the one attempt that needs none.
        self._exempt_at_s: float | None = None
        self._exempt_used = False
        # The next attempt that counts is paid for; a refusal at a limit uses nothing up.
        self._paid = False
        self._waited = False
        self._begin_deadline: float | None = settings.deadline_after_send_s if self._batch else None

    # Events.

    def started(self, attempt: Attempt, target: int, now_s: float) -> None:
        """A request is being sent."""
        if self.first_send_s is None:
            self.first_send_s = now_s
            if self._begin_deadline is not None:
                own_s = now_s + self._begin_deadline
                self.deadline_s = own_s if self.deadline_s is None else min(own_s, self.deadline_s)
        self._standings[target].tried = True
        self.requests_sent += 1
        if len(self.attempts) >= ATTEMPTS_KEPT:
            del self.attempts[ATTEMPTS_KEPT // 2]
        self.attempts.append(attempt)

    def waited(self, seconds: float) -> None:
        """The call stood in a limit's line for so long: no time of its own deadline, when that counts from a send."""
        self._waited = True
        if self._begin_deadline is None or self.first_send_s is None or self.deadline_s is None:
            return
        hard_s = self.admission_deadline_s
        self.deadline_s = min(self.deadline_s + seconds, math.inf if hard_s is None else hard_s)

    def failed(self, target: int, error: CallError, now_s: float) -> None:
        """An attempt failed, or (`error.sent` False, no attempt) admission was refused for good.

        The permit must have been settled before: what a refusal means is read from the target's wait.
        """
        verdict = VERDICTS[error.kind]
        standing = self._standings[target]
        self._last = error
        if verdict.same_target != "wait" and not verdict.key_is_bad:
            self.counted += 1
            self._paid = False
        if verdict.key_is_bad:
            self._lost_key(target, error, now_s)
        else:
            _AFTER[verdict.same_target](self, target, error, now_s)
        if standing.ended is not None and not self._may_go_elsewhere(verdict, error):
            self._stop(error)

    def answered(self, attempt: Attempt) -> None:
        self._answer = attempt

    # Moves.

    def next(self, now_s: float) -> Move:
        """The move to make now. After `Finish` or `GiveUp` it stays that move."""
        if self._answer is not None:
            return Finish(self._answer)
        if self._over is not None:
            return self._over
        if self.deadline_s is not None and now_s >= self.deadline_s - _EPSILON_S:
            return self._late()
        most = self._settings.max_attempts
        if most is not None and self.counted >= most and self._last is not None:
            return self._stop(self._last)
        target, ready_s = self._choose(now_s)
        if target is None:
            assert self._last is not None, "a race has at least one target"
            return self._stop(self._last)
        if ready_s > now_s + _EPSILON_S:
            return self._wait(ready_s)
        return self._start(target, now_s)

    def _start(self, target: int, now_s: float) -> Move:
        if self.counted == 0:
            return Start(target, retry=False)
        if not (self._batch or self._paid or self._is_only_chance(target) or self._budget.withdraw()):
            if self._exempt_at_s is None:
                self._exempt_at_s = self._exempt_instant(now_s)
            if self._exempt_used or now_s < self._exempt_at_s - _EPSILON_S:
                return self._wait(self._ask_again_at(now_s))
            if self.deadline_s is None:
                self._exempt_at_s = self._exempt_instant(now_s)
            else:
                self._exempt_used = True
        self._paid = True
        return Start(target, retry=True)

    def _choose(self, now_s: float) -> tuple[int | None, float]:
        """The target to ask and the instant from which on it may be asked; admission may take longer.

        A target in order of preference that may be asked now and whose limit is free (or for an interactive call:
        nearly so) comes first; else whichever is ready first.
        """
        patience_s = 0.0 if self._batch else self._settings.limit_patience_s
        best, best_s, best_from_s = None, math.inf, now_s
        for place, standing in enumerate(self._standings):
            if standing.ended is not None:
                continue
            if len(self._standings) == 1:
                return place, standing.not_before_s
            wait_s = self._targets[place].wait_s(now_s, self._call.estimate)
            if standing.not_before_s <= now_s + _EPSILON_S and wait_s <= patience_s:
                return place, now_s
            ready_s = max(standing.not_before_s, now_s + wait_s)
            if best is None or ready_s < best_s:
                best, best_s, best_from_s = place, ready_s, standing.not_before_s
        return best, best_from_s

    def _wait(self, until_s: float) -> Move:
        return WaitUntil(until_s if self.deadline_s is None else min(until_s, self.deadline_s))

    # The budget.

    def _is_only_chance(self, target: int) -> bool:
        """The first try at the only target that is left needs no budget: always try to answer."""
        others = any(s.ended is None for place, s in enumerate(self._standings) if place != target)
        return not self._standings[target].tried and not others

    def _exempt_instant(self, now_s: float) -> float:
        """Somewhere in the middle of what is left: late enough to have waited, early enough to be answered."""
        left_s = 60.0 if self.deadline_s is None else self.deadline_s - now_s
        return now_s + left_s * self._rng.uniform(0.3, 0.6)

    def _ask_again_at(self, now_s: float) -> float:
        """When to look again whether others' successes have filled the budget."""
        again_s = now_s + max(0.05, self._backoff_s(self.counted))
        if self._exempt_used or self._exempt_at_s is None:
            return again_s
        return min(again_s, self._exempt_at_s)

    # What a failure means for its target.

    def _backoff_s(self, failures: int) -> float:
        settings = self._settings
        return full_jitter_s(failures, self._rng, base_s=settings.backoff_base_s, cap_s=settings.backoff_cap_s)

    def _lost_key(self, target: int, error: CallError, now_s: float) -> None:
        standing = self._standings[target]
        standing.key_refusals += 1
        none_left = self._targets[target].wait_s(now_s, self._call.estimate) == math.inf
        if none_left or not error.sent or standing.key_refusals >= _MOST_KEYS:
            standing.ended = error
        standing.not_before_s = now_s

    def _after_wait(self, target: int, error: CallError, now_s: float) -> None:
        standing = self._standings[target]
        standing.refusals += 1
        standing.not_before_s = now_s
        wait_s = self._targets[target].wait_s(now_s, self._call.estimate)
        if wait_s <= 0.0:
            # Another key may be free; a limit that goes on not to hold the call back is replaced by its own waits.
            if standing.refusals > 1:
                standing.not_before_s += self._backoff_s(standing.refusals - 1)
        elif self._is_too_late(now_s + min(wait_s, error.retry_after_s or 0.0)):
            standing.ended = error

    def _after_backoff(self, target: int, error: CallError, now_s: float) -> None:
        standing = self._standings[target]
        standing.failures += 1
        asked_s = error.retry_after_s or 0.0
        standing.not_before_s = now_s + max(asked_s, self._backoff_s(standing.failures))
        if self._is_too_late(now_s + asked_s):
            standing.ended = error

    def _after_once(self, target: int, error: CallError, now_s: float) -> None:
        standing = self._standings[target]
        if standing.once:
            standing.ended = error
        standing.once = True
        self._after_backoff(target, error, now_s)

    def _after_never(self, target: int, error: CallError, now_s: float) -> None:
        del now_s
        self._standings[target].ended = error

    def _is_too_late(self, at_s: float) -> bool:
        """The server itself said: not before the deadline. Nobody has to wait to learn that."""
        return self.admission_deadline_s is not None and at_s >= self.admission_deadline_s

    def _may_go_elsewhere(self, verdict: Verdict, error: CallError) -> bool:
        return verdict.other_target == "yes" or error.kind in self._settings.fallback_on

    # Endings.

    def _stop(self, last: CallError) -> GiveUp:
        if self._over is None:
            self._over = GiveUp(unanswered(self.attempts, last, requests_sent=self.requests_sent))
        return self._over

    def _late(self) -> GiveUp:
        """Refused at limits only, or never admitted: that is what the caller is told, else the deadline."""
        sent, last = self.attempts, self._last
        if (sent or self._waited) and all(attempt.error_kind == "rate_limited" for attempt in sent):
            name = last.target if last else self._targets[0].name
            last = last or CallError("rate_limited", "no room before the deadline", target=name, sent=False)
            message = f"{name}: no room at its limit before the deadline"
            self._over = GiveUp(unanswered(sent, last, message=message, requests_sent=self.requests_sent))
            return self._over
        tries = f"{self.requests_sent} attempt" + ("" if self.requests_sent == 1 else "s")
        where = f", the last one at {sent[-1].target}" if sent else ""
        after = f"; the last error was {last}" if last else ""
        message = f"the deadline passed after {tries}{where}{after}"
        self._over = GiveUp(DeadlineExceeded(message, sent, last, self.requests_sent))
        return self._over


_AFTER: dict[str, Callable[[Plan, int, CallError, float], None]] = {
    "wait": Plan._after_wait,
    "backoff": Plan._after_backoff,
    "once": Plan._after_once,
    "never": Plan._after_never,
}
