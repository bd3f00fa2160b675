"""The race: a handler over several targets. What is plain is done here; the rest is a contest."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Sequence

import msgspec

from penstock.call import Attempt, Call, Completion, Reply, cost_of
from penstock.clock import Clock
from penstock.errors import CallError
from penstock.handler import Handler, OpenStream
from penstock.race.alarm import Wheel
from penstock.race.books import Books
from penstock.race.contest import Contest
from penstock.race.inside import settle
from penstock.race.moves import Start, deadline_of, send_deadline_of
from penstock.race.onward import Onward
from penstock.race.plan import Plan
from penstock.race.route import Route
from penstock.race.settings import RaceSettings
from penstock.race.stats import RaceStats
from penstock.race.target import Permit, Target
from penstock.race.telling import Observer, Teller
from penstock.race.triggers import COLD_LOOK_S, Triggers, Try

__all__ = ["Racing", "race"]


def race(
    targets: Sequence[Target],
    settings: RaceSettings,
    *,
    clock: Clock,
    rng: random.Random | None = None,
    route: Route | None = None,
    stats: RaceStats | None = None,
    observe: Observer | None = None,
) -> Handler:
    """A handler that answers from `targets`, the first one preferred, or raises `Unanswered` with every attempt.

    A stream is returned once its first event has come; after that a break that can't be mended raises `Unanswered`
    whose `last` carries what had arrived in `partial`. `route` and `stats` may be shared between races of one route.
    """
    chance = rng or random.Random()
    racing = Racing(
        tuple(targets),
        settings,
        clock=clock,
        rng=chance,
        route=route or Route(),
        stats=stats or RaceStats(),
        observe=observe,
    )
    return racing.answer if racing.is_plain else racing.answer_watched


class Racing:
    """One race's parts, shared by all its calls."""

    __slots__ = (
        "_auto",
        "_first",
        "_hedges",
        "_is_unbound",
        "_rng",
        "_streams_inside",
        "books",
        "clock",
        "first_look_s",
        "is_plain",
        "now",
        "route",
        "settings",
        "targets",
        "wheel",
    )

    def __init__(
        self,
        targets: tuple[Target, ...],
        settings: RaceSettings,
        *,
        clock: Clock,
        rng: random.Random,
        route: Route,
        stats: RaceStats,
        observe: Observer | None,
    ) -> None:
        if not targets:
            raise ValueError("a race needs at least one target")
        self.targets = targets
        self.clock = clock
        self.now = clock.now
        self.wheel = Wheel(clock)
        self.route = route
        self.books = Books(targets, route, stats, Teller(observe))
        self.settings = settings
        self._rng = rng
        self._hedges = settings.hedge != "off"
        # No deadline but a call's own.
        self._is_unbound = settings.patience != "interactive" or settings.deadline_after_s is None
        self._auto = self._hedges or len(targets) > 1
        self._first = targets[0]
        # Whether streams are asked for inside: `auto` where the call itself has a deadline.
        bound = not self._is_unbound or settings.deadline_after_send_s is not None
        is_auto = settings.stream_inside == "auto"
        self._streams_inside = "on" if is_auto and (self._auto or bound) else settings.stream_inside
        self.is_plain = (
            self._is_unbound
            and not self._auto
            and settings.deadline_after_send_s is None
            and settings.stream_inside != "on"
        )
        """But for what a call itself says, nothing bounds the first attempt, nor shall anything be seen of it."""
        hedge = settings.hedge
        look_s = 4 * COLD_LOOK_S
        # How soon a new attempt may be late: the plan itself decides then.
        look_s = look_s if hedge == "off" else 0.0 if hedge == "auto" else min(hedge, look_s)
        self.first_look_s = min([look_s, *filter(None, (settings.first_token_s, settings.between_tokens_s))])

    def answer(self, call: Call) -> Awaitable[Reply]:
        """The handler. A contest exists only when something may be late or went wrong, a plan when it did."""
        if self.is_plain and call.deadline_s is None and not call.stream:
            return self._plainly(call)
        return self.answer_watched(call)

    async def answer_watched(self, call: Call) -> Reply:
        """A call that may be late."""
        began_s = self.now()
        target = self._first
        settings, deadline_s = self.settings, call.deadline_s
        if deadline_s is None and not self._is_unbound:
            deadline_s = deadline_of(call, settings, began_s)
        if not target.breaker.is_closed or (deadline_s is not None and deadline_s <= began_s):
            return await self._contest(call, began_s)
        try:
            permit = target.try_admit(call, began_s)
        except CallError as error:
            return await self._refused(call, error, began_s)
        if permit is None:
            return await self._contest(call, began_s)
        if settings.deadline_after_send_s is not None:
            deadline_s = send_deadline_of(call, settings, began_s, began_s)
        if self._hedges:
            self.count_first()
        look_s = began_s + self.first_look_s
        if deadline_s is not None and deadline_s < look_s:
            look_s = deadline_s
        self.route.waiting += 1
        contest = Contest(self, call, began_s)
        try:
            books, streams = self.books, contest.streams
            latency, latency_ticket = target.latency.started(call.estimate, began_s, streams=streams)
            contest.first = run = Try(
                self._told(call) if books.tell.listens() else None,
                0,
                began_s,
                streams,
                books.sent(0, began_s),
                latency,
                latency_ticket,
                target.breaker,
                call.id,
                target.name,
            )
            reply = await contest.attend(run, permit, look_s)
            return await contest.persist() if reply is None else reply
        finally:
            self.route.waiting -= 1
            if contest.sides is not None:
                contest.sides.close()

    async def _plainly(self, call: Call) -> Reply:
        """A call in one piece that nothing can be late for."""
        began_s = self.now()
        target, books = self._first, self.books
        if not target.breaker.is_closed:
            return await self._contest(call, began_s)
        try:
            permit = target.try_admit(call, began_s)
        except CallError as error:
            return await self._refused(call, error, began_s)
        if permit is None:
            return await self._contest(call, began_s)
        # What waits with a call is out of the processor's caches when its answer is here: little does.
        attempt = self._told(call) if books.tell.listens() else None
        ticket = books.sent(0, began_s)
        try:
            reply = await target.send(call, permit)
        except CallError as error:
            if not error.target:
                error.target = target.name
            now_s = self.now()
            permit.refused(error, now_s)
            plan = self.plan(call, began_s)
            run = plan.started(attempt or self._first_attempt(call), 0, began_s, ticket=ticket)
            books.failed(call, run, error, now_s, began_s)
            plan.failed(0, error, now_s, run)
            return await self._contest(call, began_s, plan)
        except BaseException as error:
            permit.release()
            why = "cancelled by the caller" if isinstance(error, asyncio.CancelledError) else None
            run = Try(attempt or self._first_attempt(call), 0, began_s, streams=False, ticket=ticket)
            books.lost(call, run, self.now(), began_s, why=why)
            raise
        assert isinstance(reply, Completion), "a call in one piece is answered in one piece"
        permit.settle(reply.usage)
        if attempt is None:
            return books.won_plainly(call, reply, ticket, began_s, self.now())
        run = Try(attempt, 0, began_s, streams=False, ticket=ticket)
        return self.finish(call, run, reply, None, began_s=began_s, first_s=began_s)

    def _first_attempt(self, call: Call) -> Attempt:
        return Attempt(id=call.id + "-1", target=self._first.name)

    def _told(self, call: Call) -> Attempt:
        attempt = self._first_attempt(call)
        self.books.tell.attempt_started(call, attempt)
        return attempt

    async def _refused(self, call: Call, error: CallError, began_s: float) -> Reply:
        """The first target let it in neither now nor later."""
        plan = self.plan(call, began_s)
        plan.failed(0, error, began_s)
        return await self._contest(call, began_s, plan)

    def count_first(self) -> None:
        """A call is sent for the first time: that is what hedges are a share of."""
        if self.settings.hedge == "auto":
            self.route.hedges.budget.deposit()

    async def _contest(self, call: Call, began_s: float, plan: Plan | None = None) -> Reply:
        self.route.waiting += 1
        contest = Contest(self, call, began_s, plan=plan)
        try:
            return await contest.persist()
        finally:
            self.route.waiting -= 1
            if contest.sides is not None:
                contest.sides.close()

    def plan(self, call: Call, began_s: float) -> Plan:
        """A plan for the call that knows of no attempt yet."""
        return Plan(
            call,
            self.targets,
            settings=self.settings,
            route=self.route,
            rng=self._rng,
            began_s=began_s,
        )

    def triggers(self, call: Call) -> Triggers:
        """The call's bounds."""
        return Triggers(self.settings, [target.latency.at(call.estimate) for target in self.targets], self.route.hedges)

    def asked(self, call: Call) -> tuple[Call, bool]:
        """What is sent for the call, and whether its tokens are seen as they come."""
        if call.stream:
            return call, True
        inside = self._streams_inside
        # Sound in one piece and in a stream are of different formats: the caller's is kept.
        if inside == "off" or call.kind == "embedding" or "audio" in call.body:
            return call, False
        if inside == "on" or call.deadline_s is not None:
            return msgspec.structs.replace(call, stream=True), True
        return call, False

    # Attempts.

    def begun(self, call: Call, plan: Plan, move: Start, now_s: float, *, streams: bool) -> Try:
        """The attempt that `move` starts now, booked so."""
        place, target = move.target, self.targets[move.target]
        first_s = now_s if plan.first_send_s is None else plan.first_send_s
        attempt = Attempt(
            id=f"{call.id}-{plan.requests_sent + 1}",
            target=target.name,
            started_s=now_s - first_s,
            reason=move.reason,
            hedge=move.reason == "hedge",
        )
        self.books.chosen(move)
        ticket = self.books.started(call, attempt, place, now_s)
        latency, latency_ticket = target.latency.started(call.estimate, now_s, streams=streams)
        return Try(attempt, place, now_s, streams, ticket, latency, latency_ticket, target.breaker)

    # Endings.

    def finish_first(self, call: Call, run: Try, reply: Reply, permit: Permit) -> Reply:
        """As `finish`, of a call whose first attempt brought it at once; settles the permit."""
        began_s = run.started_s
        if not isinstance(reply, Completion) or run.record is not None:
            settle(permit, reply)
            return self.finish(call, run, reply, None, began_s=began_s, first_s=began_s)
        permit.settle(reply.usage)
        now_s, first_s = self.now(), run.first_token_s
        if first_s is None or run.latency is None:
            run.came(now_s)
            first_token_s = None
        else:
            # As `Try.came`.
            first_token_s = first_s - began_s
            run.latency.total.observe(now_s - began_s, now_s, ticket=run.latency_ticket)
        return self.books.won_plainly(call, reply, run.ticket, began_s, now_s, first_token_s)

    def finish(self, call: Call, run: Try, reply: Reply, plan: Plan | None, *, began_s: float, first_s: float) -> Reply:
        """The call's reply as its caller gets it. `plan` is the call's, when it needed one."""
        now_s = self.now()
        attempt = run.attempt
        if run.first_token_s is not None:
            attempt.first_token_s = run.first_token_s - first_s
        if isinstance(reply, Completion):
            self.books.won(call, reply, run, now_s, first_s)
            run.came(now_s)
            if plan is None:
                return _given(reply, attempt, (attempt,), 1)
            return _given(reply, attempt, tuple(plan.attempts), plan.requests_sent)
        assert isinstance(reply, OpenStream)
        onward = Onward(self, call, run, plan=plan, began_s=began_s, first_s=first_s)
        return onward.stream(reply)


def _given(reply: Completion, attempt: Attempt, attempts: tuple[Attempt, ...], number: int) -> Completion:
    """The reply with what the race knows of it. `attempt` is the one that answered."""
    reply.target = attempt.target
    reply.attempts = attempts
    reply.requests_sent = number
    reply.latency_s = attempt.ended_s or 0.0
    reply.cost_usd = attempt.cost_usd if number == 1 else cost_of(attempts)
    return reply
