"""One call's attempts: the first one is awaited in the caller's own task, those beside it are tasks of their own.

Whatever happens asks the plan for its next move. While the worker awaits an attempt, moves are made from callbacks;
when a task beside it wins, the worker's await is interrupted. Whatever the end, no attempt outlives the contest.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING

from penstock.call import Call, Completion, Reply
from penstock.errors import CallError
from penstock.fold import Fold
from penstock.handler import OpenStream
from penstock.race.alarm import Alarm
from penstock.race.inside import begun, send, settle, take, whole
from penstock.race.moves import Cancel, Finish, GiveUp, Start, WaitUntil, extended
from penstock.race.plan import Plan
from penstock.race.sides import Sides
from penstock.race.target import Permit
from penstock.race.triggers import Try

if TYPE_CHECKING:
    from penstock.race.driver import Racing

__all__ = ["Contest"]

_NO_ROOM_S = 0.25  # a limit let nobody in although it had said so: look again then


class Contest(Alarm):
    """One call over its targets, from its first attempt to its end."""

    __slots__ = (
        "_admitting",
        "_asked",
        "_call",
        "_crash",
        "_detached",
        "_inline",
        "_plan",
        "_racing",
        "_waiter",
        "_won",
        "began_s",
        "first",
        "sides",
        "streams",
    )

    def __init__(self, racing: Racing, call: Call, began_s: float, *, plan: Plan | None = None) -> None:
        self._racing = racing
        self._call = call
        self.began_s = began_s
        self._plan = plan
        self._asked, self.streams = racing.asked(call)
        # As `Alarm.__init__`, without the call.
        task = asyncio.current_task()
        assert task is not None, "a race runs in a task"
        self._task, self._base = task, task.cancelling()
        self._wheel, self._slot, self._has_interrupted = racing.wheel, None, False
        self.first: Try | None = None
        self._inline: Try | None = None
        self._admitting = False
        self.sides: Sides | None = None
        """To be closed when it is over: without its circle it needs no collector."""
        self._detached: tuple[Try, ...] = ()
        self._won: tuple[Try, Reply] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._crash: BaseException | None = None

    async def persist(self) -> Reply:
        """The call's reply, nothing sent yet or the plan knowing of what was. Raises `Unanswered`."""
        run, reply = await self.win()
        plan, racing, began_s = self._the_plan(), self._racing, self.began_s
        return racing.finish(self._call, run, reply, plan, began_s=began_s, first_s=self._first_s())

    async def win(self) -> tuple[Try, Reply]:
        """Make the plan's moves until one ends the call: the attempt that answered and its reply as it came.

        Raises `Unanswered`.
        """
        plan = self._the_plan()
        while True:
            if self._crash is not None:
                await self._abandon()
                raise self._crash
            move = plan.next(self._racing.now())
            if isinstance(move, Finish | GiveUp):
                return await self._end(move)
            if type(move) is WaitUntil:
                await self._rest(move.at_s)
            elif type(move) is Start:
                if not plan.running:
                    await self._start(move)
                elif not self._launch(move):
                    await self._rest(plan.within(self._racing.now() + _NO_ROOM_S))
            elif type(move) is Cancel:
                self._cut(move)

    # In the worker.

    async def _start(self, move: Start) -> None:
        """Nothing else runs: wait for admission, send, and wait for what comes of it."""
        plan, place = self._the_plan(), move.target
        try:
            permit = await self._admit(plan, place)
        except CallError as error:
            plan.failed(place, error, self._racing.now())
            return
        if permit is None:
            return
        now_s = self._racing.now()
        if plan.first_send_s is None:
            self._racing.count_first()
        run = self._begun(move, now_s)
        await self.attend(run, permit, plan.within(now_s + self._racing.first_look_s))

    async def _admit(self, plan: Plan, place: int) -> Permit | None:
        """A permit; None when the deadline passed first."""
        racing, call, target = self._racing, self._call, self._racing.targets[place]
        began_s = racing.now()
        permit: Permit | None = target.try_admit(call, began_s)
        if permit is not None:
            return permit
        racing.books.tell.waiting(call, target.name, math.inf)
        racing.books.stats.waiting += 1
        self._admitting = True
        self.ring_at(math.inf if plan.admission_deadline_s is None else plan.admission_deadline_s)
        try:
            # A limit that hands a permit over as the alarm rings gives it to the next in line itself.
            return await target.admit(call)  # type: ignore[no-any-return]
        except asyncio.CancelledError as cut:
            if self.hush() and self.is_mine():
                plan.line = str(cut)
                return None
            raise
        finally:
            self._admitting = False
            self.hush()
            racing.books.stats.waiting -= 1
            plan.waited(racing.now() - began_s)

    async def attend(self, run: Try, permit: Permit, look_s: float) -> Reply | None:
        """One attempt in the worker's own task, settled and told: the call's reply, where nothing else was tried."""
        racing, call = self._racing, self._call
        self._inline = run
        self._slot = racing.wheel.set(self, look_s)  # `ring_at`, hushed as it is
        try:
            # Not by `send`: each coroutine in between is one more to be woken through, for each read of a socket.
            reply = await racing.targets[run.place].send(self._asked, permit)
            if isinstance(reply, Completion):
                pass
            elif call.stream:
                reply = await begun(reply, permit, run, racing.now)
            else:
                assert isinstance(reply, OpenStream)
                stream, folded, now = reply, Fold(call.kind), racing.now
                run.folded = folded
                try:
                    while events := await stream.batch():
                        take(events, folded, run, permit, now())
                finally:
                    if not stream.closed:
                        await stream.aclose()
                reply = whole(stream, folded)
        except CallError as error:
            self._over()
            permit.refused(error, racing.now())
            self._failed(run, error)
        except asyncio.CancelledError:
            interrupted = self._over()
            permit.release()
            if not (interrupted and self.is_mine()):
                self._lost(run, "cancelled by the caller")
                await self._abandon()
                raise
            self._lost(run)
        except BaseException:
            self._over()
            permit.release()
            self._lost(run)
            await self._abandon()
            raise
        else:
            if self._plan is None:
                # Nothing was decided: nothing else runs, and nobody has interrupted. As `hush`, without the call.
                if self._slot is not None:
                    self._slot.pop(self, None)
                self._inline = self._slot = None
                return racing.finish_first(call, run, reply, permit)
            self._over()
            self._answered(run, reply, permit)
        return None

    def _over(self) -> bool:
        """Synchronously after the worker's await: no callback may interrupt it any more. True when one has."""
        self._inline = None
        return self.hush()

    async def _rest(self, until_s: float) -> None:
        """Until an instant or an event."""
        racing, books = self._racing, self._racing.books
        self._waiter = asyncio.get_running_loop().create_future()
        timer = None if until_s == math.inf else racing.clock.call_later(until_s - racing.now(), self._wake)
        idle = not self.sides
        if idle:
            books.tell.waiting(self._call, None, until_s)
            books.stats.waiting += 1
        try:
            await self._waiter
        except asyncio.CancelledError:
            await self._abandon()
            raise
        finally:
            self._waiter = None
            if idle:
                books.stats.waiting -= 1
            if timer is not None:
                timer.cancel()

    async def _end(self, move: Finish | GiveUp) -> tuple[Try, Reply]:
        """The one reply, or `Unanswered`; first every other attempt ends."""
        if self.sides is not None:
            try:
                await self.sides.end()
            except asyncio.CancelledError:
                await self._abandon()
                raise
        if isinstance(move, GiveUp):
            if not self._the_plan().resumes:
                self._racing.books.gave_up(self._call, move.error)
            raise move.error
        assert self._won is not None
        return self._won

    async def _abandon(self) -> None:
        """Nobody wants the reply any more: end everything, whoever else cancels meanwhile."""
        if self.sides is not None:
            with contextlib.suppress(asyncio.CancelledError):
                await self.sides.end()
        # Looked at afterwards: one of them may have answered in the very step in which the caller left.
        if self._won is not None:
            run, reply = self._won
            self._won = None
            self._beside().lose(reply)
            now_s = self._racing.now()
            self._racing.books.lost(self._call, run, now_s, self._first_s(), why="cancelled by the caller")
            with contextlib.suppress(asyncio.CancelledError):
                await self._beside().end()

    # In callbacks.

    def on_ring(self) -> None:
        """The alarm's: something may be late."""
        if self._admitting:
            until_s = extended(self._the_plan().admission_deadline_s, self._call.until)
            if until_s is not None and until_s > self._racing.now():
                self.ring_at(until_s)
            else:
                self.interrupt()
        elif self._inline is not None:
            self._pump()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _pump(self) -> None:
        """Make moves while the worker awaits an attempt."""
        plan = self._the_plan()
        while self._inline is not None and plan.running:
            # With none left, the attempt that the worker awaits has been given up: the worker goes on by itself.
            move = plan.next(self._racing.now())
            if type(move) is WaitUntil:
                self.ring_at(move.at_s)
                return
            if type(move) is Start:
                if not self._launch(move):
                    self.ring_at(plan.within(self._racing.now() + _NO_ROOM_S))
                    return
            elif type(move) is Cancel:
                self._cut(move)
            else:
                self.interrupt()
                return

    def _launch(self, move: Start) -> bool:
        """One more attempt beside those that run, in a task; False when its limit lets nobody in."""
        plan, place = self._the_plan(), move.target
        racing, target, now_s = self._racing, self._racing.targets[place], self._racing.now()
        try:
            permit = target.try_admit(self._call, now_s)
        except CallError as error:
            plan.unsent(move)
            plan.failed(place, error, now_s)
            return True
        if permit is None:
            plan.unsent(move)
            return False
        run = self._begun(move, now_s)
        self._beside().launch(run, permit, send(target, self._call, self._asked, permit, run, racing.now))
        return True

    def _side_over(self, run: Try, permit: Permit, task: asyncio.Task[Reply]) -> None:
        if task.cancelled():
            permit.release()
            self._lost(run)
        elif (error := task.exception()) is None:
            self._answered(run, task.result(), permit)
        elif isinstance(error, CallError):
            permit.refused(error, self._racing.now())
            self._failed(run, error)
        else:
            permit.release()
            self._lost(run)
            self._crash = error
        if self._inline is None:
            self._wake()
        elif self._crash is not None:
            self.interrupt()
        else:
            self._pump()

    def _cut(self, move: Cancel) -> None:
        """End an attempt that failed at a bound, in the plan's eyes now, in truth when its await has ended."""
        run, now_s = move.run, self._racing.now()
        self._detached += (run,)
        plan = self._the_plan()
        self._racing.books.failed(self._call, run, move.error, now_s, self._first_s())
        plan.failed(run.place, move.error, now_s, run)
        if run is self._inline:
            self.interrupt()
        else:
            self._beside().cancel(run)

    # Anywhere: what becomes of an attempt.

    def _answered(self, run: Try, reply: Reply, permit: Permit) -> None:
        if isinstance(reply, Completion):
            run.attempt.usage = reply.usage
        settle(permit, reply)
        if self._won is not None or run in self._detached or (self._plan is not None and self._plan.is_over):
            self._beside().lose(reply)
            self._lost(run)
            return
        self._won = (run, reply)
        if self._plan is not None:
            self._plan.answered(run.attempt, run)

    def _failed(self, run: Try, error: CallError) -> None:
        if run in self._detached:
            return
        racing, now_s = self._racing, self._racing.now()
        if not error.target:
            error.target = racing.targets[run.place].name
        plan = self._the_plan()
        racing.books.failed(self._call, run, error, now_s, self._first_s())
        plan.failed(run.place, error, now_s, run)

    def _lost(self, run: Try, why: str | None = None) -> None:
        if run in self._detached:
            return
        plan = self._plan
        if why is None and plan is not None and plan.is_over:
            why = "another attempt answered first" if plan.has_answer else "the deadline passed"
        self._racing.books.lost(self._call, run, self._racing.now(), self._first_s(), why=why)
        if plan is not None:
            plan.cancelled(run)

    # Parts.

    def _begun(self, move: Start, now_s: float) -> Try:
        """The attempt that `move` starts, known to the books and the plan."""
        plan = self._the_plan()
        run = self._racing.begun(self._call, plan, move, now_s, streams=self.streams)
        return plan.started(run.attempt, move.target, now_s, run=run)

    def _beside(self) -> Sides:
        """Made when something runs beside the first attempt: most calls need none."""
        if self.sides is None:
            self.sides = Sides(self._side_over)
        return self.sides

    def _the_plan(self) -> Plan:
        """Made when something is decided that isn't plain: the first attempt then becomes known to it."""
        if self._plan is None:
            self._plan = self._racing.plan(self._call, self.began_s)
            if self.first is not None:
                self._plan.started(self.first.attempt, 0, self.began_s, run=self.first)
        return self._plan

    def _first_s(self) -> float:
        first_s = None if self._plan is None else self._plan.first_send_s
        return self.began_s if first_s is None else first_s
