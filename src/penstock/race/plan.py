"""One request's decisions: which target, when again, what beside what, when to stop. Pure: time and chance are given.

Events go in (`started`, `waited`, `failed`, `cancelled`, `answered`), `next` tells the move to make now. The driver
makes the moves; property tests and simulations do too, with the same object.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from penstock.call import Attempt, Call
from penstock.errors import VERDICTS, CallError, DeadlineExceeded, Verdict, unanswered
from penstock.race.budgets import Exemption, SilenceBudget
from penstock.race.hedging import HedgeBudget
from penstock.race.latency import size_class
from penstock.race.moves import Cancel, Finish, GiveUp, Move, Start, WaitUntil, counts, deadline_of, endings, sent_for_s
from penstock.race.route import Route
from penstock.race.settings import RaceSettings
from penstock.race.standing import EPSILON_S, Readiness, Standings
from penstock.race.triggers import COLD_LOOK_S, Triggers, Try, unfinished_error

__all__ = ["ATTEMPTS_KEPT", "Plan"]

ATTEMPTS_KEPT = 64
"""Of a request's attempts the first half and the last half of this many are kept; all are counted."""


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
        route: Route,
        rng: random.Random,
        began_s: float,
    ) -> None:
        self.attempts: list[Attempt] = []
        self.requests_sent = 0
        self.counted = 0
        """Attempts that ended and that `max_attempts` counts."""
        self._most = math.inf if settings.max_attempts is None else settings.max_attempts - call.attempts_before
        self.running: list[Try] = []
        self.first_send_s: float | None = None
        self.admission_deadline_s = deadline_of(call, settings, began_s)
        """The bound of a wait at a limit: a deadline that counts from the first send doesn't count there."""
        self.deadline_s = self.admission_deadline_s
        self._until = call.until
        self._batch = settings.patience == "batch"
        self._targets = targets
        self._settings = settings
        self._budget = route.budget
        self._silences, self._lates = route.silences, route.lates
        self._turns, self._hedges = route.turns, route.hedges
        self._standings = Standings(
            targets,
            settings,
            estimate=call.estimate,
            rng=rng,
            turns=route.turns,
            too_late_s=self.admission_deadline_s,
        )
        kind = size_class(call.estimate)
        self._triggers = Triggers(settings, [target.latency.of(kind) for target in targets], route.hedges)
        self._last: CallError | None = None
        self._refused: CallError | None = None
        """The error that stops the call when nothing runs any more, and no target that failed for now is left."""
        self._answer: Attempt | None = None
        self._over: GiveUp | None = None
        self._exemption = Exemption(rng)
        # The next attempt that counts is paid for; a refusal at a limit uses nothing up.
        self._paid = False
        self._waited = False
        self.line = ""
        """What its last wait to be admitted was for, when the deadline ended it there and it was no limit."""
        self._hedged = self._was_silent = False
        # 0: not yet, 1: it runs or is the answer, 2: it failed, and who hasn't failed yet may be asked instead.
        self._late_used = 0
        self._begin_deadline: float | None = sent_for_s(call, settings) if self._batch else None
        # What the last move beside a running attempt has taken.
        self._spent: tuple[HedgeBudget | SilenceBudget, ...] = ()
        self.resumes = False
        """It goes on with an answer whose stream broke."""

    @property
    def has_answer(self) -> bool:
        return self._answer is not None

    @property
    def is_over(self) -> bool:
        """Finished or given up."""
        return self._answer is not None or self._over is not None

    # Events.

    def started(
        self,
        attempt: Attempt,
        target: int,
        now_s: float,
        *,
        streams: bool = False,
        ticket: int = 0,
        run: Try | None = None,
    ) -> Try:
        """A request is being sent. `streams`: its first token will be told; `ticket` is the breaker's."""
        if self.first_send_s is None:
            self.first_send_s = now_s
            if self._begin_deadline is not None:
                own_s = now_s + self._begin_deadline
                self.deadline_s = own_s if self.deadline_s is None else min(own_s, self.deadline_s)
        standing = self._standings.of[target]
        standing.tried = True
        standing.running += 1
        self.requests_sent += 1
        if len(self.attempts) >= ATTEMPTS_KEPT:
            del self.attempts[ATTEMPTS_KEPT // 2]
        self.attempts.append(attempt)
        run = run or Try(attempt, target, now_s, streams=streams, ticket=ticket)
        self.running.append(run)
        return run

    def waited(self, seconds: float) -> None:
        """The call stood in a limit's line for so long: no time of its own deadline, when that counts from a send."""
        self._waited = True
        if self._begin_deadline is None or self.first_send_s is None or self.deadline_s is None:
            return
        hard_s = self.admission_deadline_s
        self.deadline_s = min(self.deadline_s + seconds, math.inf if hard_s is None else hard_s)

    def failed(self, target: int, error: CallError, now_s: float, run: Try | None = None) -> None:
        """An attempt failed, or (`error.sent` False, no attempt) admission was refused for good.

        The permit must have been settled before: what a refusal means is read from the target's wait.
        """
        if run is not None:
            self._left(run)
            self._late_used = 2 if run.attempt.reason == "late" else self._late_used
        verdict = VERDICTS[error.kind]
        self._last = error
        ended = self._standings.failed(target, error, now_s)
        if counts(verdict) and not (ended and run is None):
            self.counted += 1
            self._paid = False
        if ended and self._refused is None and not self._may_go_elsewhere(verdict, error):
            # What runs beside it is paid for, and may answer all the same.
            self._refused = error
            self._standings.end_untried(error)

    def cancelled(self, run: Try) -> None:
        """An attempt ended before it came to anything, and that says nothing."""
        self._left(run)
        self.counted += 1

    def unsent(self, move: Start) -> None:
        """Its limit let nobody in after all: what an attempt beside those that run has taken is given back."""
        for budget in self._spent:
            budget.give_back()
        self._spent = ()
        if move.reason == "hedge":
            self._hedged = False
        elif move.reason == "late":
            self._late_used = 0

    def answered(self, attempt: Attempt, run: Try | None = None) -> None:
        if run is not None:
            self._left(run)
        self._answer = attempt

    def _left(self, run: Try) -> None:
        self.running.remove(run)
        self._standings.of[run.place].running -= 1

    # A stream that breaks in its caller's hands: one plan sees a call through to its end, and forgets nothing.

    def broke(self, run: Try, error: CallError | None, now_s: float) -> None:
        """The stream that was the answer came to nothing. None: nothing failed, but it couldn't be joined."""
        standing = self._standings.of[run.place]
        if error is None:
            standing.failures += 1
        else:
            self._standings.failed(run.place, error, now_s)
        if error is None or counts(error.verdict):
            self.counted += 1
        self.counted = max(1, self.counted)
        if standing.failures <= 1:
            # It was about to answer: at once, but the others come first.
            standing.not_before_s = now_s
        standing.silent = True

    def go_on(self, error: CallError, *, places: frozenset[int], continues: bool) -> None:
        """Another stream is wanted after `error`, of one of `places`, to continue the answer or (else) to repeat it."""
        self.resumes = True
        self._last = error
        self._answer = self._over = self._refused = None
        self._paid = False
        self._standings.bar(places, continues=continues)

    # Moves.

    def next(self, now_s: float) -> Move:
        """The move to make now. After `Finish` or `GiveUp` it stays that move."""
        if self._answer is not None:
            return Finish(self._answer)
        if self._over is not None:
            return self._over
        if self._until is not None:
            self.deadline_s = self._until.latest(self.deadline_s)
            self.admission_deadline_s = self._standings.too_late_s = self._until.latest(self.admission_deadline_s)
        if self.deadline_s is not None and now_s >= self.deadline_s - EPSILON_S:
            return self._late()
        if self.running:
            return self._beside(now_s)
        if self._refused is not None and self._standings.is_over():
            return self._stop(self._refused)
        if self.counted >= self._most and self._last is not None:
            return self._stop(self._last)
        target, ready_s = self._standings.choose(now_s, tried=self.requests_sent > 0)
        if target is None:
            assert self._last is not None, "a race has at least one target"
            return self._stop(self._last)
        if ready_s > now_s + EPSILON_S:
            return self._wait(ready_s)
        return self._start(target, now_s)

    def _start(self, target: int, now_s: float) -> Move:
        if self.counted == 0:
            return Start(target, retry=False)
        if not self._is_paid(target):
            # A target that comes back has few places, and needs no second guard.
            place = self._standings.returning(now_s)
            if place is not None:
                target = place
            elif not self._exemption.take(now_s, self.deadline_s):
                return self._wait(self._ask_again_at(now_s))
        self._paid = True
        if self.resumes:
            return Start(target, retry=True, reason="resume")
        return Start(target, retry=True, reason="retry" if self._standings.of[target].tried else "fallback")

    def within(self, until_s: float) -> float:
        """That instant, or the deadline where it comes sooner."""
        return until_s if self.deadline_s is None else min(until_s, self.deadline_s)

    def _wait(self, until_s: float) -> Move:
        return WaitUntil(self.within(until_s))

    # Beside what runs.

    def _beside(self, now_s: float) -> Move:
        """An attempt that fails at a bound; else one more beside those that run, when it is time; else a wait."""
        until_s = math.inf
        self._spent = ()
        for run in self.running:
            at_s, why = self._triggers.fails_at(run, now_s)
            if now_s >= at_s:
                return Cancel(run, CallError("timeout", why, target=run.attempt.target, partial=run.partial))
            if run.streams and run.first_token_s is None:
                # Nobody tells of the first token, and another bound counts from it.
                at_s = min(at_s, now_s + 4 * COLD_LOOK_S)
            until_s = min(until_s, at_s)
        if self.counted + len(self.running) >= self._most:
            return self._wait(until_s)
        for trigger in (self._hedge, self._silence, self._lateness):
            move = trigger(now_s)
            if type(move) is Start:
                return move
            assert type(move) is WaitUntil
            until_s = min(until_s, move.at_s)
        return self._wait(until_s)

    def _hedge(self, now_s: float) -> Move:
        """Once a call, and within the budget: an empty one means no hedge, not a later one."""
        settings = self._settings
        if self._hedged or settings.hedge == "off" or len(self.running) != 1 or self.running[0].tokens:
            return WaitUntil(math.inf)
        run = self.running[0]
        place = self._standings.another(now_s, besides=run.place)
        if place is None:
            return WaitUntil(now_s + COLD_LOOK_S)
        at_s, look_s = self._triggers.hedge_at_s(run, place, now_s)
        if now_s < at_s:
            return WaitUntil(min(at_s, look_s))
        self._hedged = True
        if settings.hedge == "auto":
            if not self._hedges.budget.withdraw():
                return WaitUntil(math.inf)
            self._spent = (self._hedges.budget,)
        return Start(place, retry=False, reason="hedge")

    def _silence(self, now_s: float) -> Move:
        """When all that run are silent, the next one is asked, and the old ones may still answer."""
        alone = len(self._targets) == 1
        at_s = -math.inf
        for run in self.running:
            again = self._was_silent or len(self.running) > 1
            quiet_s = self._triggers.quiet_at_s(run, now_s, again=again, alone=alone, deadline_s=self.deadline_s)
            if now_s >= quiet_s and not run.said_silent:
                run.said_silent = True
                self._standings.of[run.place].silent = True
                self._targets[run.place].breaker.silent(run.ticket, run.started_s, now_s)
            at_s = max(at_s, quiet_s)
        if now_s < at_s:
            cold = self.running[-1].streams and self.running[-1].first_token_s is None
            return WaitUntil(min(at_s, now_s + 4 * COLD_LOOK_S) if cold else at_s)
        place = self._standings.another(now_s)
        if place is not None and self._standings.of[place].running:
            # It may be slow and not dead: asked again and again it would be slower still.
            again_s = self._triggers.again_at_s(self.running, self.deadline_s)
            if now_s < again_s:
                return WaitUntil(min(again_s, now_s + COLD_LOOK_S))
        if place is None or not self._has_reserve(place, now_s):
            return WaitUntil(now_s + COLD_LOOK_S)
        self._was_silent = True
        # Never refused for want of it, but paid from there: hedges give way to what silence makes necessary.
        if self._settings.hedge == "auto" and self._hedges.budget.withdraw():
            self._spent = (*self._spent, self._hedges.budget)
        return Start(place, retry=False, reason="silent")

    def _lateness(self, now_s: float) -> Move:
        """Once a call, unless it fails: the last moment at which another attempt can still make it."""
        if self._late_used == 1 or self.deadline_s is None:
            return WaitUntil(math.inf)
        place = self._standings.another(now_s)
        if place is None or (self._late_used and not self._standings.is_fresh(place)):
            return WaitUntil(now_s + COLD_LOOK_S)
        at_s = self._triggers.late_at_s(self.running, place, self.deadline_s, now_s)
        if now_s < at_s:
            return WaitUntil(min(at_s, now_s + 4 * COLD_LOOK_S))
        if not self._lates.withdraw():
            return WaitUntil(now_s + COLD_LOOK_S)
        self._late_used = 1
        self._spent = (self._lates,)
        return Start(place, retry=False, reason="late")

    # The budget.

    def _is_paid(self, target: int) -> bool:
        """Nothing has to be paid in a batch, for a probe or a place at a target that comes back, or a last chance."""
        if self._batch or self._paid or not self._targets[target].breaker.is_closed:
            return True
        return self._standings.is_only_chance(target) or self._budget.withdraw()

    def _has_reserve(self, place: int, now_s: float) -> bool:
        """While all hang nothing fills the budget, and who waits must notice that it is over: then they take turns."""
        if not self._targets[place].breaker.is_closed:
            return True
        if self._silences.withdraw():
            self._spent = (self._silences,)
            return True
        return self._turns.ask_s(now_s, tried=True) <= 0.0

    def _ask_again_at(self, now_s: float) -> float:
        """When to look again whether others' successes have filled the budget."""
        return min(now_s + max(0.05, self._standings.backoff_s(self.counted)), self._exemption.next_s(now_s))

    # Endings.

    def _may_go_elsewhere(self, verdict: Verdict, error: CallError) -> bool:
        return verdict.other_target == "yes" or error.kind in self._settings.fallback_on

    def _stop(self, last: CallError) -> GiveUp:
        if self._over is None:
            message = str(last) + self._elsewhere(last)
            self._over = GiveUp(unanswered(self.attempts, last, message=message, requests_sent=self.requests_sent))
        return self._over

    def _late(self) -> GiveUp:
        """Refused at limits only, or never admitted: that is what the caller is told, else the deadline."""
        sent, last = self.attempts, self._last
        if not self.line and (sent or self._waited) and all(attempt.error_kind == "rate_limited" for attempt in sent):
            name = last.target if last else self._targets[0].name
            last = last or CallError("rate_limited", "no room before the deadline", target=name, sent=False)
            message = f"{name}: no room at its limit before the deadline"
            self._over = GiveUp(unanswered(sent, last, message=message, requests_sent=self.requests_sent))
            return self._over
        tries = f"{self.requests_sent} attempt" + ("" if self.requests_sent == 1 else "s")
        where = f", the last one at {sent[-1].target}" if sent else ""
        where += f", waiting for {self.line}" if self.line else ""
        also = self._elsewhere(last) if last else ""
        after = f"; the last error{'s were' if also else ' was'} {last}{also}" if last else ""
        unfinished = unfinished_error(self.running) if self.running else last
        message = f"the deadline passed after {tries}{where}{after}{f'; {unfinished}' if self.running else ''}"
        self._over = GiveUp(DeadlineExceeded(message, sent, unfinished, self.requests_sent))
        return self._over

    def _elsewhere(self, last: CallError) -> str:
        """What to say besides the last error: a refusal for good, and how each other target ended."""
        refused = self._refused
        before = "" if refused is None or refused is last else f"; before that {refused}"
        return before + endings(self.attempts, besides=(last, refused))
