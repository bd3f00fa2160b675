"""Carries a plan's moves out. The first attempt is awaited inline, in the caller's own task."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Sequence
from functools import partial
from typing import Any

from penstock.call import Attempt, Call, Completion, Reply
from penstock.clock import Clock
from penstock.errors import CallError, Unanswered, unanswered
from penstock.handler import Handler, OpenStream, primed
from penstock.race.alarm import Alarm, Wheel
from penstock.race.budgets import RetryBudget
from penstock.race.plan import GiveUp, Plan, Start, WaitUntil, deadline_of
from penstock.race.settings import RaceSettings
from penstock.race.stats import RaceStats, TargetStats
from penstock.race.target import Permit, Target
from penstock.race.telling import Observer, Teller

__all__ = ["race"]


def race(
    targets: Sequence[Target],
    settings: RaceSettings,
    *,
    clock: Clock,
    rng: random.Random | None = None,
    budget: RetryBudget | None = None,
    stats: RaceStats | None = None,
    observe: Observer | None = None,
) -> Handler:
    """A handler that answers from `targets`, the first one preferred, or raises `Unanswered` with every attempt.

    A stream is returned once its first event has come; after that a break raises `Unanswered` whose `last` carries
    what had arrived in `partial`. `budget` and `stats` may be shared between races of one route.
    """
    return _Race(
        tuple(targets),
        settings,
        clock=clock,
        rng=rng or random.Random(),
        budget=budget or RetryBudget(),
        stats=stats or RaceStats(),
        observe=observe,
    ).answer


class _DeadlinePassed(Exception):
    """The alarm rang during an await of the race."""


class _Race:
    __slots__ = ("_budget", "_clock", "_counts", "_now", "_rng", "_settings", "_stats", "_targets", "_tell", "_wheel")

    def __init__(
        self,
        targets: tuple[Target, ...],
        settings: RaceSettings,
        *,
        clock: Clock,
        rng: random.Random,
        budget: RetryBudget,
        stats: RaceStats,
        observe: Observer | None,
    ) -> None:
        if not targets:
            raise ValueError("a race needs at least one target")
        self._targets = targets
        self._counts: tuple[TargetStats, ...] = tuple(stats.target(target.name) for target in targets)
        self._settings = settings
        self._clock = clock
        self._now = clock.now
        self._wheel = Wheel(clock)
        self._rng = rng
        self._budget = budget
        self._stats = stats
        self._tell = Teller(observe)

    async def answer(self, call: Call) -> Reply:
        """The handler. The plan exists only when the first attempt didn't simply succeed."""
        began_s = self._now()
        target = self._targets[0]
        deadline_s = deadline_of(call, self._settings, began_s)
        if deadline_s is not None and deadline_s <= began_s:
            return await self._persist(call, self._plan(call, began_s), None)
        try:
            permit = target.try_admit(call, began_s)
        except CallError as error:
            plan = self._plan(call, began_s)
            plan.failed(0, error, began_s)
            return await self._persist(call, plan, None)
        if permit is None:
            return await self._persist(call, self._plan(call, began_s), None)
        own_s = self._settings.deadline_after_send_s
        if own_s is not None and self._settings.patience == "batch":
            deadline_s = began_s + own_s if deadline_s is None else min(began_s + own_s, deadline_s)
        alarm = None if deadline_s is None else Alarm(self._wheel)
        attempt = Attempt(id=call.id + "-1", target=target.name)
        try:
            reply = await self._send(call, 0, permit, attempt, alarm, deadline_s)
        except (CallError, _DeadlinePassed) as error:
            plan = self._plan(call, began_s)
            plan.started(attempt, 0, began_s)
            self._ended(call, plan, attempt, 0, error)
            return await self._persist(call, plan, alarm)
        return self._finish(call, reply, attempt, 0, (attempt,), 1, began_s)

    async def _persist(self, call: Call, plan: Plan, alarm: Alarm | None) -> Reply:
        """Everything after a first attempt that didn't answer, or a first wait."""
        while True:
            now_s = self._now()
            move = plan.next(now_s)
            if type(move) is WaitUntil:
                await self._pause(call, move.at_s)
            elif type(move) is Start:
                if alarm is None:
                    alarm = Alarm(self._wheel)
                reply = await self._start(call, plan, move, alarm)
                if reply is not None:
                    return reply
            else:
                assert type(move) is GiveUp, "an answer is returned where it comes"
                self._stats.gave_up += 1
                self._tell.gave_up(call, move.error)
                raise move.error

    async def _start(self, call: Call, plan: Plan, move: Start, alarm: Alarm) -> Reply | None:
        place = move.target
        try:
            permit = await self._admit(call, plan, place, alarm)
        except CallError as error:
            plan.failed(place, error, self._now())
            return None
        if permit is None:
            return None
        now_s = self._now()
        first_s = now_s if plan.first_send_s is None else plan.first_send_s
        number = plan.requests_sent + 1
        attempt = Attempt(id=f"{call.id}-{number}", target=self._targets[place].name, started_s=now_s - first_s)
        plan.started(attempt, place, now_s)
        if move.retry:
            self._stats.retries += 1
        try:
            reply = await self._send(call, place, permit, attempt, alarm, plan.deadline_s)
        except (CallError, _DeadlinePassed) as error:
            self._ended(call, plan, attempt, place, error)
            return None
        return self._finish(call, reply, attempt, place, tuple(plan.attempts), number, first_s)

    async def _admit(self, call: Call, plan: Plan, place: int, alarm: Alarm) -> Permit | None:
        """A permit; None when the deadline passed first."""
        target = self._targets[place]
        began_s = self._now()
        permit: Permit | None = target.try_admit(call, began_s)
        if permit is not None:
            return permit
        self._tell.waiting(call, target.name, math.inf)
        self._stats.waiting += 1
        try:
            # A limit that hands a permit over as the alarm rings gives it to the next in line itself.
            return await self._until(target.admit(call), alarm, plan.admission_deadline_s)  # type: ignore[no-any-return]
        except _DeadlinePassed:
            return None
        finally:
            self._stats.waiting -= 1
            plan.waited(self._now() - began_s)

    async def _send(
        self, call: Call, place: int, permit: Permit, attempt: Attempt, alarm: Alarm | None, deadline_s: float | None
    ) -> Reply:
        """One attempt, whose permit is settled in every case: now, or for a stream when it is over.

        Raises `CallError` or `_DeadlinePassed`.
        """
        target = self._targets[place]
        self._counts[place].started += 1
        if self._tell.listens():
            self._tell.attempt_started(call, attempt)
        try:
            if alarm is None or deadline_s is None:
                reply = await target.send(call, permit)
                if not isinstance(reply, Completion):
                    reply = await primed(reply)
            else:
                reply = await self._until(_opened(target, call, permit), alarm, deadline_s)
        except CallError as error:
            if not error.target:
                error.target = target.name
            permit.refused(error, self._now())
            raise
        except BaseException:
            permit.release()
            raise
        if isinstance(reply, Completion):
            permit.settle(reply.usage)
        else:
            assert isinstance(reply, OpenStream)
            reply.on_close(partial(_settle_stream, reply, permit))
        return reply

    async def _until(self, awaitable: Any, alarm: Alarm, deadline_s: float | None) -> Any:
        if deadline_s is None:
            return await awaitable
        alarm.set(deadline_s)
        try:
            result = await awaitable
        except asyncio.CancelledError:
            alarm.clear()
            if alarm.was_mine():
                raise _DeadlinePassed from None
            raise
        except BaseException:
            alarm.clear()
            raise
        alarm.clear()
        return result

    # Endings.

    def _finish(
        self,
        call: Call,
        reply: Reply,
        attempt: Attempt,
        place: int,
        attempts: tuple[Attempt, ...],
        number: int,
        first_s: float,
    ) -> Reply:
        if not isinstance(reply, Completion):
            assert isinstance(reply, OpenStream)
            reply.target = attempt.target
            reply.attempts = attempts
            reply.explain = partial(self._broke, call, attempt, place, attempts, number)
            reply.on_close(partial(self._stream_over, call, reply, attempt, place, first_s))
            return reply
        now_s = self._now()
        reply.target = attempt.target
        reply.attempts = attempts
        reply.requests_sent = number
        reply.latency_s = attempt.ended_s = now_s - first_s
        attempt.outcome = "answered"
        attempt.status = 200
        attempt.usage = reply.usage
        attempt.request_id = reply.request_id
        self._counts[place].tokens.add(reply.usage)
        self._count_answer(call, attempt, place, now_s)
        return reply

    def _count_answer(self, call: Call, attempt: Attempt, place: int, now_s: float) -> None:
        counts = self._counts[place]
        counts.answered += 1
        counts.last_answer_s = now_s
        self._stats.answered += 1
        self._budget.deposit()
        if self._tell.listens():
            self._tell.answered(call, attempt)

    def _ended(self, call: Call, plan: Plan, attempt: Attempt, place: int, error: CallError | _DeadlinePassed) -> None:
        """A unary attempt, or a stream before its first event, came to nothing."""
        now_s = self._now()
        assert plan.first_send_s is not None
        attempt.ended_s = now_s - plan.first_send_s
        if isinstance(error, _DeadlinePassed):
            attempt.outcome = "cancelled"
            attempt.error = "the deadline passed"
            return
        self._note_failure(call, attempt, place, error)
        plan.failed(place, error, now_s)

    def _note_failure(self, call: Call, attempt: Attempt, place: int, error: CallError) -> None:
        attempt.outcome = "failed"
        attempt.status = error.status
        attempt.error_kind = error.kind
        attempt.error = str(error)
        attempt.request_id = error.request_id
        self._counts[place].failed(error)
        if error.kind == "rate_limited":
            self._stats.refusals += 1
        self._tell.attempt_failed(call, attempt, error)

    def _stream_over(self, call: Call, stream: OpenStream, attempt: Attempt, place: int, first_s: float) -> None:
        now_s = self._now()
        attempt.ended_s = now_s - first_s
        attempt.usage = stream.usage
        self._counts[place].tokens.add(stream.usage)
        attempt.outcome = "answered" if stream.complete else "cancelled"
        if stream.complete:
            self._count_answer(call, attempt, place, now_s)

    def _broke(
        self, call: Call, attempt: Attempt, place: int, attempts: tuple[Attempt, ...], number: int, error: CallError
    ) -> Unanswered:
        """A stream broke after the caller had some of it."""
        error.target = error.target or attempt.target
        self._note_failure(call, attempt, place, error)
        self._stats.gave_up += 1
        unfinished = unanswered(attempts, error, requests_sent=number)
        self._tell.gave_up(call, unfinished)
        return unfinished

    def _plan(self, call: Call, began_s: float) -> Plan:
        return Plan(call, self._targets, settings=self._settings, budget=self._budget, rng=self._rng, began_s=began_s)

    async def _pause(self, call: Call, at_s: float) -> None:
        self._tell.waiting(call, None, at_s)
        self._stats.waiting += 1
        try:
            await self._clock.sleep(at_s - self._now())
        finally:
            self._stats.waiting -= 1


def _settle_stream(stream: OpenStream, permit: Permit) -> None:
    permit.settle(stream.usage)


async def _opened(target: Target, call: Call, permit: Permit) -> Reply:
    reply = await target.send(call, permit)
    return reply if isinstance(reply, Completion) else await primed(reply)
