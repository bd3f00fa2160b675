"""What holds for every schedule of events that a plan may meet: random worlds, judged by promises."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.race.plan_world import HORIZON_S, KINDS, TICK_S, Known, Pacing, Place, Play, Story, Times, World

from penstock.errors import VERDICTS
from penstock.race import RaceSettings, RetryBudget, Route
from penstock.race.moves import GiveUp, Move, Start

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
