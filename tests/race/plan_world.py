"""A world for a plan alone: targets, limits, budgets and time of its own, played by random schedules of events."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from tests.race.given import a_call, an_error

from penstock.call import Attempt
from penstock.errors import VERDICTS, CallError
from penstock.policies.breaker import Breaker
from penstock.race import Hedges, RaceSettings, Route
from penstock.race.moves import Cancel, Finish, GiveUp, Start, WaitUntil
from penstock.race.plan import Plan
from penstock.race.triggers import Try

KINDS = sorted(VERDICTS)
TICK_S = 0.02
HORIZON_S = 60.0
NO_ROOM_S = 0.25
ALARMED_S = 1e-9


@dataclass(frozen=True)
class Play:
    """One attempt's fate: tokens at `first_s` and every `gap_s` from then on, `count` of them, and then `end`."""

    end: str
    """ "answer", "hang", or the kind of a failure."""
    after_s: float
    count: int = 0
    gap_s: float = 0.0
    retry_after_s: float | None = None


@dataclass
class Times:
    """Times that are known, or inf for a target that nobody has asked yet."""

    p50_s: float
    p95_s: float

    def quantile_s(self, q: float, now_s: float) -> float:
        return self.p50_s if q <= 0.5 else self.p95_s

    def chance_beyond(self, seconds: float, age_s: float, now_s: float) -> float | None:
        return None if self.p95_s == math.inf else float(age_s > self.p95_s)

    def started(self, now_s: float) -> int:
        return 0

    def observe(self, seconds: float, now_s: float, *, ticket: int = 0) -> None:
        """They don't learn."""

    def censored(self, age_s: float, now_s: float, *, ticket: int = 0) -> None:
        """Nor from these."""


@dataclass
class Known:
    """A latency book of one page."""

    first_token: Times
    total: Times

    def of(self, kind: int) -> Known:
        return self


class Pacing(Hedges):
    """Real budgets; the delay that would be learnt is given."""

    def __init__(self, share: float, delay_s: float) -> None:
        super().__init__(share)
        self.given_s = delay_s

    def delay_s(self, first: Any, second: Any, now_s: float) -> tuple[float, float]:
        return self.given_s, now_s


class Place:
    """A target: a real breaker, a limit of one call each `every_s`, keys, and a fate for each attempt."""

    def __init__(self, number: int, plays: list[Play], *, every_s: float, keys: int, latency: Known) -> None:
        self.name = f"t{number}/x"
        self.breaker = Breaker(random.Random(number))
        self.latency: Any = latency
        self.keys = keys
        self.free_at_s = 0.0
        self.every_s = every_s
        self._plays = iter(plays)

    def wait_s(self, now_s: float, estimate: int) -> float:
        return math.inf if self.keys <= 0 else max(0.0, self.free_at_s - now_s)

    def next_play(self) -> Play:
        return next(self._plays, Play("answer", 0.3))


@dataclass
class Story:
    """What one call did."""

    plan: Plan
    began_s: float
    end: Finish | GiveUp | None = None
    end_s: float = math.inf
    runs: list[Try] = field(default_factory=list)
    starts: list[tuple[Start, float, int]] = field(default_factory=list)
    """The move, its instant, and how many attempts ran already."""
    failures: list[tuple[int, CallError, float, int]] = field(default_factory=list)
    """The place, the error, the instant, and how many starts there were before."""
    endings: dict[str, str] = field(default_factory=dict)
    admitting: bool = False
    hangs: bool = False
    """It waits for an attempt that never ends, and nothing bounds it."""
    spins: int = 0
    """The most moves at one instant."""
    alarms: int = 0
    """Only the last one rings."""
    impatient: list[int] = field(default_factory=list)
    """Attempts at a target that had timed out before, beside another one that was ready and hadn't."""


class World:
    """Some calls of one route at a time, carried out as the driver does, on a heap of events."""

    def __init__(self, places: list[Place], settings: RaceSettings, route: Route, seed: int) -> None:
        self.places, self.settings, self.route = places, settings, route
        self.rng = random.Random(seed)
        self.now_s = 0.0
        self.stories: list[Story] = []
        self._heap: list[tuple[float, int, Any]] = []
        self._count = 0

    def play(self, begins_s: list[float], deadline_s: float | None) -> list[Story]:
        for begin_s in begins_s:
            self.at(begin_s, lambda: self._begin(deadline_s))
        while self._heap and self._heap[0][0] <= HORIZON_S:
            self.now_s, _, event = heappop(self._heap)
            event()
        return self.stories

    def at(self, at_s: float, event: Any) -> None:
        self._count += 1
        heappush(self._heap, (at_s, self._count, event))

    def _begin(self, deadline_s: float | None) -> None:
        call = a_call(deadline_s=None if deadline_s is None else self.now_s + deadline_s)
        plan = Plan(call, self.places, settings=self.settings, route=self.route, rng=self.rng, began_s=self.now_s)
        self.stories.append(story := Story(plan, self.now_s))
        self._moves(story)

    def _moves(self, story: Story) -> None:
        """What the plan says now, until it waits."""
        spins = 0
        while story.end is None and not story.admitting:
            spins += 1
            story.spins = max(story.spins, spins)
            assert spins < 100, "the plan goes in circles"
            move = story.plan.next(self.now_s)
            if isinstance(move, WaitUntil):
                self._wait(story, move)
                return
            if isinstance(move, Finish | GiveUp):
                self._end(story, move)
            elif isinstance(move, Cancel):
                self._fail(story, move.run, move.error)
            elif not self._start(story, move):
                self._wait(story, WaitUntil(story.plan.within(self.now_s + NO_ROOM_S)))
                return

    def _wait(self, story: Story, move: WaitUntil) -> None:
        assert move.at_s > self.now_s, "it waits for an instant that is past"
        story.hangs = move.at_s == math.inf
        assert not story.hangs or story.plan.running, "it waits for nothing at all"
        story.alarms = number = story.alarms + 1
        if not story.hangs:
            self.at(math.ceil(move.at_s / TICK_S + 1e-6) * TICK_S + ALARMED_S, lambda: self._ring(story, number))

    def _ring(self, story: Story, number: int) -> None:
        if number == story.alarms:
            self._moves(story)

    def _start(self, story: Story, move: Start) -> bool:
        """Whether the move could be made; a call that nothing runs for waits in the limit's line."""
        plan, place = story.plan, self.places[move.target]
        wait_s = place.wait_s(self.now_s, 0)
        if wait_s == math.inf:
            plan.failed(move.target, an_error("auth", target=place.name, sent=False), self.now_s)
        elif wait_s <= 0.0:
            self._send(story, move, place)
        elif plan.running:
            plan.unsent(move)
            return False
        else:
            hard_s = math.inf if plan.admission_deadline_s is None else plan.admission_deadline_s
            story.admitting = True
            begin_s, until_s = self.now_s, min(self.now_s + wait_s, max(hard_s, self.now_s) + TICK_S)
            self.at(until_s, lambda: self._admitted(story, move, begin_s))
        return True

    def _admitted(self, story: Story, move: Start, begin_s: float) -> None:
        story.admitting = False
        story.plan.waited(self.now_s - begin_s)
        place = self.places[move.target]
        hard_s = story.plan.admission_deadline_s
        if (hard_s is None or self.now_s < hard_s) and place.wait_s(self.now_s, 0) <= 0.0:
            self._send(story, move, place)
        self._moves(story)

    def _send(self, story: Story, move: Start, place: Place) -> None:
        plan, now_s = story.plan, self.now_s
        place.free_at_s = max(place.free_at_s, now_s) + place.every_s
        attempt = Attempt(id=f"a{len(story.starts)}", target=place.name)
        streams = self.settings.stream_inside != "off"
        run = Try(attempt, move.target, now_s, streams=streams, ticket=place.breaker.started(now_s))
        if self._is_silent(story, move.target) and any(
            self._is_ready(story, other) for other in range(len(self.places)) if other != move.target
        ):
            story.impatient.append(len(story.starts))
        story.starts.append((move, now_s, len(plan.running)))
        plan.started(attempt, move.target, now_s, run=run)
        story.runs.append(run)
        fate = place.next_play()
        tokens = range(fate.count) if streams else ()
        for number in tokens:
            self.at(now_s + fate.after_s + number * fate.gap_s, lambda: self._token(story, run))
        if fate.end != "hang":
            ends_s = now_s + fate.after_s + fate.count * fate.gap_s
            self.at(ends_s, lambda: self._over(story, run, fate))

    def _is_silent(self, story: Story, place: int) -> bool:
        return any(where == place and error.kind == "timeout" for where, error, _, _ in story.failures)

    def _is_ready(self, story: Story, place: int) -> bool:
        """It has never failed, runs nothing of the call, and would let it in now."""
        target, now_s = self.places[place], self.now_s
        if any(error.verdict.other_target == "when_told" for _, error, _, _ in story.failures):
            # A request that was refused for good isn't brought to others.
            return False
        used = [where for where, _, _, _ in story.failures] + [run.place for run in story.plan.running]
        return place not in used and target.wait_s(now_s, 0) <= 0.0 and target.breaker.wait_s(now_s) <= 0.0

    def _token(self, story: Story, run: Try) -> None:
        if run.attempt.id not in story.endings:
            run.token(self.now_s)

    def _over(self, story: Story, run: Try, fate: Play) -> None:
        if run.attempt.id in story.endings:
            return
        if fate.end == "answer":
            self._leave(story, run, "answered", "good")
            story.plan.answered(run.attempt, run)
        else:
            error = CallError(fate.end, "it failed", retry_after_s=fate.retry_after_s)  # type: ignore[arg-type]
            error.target = run.attempt.target
            self._fail(story, run, error)
        self._moves(story)

    def _fail(self, story: Story, run: Try, error: CallError) -> None:
        place = self.places[run.place]
        if error.kind == "rate_limited":
            place.free_at_s = self.now_s + (error.retry_after_s or 1.0)
        if error.verdict.key_is_bad:
            place.keys -= 1
        run.attempt.error_kind = error.kind
        self._leave(story, run, "failed", "bad" if error.verdict.breaker else "neutral")
        story.failures.append((run.place, error, self.now_s, len(story.starts)))
        story.plan.failed(run.place, error, self.now_s, run)

    def _leave(self, story: Story, run: Try, outcome: Any, ending: Any) -> None:
        assert run.attempt.id not in story.endings, "an attempt ended twice"
        story.endings[run.attempt.id] = run.attempt.outcome = outcome
        breaker = self.places[run.place].breaker
        breaker.ended(run.ticket, run.started_s, self.now_s, ending, was_silent=run.said_silent)

    def _end(self, story: Story, move: Finish | GiveUp) -> None:
        story.end, story.end_s = move, self.now_s
        if isinstance(move, Finish):
            self.route.budget.deposit()
        for run in list(story.plan.running):
            self._leave(story, run, "cancelled", "neutral")
            story.plan.cancelled(run)
