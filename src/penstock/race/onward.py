"""A stream in its caller's hands: watched for stalls, continued when it breaks, booked when it is over."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from functools import partial
from typing import TYPE_CHECKING

from penstock.call import Attempt, Call, Event, Rung, Started
from penstock.errors import CallError, DeadlineExceeded, Unanswered, unanswered
from penstock.handler import OpenStream
from penstock.questions import Until
from penstock.race.alarm import Alarm, Wheel
from penstock.race.contest import Contest
from penstock.race.moves import send_deadline_of
from penstock.race.plan import Plan
from penstock.race.relay import Relay
from penstock.race.standing import EPSILON_S
from penstock.race.triggers import Triggers, Try

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.race.driver import Racing

__all__ = ["Onward", "Watched"]


class Watched:
    """The events of a stream; one that is late for a bound breaks it: a stall, too low a rate, the deadline.

    The connection may well be alive: servers send comments to keep it.
    """

    __slots__ = (
        "_alarm",
        "_deadline_s",
        "_left_s",
        "_now",
        "_run",
        "_stream",
        "_task",
        "_triggers",
        "_until",
        "_wheel",
    )

    def __init__(
        self,
        stream: OpenStream,
        run: Try,
        *,
        triggers: Triggers,
        wheel: Wheel,
        now: Callable[[], float],
        deadline_s: float | None,
        until: Until | None = None,
    ) -> None:
        self._stream = stream
        self._run = run
        self._triggers = triggers
        self._wheel = wheel
        self._now = now
        self._deadline_s = math.inf if deadline_s is None else deadline_s
        self._until = until if deadline_s is not None else None
        self._left_s = run.last_token_s
        self._alarm: Alarm | None = None
        self._task: asyncio.Task[object] | None = None

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        now_s = self._now()
        # While the caller does something else nothing is late.
        self._run.paused(now_s - self._left_s)
        at_s, why = self._due(now_s)
        if at_s == math.inf:
            return self._seen(await self._stream.__anext__())
        if now_s >= at_s:
            raise self._late(why)
        alarm = self._armed()
        alarm.ring_at(at_s)
        try:
            event = await self._stream.__anext__()
        except asyncio.CancelledError:
            if alarm.hush() and alarm.is_mine():
                raise self._late(why if self._until is None else self._due(self._now())[1]) from None
            raise
        except BaseException:
            alarm.hush()
            raise
        alarm.hush()
        return self._seen(event)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def lasts_until_s(self) -> float | None:
        """When it is late, now that others want the answer longer than was known; None where nobody does."""
        if self._until is None or self._until.at_s <= self._deadline_s:
            return None
        return self._due(self._now())[0]

    def _due(self, now_s: float) -> tuple[float, str]:
        """When it is late, and for what."""
        if self._until is not None:
            self._deadline_s = max(self._deadline_s, self._until.at_s)
        at_s, why = self._triggers.fails_at(self._run, now_s)
        if self._deadline_s < math.inf:
            stalled_s = self._triggers.breaks_at_s(self._run, self._deadline_s)
            if stalled_s < at_s:
                at_s, why = stalled_s, "the stream stalled, and its deadline comes near"
        if self._deadline_s < at_s:
            at_s, why = self._deadline_s, "the deadline passed while the answer was streamed"
        return at_s, why

    def _seen(self, event: Event) -> Event:
        now_s = self._left_s = self._now()
        if type(event) is not Started:
            self._run.token(now_s)
        return event

    def _armed(self) -> Alarm:
        """The alarm of the task that reads: it may be another one than before."""
        task = asyncio.current_task()
        if self._alarm is None or task is not self._task:
            self._alarm = Alarm(self._wheel) if self._until is None else _Bell(self._wheel, self)
            self._task = task
        return self._alarm

    def _late(self, why: str) -> CallError:
        return CallError("timeout", why, target=self._run.attempt.target)


class _Bell(Alarm):
    """Rings again where the stream lasts longer by now."""

    __slots__ = ("_watched",)

    def __init__(self, wheel: Wheel, watched: Watched) -> None:
        Alarm.__init__(self, wheel)
        self._watched = watched

    def on_ring(self) -> None:
        at_s = self._watched.lasts_until_s()
        if at_s is None:
            self.interrupt()
        else:
            self.ring_at(at_s)


class Onward:
    """One streamed call from its first token on."""

    __slots__ = (
        "_began_s",
        "_broken",
        "_call",
        "_first_s",
        "_outer",
        "_plan",
        "_racing",
        "_run",
    )

    def __init__(
        self,
        racing: Racing,
        call: Call,
        run: Try,
        *,
        plan: Plan | None,
        began_s: float,
        first_s: float,
    ) -> None:
        self._racing = racing
        self._call = call
        self._run = run
        self._plan = plan
        self._began_s = began_s
        self._first_s = first_s
        self._broken: Try | None = None
        """The last attempt that the plan knows to have come to nothing."""

    def stream(self, first: OpenStream) -> OpenStream:
        """What the caller reads, `first` being the stream that won."""
        racing = self._racing
        relay = Relay(
            self._call,
            self._inner(first),
            again=self._again,
            on_break=racing.settings.on_break,
            refusals=racing.route.refusals,
            fallback_on=racing.settings.fallback_on,
        )
        outer = self._outer = relay.stream()
        outer.target = self._run.attempt.target
        self._count(outer)
        outer.explain = self._broke
        outer.on_close(self._over)
        return outer

    def _inner(self, stream: OpenStream) -> OpenStream:
        racing, run = self._racing, self._run
        watched = Watched(
            stream,
            run,
            triggers=racing.triggers(self._call),
            wheel=racing.wheel,
            now=racing.now,
            deadline_s=self._deadline_s(),
            until=self._call.until,
        )
        inner = OpenStream(watched)
        inner.target = run.attempt.target
        inner.request_id = run.attempt.request_id = stream.request_id
        inner.attempts = (run.attempt,)
        inner.explain = partial(self._failed, run)
        inner.on_close(partial(self._inner_over, stream, inner, run))
        return inner

    async def _again(self, call: Call, rung: Rung, error: CallError) -> OpenStream:
        """The next stream of the answer; see `penstock.race.relay.Again`."""
        racing, plan = self._racing, self._the_plan()
        places = frozenset(
            place
            for place, target in enumerate(racing.targets)
            if rung == "anew"
            or ((target.prefills or call.kind == "completion") and racing.route.refusals.takes(call, target.name))
        )
        if self._broken is not self._run:
            broken = self._broken = self._run
            plan.broke(broken, error if broken.attempt.outcome == "failed" else None, racing.now())
        plan.go_on(error, places=places, continues=rung == "prefill")
        contest = Contest(racing, call, self._began_s, plan=plan)
        try:
            run, reply = await contest.win()
        except Unanswered as none_left:
            last = none_left.last
            # A refused continuation is no word about the request itself; whatever else is refused stays so.
            if (
                rung == "prefill"
                and last is not None
                and last is not error
                and last.kind == "bad_request"
                and last.sent
            ):
                raise last from none_left
            raise
        finally:
            self._count(self._outer)
        assert isinstance(reply, OpenStream)
        self._run = run
        racing.books.stats.seams += 1
        return self._inner(reply)

    def _the_plan(self) -> Plan:
        """The call's one plan; made here when all went well until now."""
        if self._plan is None:
            run = self._run
            plan = self._plan = self._racing.plan(self._call, self._began_s)
            plan.started(run.attempt, run.place, self._first_s, run=run)
            plan.answered(run.attempt, run)
        return self._plan

    def _count(self, outer: OpenStream) -> None:
        outer.attempts = self._attempts()
        outer.requests_sent = 1 if self._plan is None else self._plan.requests_sent

    def _attempts(self) -> tuple[Attempt, ...]:
        return (self._run.attempt,) if self._plan is None else tuple(self._plan.attempts)

    def _deadline_s(self) -> float | None:
        if self._plan is not None:
            return self._plan.deadline_s
        return send_deadline_of(self._call, self._racing.settings, self._began_s, self._first_s)

    # Endings.

    def _failed(self, run: Try, error: CallError) -> CallError:
        """One stream broke."""
        racing = self._racing
        error.target = error.target or run.attempt.target
        racing.books.failed(self._call, run, error, racing.now(), self._first_s)
        return error

    def _inner_over(self, stream: OpenStream, inner: OpenStream, run: Try) -> None:
        racing = self._racing
        inner.malformed_events = stream.malformed_events
        now_s = racing.now()
        attempt = run.attempt
        attempt.ended_s = now_s - self._first_s
        if run.first_token_s is not None:
            attempt.first_token_s = run.first_token_s - self._first_s
        if stream.complete:
            racing.books.used(self._call, attempt, run.place, stream.usage)
            attempt.outcome = "answered"
            attempt.status = 200
            racing.books.was_good(run.place, run.ticket, run.started_s, now_s, was_silent=run.said_silent)
            run.came(now_s)
            return
        racing.books.told(attempt, run.place, stream.usage)
        if attempt.outcome == "running":
            racing.books.lost(self._call, run, now_s, self._first_s, why="closed by the caller")

    def _over(self) -> None:
        if self._outer.complete:
            self._racing.books.answered(self._call, self._run.attempt, self._run.place)

    def _broke(self, error: CallError) -> Unanswered:
        """Nothing could go on with it."""
        unfinished: Unanswered
        attempts, deadline_s = self._attempts(), self._deadline_s()
        number = 1 if self._plan is None else self._plan.requests_sent
        if deadline_s is not None and self._racing.now() >= deadline_s - EPSILON_S:
            unfinished = DeadlineExceeded(str(error), attempts, error, number)
        else:
            unfinished = unanswered(attempts, error, requests_sent=number)
        self._racing.books.gave_up(self._call, unfinished)
        return unfinished
