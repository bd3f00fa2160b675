"""The plan alone with attempts beside each other: random worlds of events in virtual time, and what holds in each."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.race.given import a_call, an_error

from penstock.call import Attempt
from penstock.errors import VERDICTS, CallError
from penstock.policies.breaker import Breaker
from penstock.race import Hedges, RaceSettings, RetryBudget, Route
from penstock.race.moves import Cancel, Finish, GiveUp, Move, Start, WaitUntil
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

    def delay_s(self, first: Any, second: Any, now_s: float) -> float:
        return self.given_s


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


moments = st.sampled_from([0.0, 0.05, 0.3, 1.0, 2.5, 8.0])
fates = st.one_of(
    st.builds(Play, st.just("answer"), moments),
    st.builds(Play, st.sampled_from(KINDS), moments, retry_after_s=st.sampled_from([None, None, 0.5, 3.0, 1000.0])),
    st.builds(Play, st.just("hang"), moments, st.sampled_from([0, 0, 1, 20]), st.sampled_from([0.01, 0.5])),
    st.builds(
        Play,
        st.sampled_from(["answer", "transport", "overloaded"]),
        moments,
        st.integers(1, 30),
        st.sampled_from([0.01, 0.2, 1.5]),
    ),
)
cold = st.just((math.inf, math.inf))
warm = st.sampled_from([(0.05, 0.2), (1.0, 2.0), (2.0, 3.0)])
books = st.one_of(cold, warm).map(
    lambda times: Known(Times(*times), Times(2 * times[0], 2 * times[1])),
)
places = st.lists(
    st.tuples(st.lists(fates, max_size=8), st.sampled_from([0.0, 0.0, 0.5, 20.0]), st.integers(0, 2), books),
    min_size=1,
    max_size=4,
)
routes = st.builds(
    RaceSettings,
    patience=st.sampled_from(["interactive", "interactive", "batch"]),
    deadline_after_s=st.sampled_from([None, 1.0, 8.0, 30.0]),
    deadline_after_send_s=st.sampled_from([None, 10.0]),
    max_attempts=st.sampled_from([None, None, 1, 2, 4]),
    fallback_on=st.sampled_from([frozenset(), frozenset(["bad_request", "context_too_long"])]),
    hedge=st.sampled_from(["off", "auto", 0.5, 2.0]),
    stream_inside=st.sampled_from(["off", "on"]),
    first_token_s=st.sampled_from([None, None, 0.5, 3.0]),
    between_tokens_s=st.sampled_from([None, 15.0, 1.0]),
    min_tokens_per_s=st.sampled_from([0.0, 0.0, 1.0]),
)
worlds = st.fixed_dictionaries(
    {
        "places": places,
        "route": routes,
        "begins": st.lists(st.sampled_from([0.0, 0.1, 1.0, 5.0]), min_size=1, max_size=5),
        "deadline_s": st.sampled_from([None, None, 0.0, 2.0, 20.0]),
        "budgets": st.tuples(st.sampled_from([0.0, 1.0, 10.0]), st.sampled_from([0.0, 2.0])),
        "delay_s": st.sampled_from([0.2, 1.5, math.inf]),
        "seed": st.integers(0, 1000),
    }
)


@dataclass
class Played:
    """A world that is over."""

    world: World
    stories: list[Story]
    retry_level: float
    hedge_level: float


def played(given: dict[str, Any]) -> Played:
    targets = [
        Place(number, plays, every_s=every_s, keys=keys, latency=latency)
        for number, (plays, every_s, keys, latency) in enumerate(given["places"])
    ]
    retry_level, hedge_level = given["budgets"]
    hedges = Pacing(0.05, given["delay_s"])
    hedges.budget.level = hedge_level
    route = Route(budget=RetryBudget(level=retry_level), hedges=hedges)
    world = World(targets, given["route"], route, given["seed"])
    return Played(world, world.play(given["begins"], given["deadline_s"]), retry_level, hedge_level)


def after_starts(story: Story, place: int, before: int) -> Iterator[tuple[Start, float]]:
    return ((move, at_s) for move, at_s, _ in story.starts[before:] if move.target == place)


def each_call_ends_once_and_stays_so(over: Played, route: RaceSettings) -> None:
    for story in over.stories:
        if story.end is None:
            # It waits: for an attempt, a limit, or as long as a target asked it to.
            assert story.alarms or story.admitting
            continue
        later: Move = story.plan.next(story.end_s + 1e6)
        assert later == story.end
        assert not story.plan.running


def no_call_ends_later_than_its_deadline_and_a_tick(over: Played, route: RaceSettings) -> None:
    for story in over.stories:
        if (deadline_s := story.plan.deadline_s) is not None and not story.admitting and deadline_s < HORIZON_S:
            assert story.end is not None
            assert story.end_s <= max(deadline_s, story.began_s) + 2 * TICK_S


def it_gives_up_only_when_nothing_is_left_and_nothing_runs(over: Played, route: RaceSettings) -> None:
    stopping = {kind for kind in KINDS if VERDICTS[kind].other_target == "when_told"} - route.fallback_on
    for story in over.stories:
        if not isinstance(story.end, GiveUp):
            continue
        if story.plan.deadline_s is not None and story.end_s >= story.plan.deadline_s - 1e-5:
            continue
        assert "cancelled" not in story.endings.values(), "an attempt that could still answer"
        told = any(error.kind in stopping for _, error, _, _ in story.failures)
        out_of_tries = route.max_attempts is not None and story.plan.counted >= route.max_attempts
        assert (
            told
            or out_of_tries
            or all(place.keys <= 0 or _has_ended(story, number) for number, place in enumerate(over.world.places))
        )


def _has_ended(story: Story, place: int) -> bool:
    """It refused for good, has no key, or asked to come back after the deadline."""
    hard_s = math.inf if story.plan.admission_deadline_s is None else story.plan.admission_deadline_s
    errors = [(error, at_s) for where, error, at_s, _ in story.failures if where == place]
    never = any(VERDICTS[error.kind].same_target == "never" for error, _ in errors)
    empty = [error.kind for error, _ in errors].count("empty") >= 2
    away = any(error.retry_after_s and at_s + error.retry_after_s >= hard_s for error, at_s in errors)
    asked = any(move.target == place for move, _, _ in story.starts)
    return never or empty or away or not asked


def every_attempt_ends_once_and_every_breaker_is_told(over: Played, route: RaceSettings) -> None:
    for story in over.stories:
        ended = {run.attempt.id for run in story.runs if run.attempt.outcome != "running"}
        assert len(story.runs) == len(ended) + len(story.plan.running) == story.plan.requests_sent
    running = [run for story in over.stories for run in story.plan.running]
    for number, place in enumerate(over.world.places):
        here = sum(run.place == number for run in running)
        assert place.breaker.in_flight + place.breaker.silent_in_flight == here


def hedges_and_retries_stay_within_their_budgets(over: Played, route: RaceSettings) -> None:
    hedges = sum(move.reason == "hedge" for story in over.stories for move, _, _ in story.starts)
    if route.hedge == "auto":
        assert hedges <= over.hedge_level + 0.06 * len(over.stories)
    for story in over.stories:
        reasons = [move.reason for move, _, _ in story.starts]
        assert reasons.count("hedge") <= int(route.hedge != "off")
        assert reasons.count("late") <= 1
        beside = [running for move, _, running in story.starts if move.reason not in ("hedge", "silent", "late")]
        assert not any(beside), "only these three run beside another attempt"


def what_was_refused_for_good_or_told_to_wait_is_left_alone(over: Played, route: RaceSettings) -> None:
    permanent = {kind for kind, said in VERDICTS.items() if said.same_target == "never" and not said.key_is_bad}
    for story in over.stories:
        for place, error, at_s, before in story.failures:
            later = [start_s for _, start_s in after_starts(story, place, before)]
            if error.kind in permanent:
                assert not later
            elif VERDICTS[error.kind].same_target == "backoff" and error.retry_after_s:
                assert all(start_s >= at_s + error.retry_after_s - 1e-5 for start_s in later)


def max_attempts_is_never_exceeded_by_anything_that_starts(over: Played, route: RaceSettings) -> None:
    most = route.max_attempts
    for story in over.stories:
        free = sum(
            VERDICTS[error.kind].same_target == "wait" or VERDICTS[error.kind].key_is_bad
            for _, error, _, _ in story.failures
        )
        assert most is None or len(story.starts) - free <= most


def a_look_costs_few_moves(over: Played, route: RaceSettings) -> None:
    assert all(story.spins <= 4 * len(over.world.places) + 4 for story in over.stories)


def a_target_that_was_silent_is_not_asked_while_another_is_ready(over: Played, route: RaceSettings) -> None:
    for story in over.stories:
        assert not story.impatient


PROMISES = (
    each_call_ends_once_and_stays_so,
    no_call_ends_later_than_its_deadline_and_a_tick,
    it_gives_up_only_when_nothing_is_left_and_nothing_runs,
    every_attempt_ends_once_and_every_breaker_is_told,
    hedges_and_retries_stay_within_their_budgets,
    what_was_refused_for_good_or_told_to_wait_is_left_alone,
    max_attempts_is_never_exceeded_by_anything_that_starts,
    a_look_costs_few_moves,
    a_target_that_was_silent_is_not_asked_while_another_is_ready,
)


@given(worlds)
@settings(max_examples=2000)
def test_what_holds_for_every_schedule_of_events(given: dict[str, Any]) -> None:
    over = played(given)
    for promise in PROMISES:
        promise(over, given["route"])
