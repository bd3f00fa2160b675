"""What one call has been through at each of its targets, and so which one it may ask next, and when. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from penstock.errors import VERDICTS, CallError
from penstock.race.backoff import full_jitter_s
from penstock.race.latency import LatencyBook
from penstock.race.outage import ProbeTurns
from penstock.race.settings import RaceSettings
from penstock.race.target import Breaker

__all__ = ["EPSILON_S", "Readiness", "Standing", "Standings"]

EPSILON_S = 1e-6

_MOST_KEYS = 1000
"""Refused keys a call may go through at one target: more than any pool holds, less than for ever."""


_SILENT_S = 10.0
"""A target that was silent comes after others that are ready within so many seconds."""


class Readiness(Protocol):
    """What is asked of a target before it is asked: its name, its health, its pace, and its limit's wait now."""

    breaker: Breaker
    latency: LatencyBook

    @property
    def name(self) -> str: ...

    def wait_s(self, now_s: float, estimate: int) -> float: ...


class Standing:
    """What one call has been through at one target."""

    __slots__ = ("ended", "failures", "key_refusals", "not_before_s", "once", "refusals", "running", "silent", "tried")

    def __init__(self) -> None:
        self.ended: CallError | None = None
        """Why it isn't asked again."""
        self.not_before_s = -math.inf
        self.tried = False
        self.failures = 0
        self.refusals = 0
        self.key_refusals = 0
        self.once = False
        self.running = 0
        """Attempts that run there now."""
        self.silent = False
        """It let this call wait in vain: others come first."""


class Standings:
    """All targets of one call, the preferred one first."""

    __slots__ = ("_barred", "_continues", "_estimate", "_rng", "_settings", "_targets", "_turns", "of", "too_late_s")

    def __init__(
        self,
        targets: Sequence[Readiness],
        settings: RaceSettings,
        *,
        estimate: int,
        rng: random.Random,
        turns: ProbeTurns,
        too_late_s: float | None,
    ) -> None:
        self.of = [Standing() for _ in targets]
        self.too_late_s = too_late_s
        """An instant from which on nothing is of use."""
        self._targets = targets
        self._settings = settings
        self._estimate = estimate
        self._rng = rng
        self._turns = turns
        self._barred: set[int] = set()
        """Places that can't go on with the answer in the way that is tried now."""
        self._continues = False

    def bar(self, places: frozenset[int], *, continues: bool) -> None:
        """From now on only `places` are asked. With `continues` a refusal says nothing of the request itself: it is
        forgotten when others are named."""
        self._barred = set(range(len(self.of))) - places
        self._continues = continues

    def has_ended(self, place: int) -> bool:
        """It isn't asked again."""
        return self.of[place].ended is not None or place in self._barred

    def is_fresh(self, place: int) -> bool:
        """Nothing of the call runs or has failed there."""
        return not self.of[place].running and not self.of[place].failures

    def is_over(self) -> bool:
        """After a refusal for good: nobody is left who failed only for now. Of a way to go on it is the end at once,
        for there are others."""
        return self._continues or all(map(self.has_ended, range(len(self.of))))

    # What a failure means for its target.

    def failed(self, place: int, error: CallError, now_s: float) -> bool:
        """Take a failure in; True when the target won't be asked again."""
        verdict = VERDICTS[error.kind]
        standing = self.of[place]
        if verdict.key_is_bad:
            self._lost_key(place, error, now_s)
        else:
            _AFTER[verdict.same_target](self, place, error, now_s)
        if error.kind == "timeout":
            standing.silent = True
        return self.has_ended(place)

    def backoff_s(self, failures: int) -> float:
        settings = self._settings
        return full_jitter_s(failures, self._rng, base_s=settings.backoff_base_s, cap_s=settings.backoff_cap_s)

    def _lost_key(self, place: int, error: CallError, now_s: float) -> None:
        standing = self.of[place]
        standing.key_refusals += 1
        none_left = self._targets[place].wait_s(now_s, self._estimate) == math.inf
        if none_left or not error.sent or standing.key_refusals >= _MOST_KEYS:
            standing.ended = error
        standing.not_before_s = max(standing.not_before_s, now_s)

    def _after_wait(self, place: int, error: CallError, now_s: float) -> None:
        standing = self.of[place]
        standing.refusals += 1
        standing.not_before_s = max(standing.not_before_s, now_s)
        wait_s = self._targets[place].wait_s(now_s, self._estimate)
        if wait_s <= 0.0:
            # Another key may be free; a limit that goes on not to hold the call back is replaced by its own waits.
            if standing.refusals > 1:
                standing.not_before_s += self.backoff_s(standing.refusals - 1)
        elif self._is_too_late(now_s + min(wait_s, error.retry_after_s or 0.0)):
            standing.ended = error

    def _after_backoff(self, place: int, error: CallError, now_s: float) -> None:
        standing = self.of[place]
        standing.failures += 1
        asked_s = error.retry_after_s or 0.0
        # Another attempt may have been told to wait for longer.
        standing.not_before_s = max(standing.not_before_s, now_s + max(asked_s, self.backoff_s(standing.failures)))
        if self._is_too_late(now_s + asked_s):
            standing.ended = error

    def _after_once(self, place: int, error: CallError, now_s: float) -> None:
        standing = self.of[place]
        if standing.once:
            standing.ended = error
        standing.once = True
        self._after_backoff(place, error, now_s)

    def _after_never(self, place: int, error: CallError, now_s: float) -> None:
        del now_s
        self._end(place, error)

    def _end(self, place: int, error: CallError) -> None:
        if self._continues:
            self._barred.add(place)
        else:
            self.of[place].ended = error

    def _is_too_late(self, at_s: float) -> bool:
        """The server itself said: not before the deadline. Nobody has to wait to learn that."""
        return self.too_late_s is not None and at_s >= self.too_late_s

    def end_untried(self, error: CallError) -> None:
        """A request that was refused for good isn't brought before those that don't know it."""
        for place, standing in enumerate(self.of):
            if not standing.tried and standing.ended is None:
                self._end(place, error)

    # Which target, and when.

    def choose(self, now_s: float, *, tried: bool) -> tuple[int | None, float]:
        """The target to ask and the instant from which on it may be asked; admission may take longer.

        In order of preference the first one whose breaker and backoff let it be asked now and whose limit is free (or
        for an interactive call: nearly so), those that have failed after those that haven't; else whichever is ready
        first. One that was silent comes after all others
        that are ready soon. Where every breaker is open, the callers take turns to probe. None: no target is left.
        """
        patience_s = 0.0 if self._settings.patience == "batch" else self._settings.limit_patience_s
        best: tuple[bool, float, int, float] | None = None
        too_late_s = math.inf if self.too_late_s is None else self.too_late_s
        shut: tuple[bool, float, int] | None = None
        again: int | None = None
        for place, standing in enumerate(self.of):
            if self.has_ended(place):
                continue
            target = self._targets[place]
            if not target.breaker.is_closed and (shut_s := target.breaker.wait_s(now_s)) > 0.0:
                door = (target.breaker.is_open, shut_s, place)
                if shut is None or door < shut:
                    shut = door
                continue
            wait_s = target.wait_s(now_s, self._estimate) if len(self.of) > 1 else 0.0
            is_free = standing.not_before_s <= now_s + EPSILON_S and wait_s <= patience_s
            if is_free and not standing.silent:
                if standing.failures == 0:
                    return place, now_s
                again = place if again is None else again
                continue
            ready_s = now_s if is_free else max(standing.not_before_s, now_s + wait_s)
            rank = (ready_s >= too_late_s, ready_s + (_SILENT_S if standing.silent else 0.0))
            if best is None or rank < best[:2]:
                best = (*rank, place, now_s if is_free else standing.not_before_s)
        if again is not None:
            return again, now_s
        if best is not None:
            return best[2], best[3]
        if shut is None:
            return None, now_s
        if not shut[0]:
            # It is coming back, and every place there is taken.
            return shut[2], now_s + shut[1]
        turn_s = self._turns.ask_s(now_s, tried=tried)
        return shut[2], now_s + turn_s

    def another(self, now_s: float, *, besides: int | None = None) -> int | None:
        """The target for one more attempt beside those that run: one that is free at once; None when there is none.

        Never `besides`. Those without a running attempt come first, those that were silent last; among the
        others those that haven't failed yet, or less often.
        """
        best, best_rank = None, (math.inf, True, 0)
        for place, standing in enumerate(self.of):
            if place == besides or self.has_ended(place) or standing.not_before_s > now_s + EPSILON_S:
                continue
            rank = (standing.running, standing.silent, standing.failures)
            if rank < best_rank and self.is_free(place, now_s):
                best, best_rank = place, rank
        return best

    def is_free(self, place: int, now_s: float) -> bool:
        """Neither breaker nor limit would let the call wait."""
        target = self._targets[place]
        if not target.breaker.is_closed and target.breaker.wait_s(now_s) > 0.0:
            return False
        return target.wait_s(now_s, self._estimate) <= 0.0

    def returning(self, now_s: float) -> int | None:
        """A target that comes back from an outage and has a place for one attempt now."""
        for place, standing in enumerate(self.of):
            if not self.has_ended(place) and standing.not_before_s <= now_s + EPSILON_S:
                breaker = self._targets[place].breaker
                if not breaker.is_closed and self.is_free(place, now_s):
                    return place
        return None

    def is_only_chance(self, place: int) -> bool:
        """The first try at the only target that is left, whose breaker is closed."""
        if self.of[place].tried or not self._targets[place].breaker.is_closed:
            return False
        return all(standing.ended is not None for other, standing in enumerate(self.of) if other != place)


_AFTER: dict[str, Callable[[Standings, int, CallError, float], None]] = {
    "wait": Standings._after_wait,
    "backoff": Standings._after_backoff,
    "once": Standings._after_once,
    "never": Standings._after_never,
}
