"""The plan alone, driven by random schedules of events: what must hold for every one of them."""

from __future__ import annotations

import copy
import math
import random
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.race.given import a_call, an_error

from penstock.call import Attempt
from penstock.errors import VERDICTS, CallError, DeadlineExceeded
from penstock.race import LatencyBook, RaceSettings, RetryBudget, Route
from penstock.race.moves import Cancel, Finish, GiveUp, Start, WaitUntil
from penstock.race.plan import ATTEMPTS_KEPT, Plan
from penstock.testing import FakeBreaker

KINDS = sorted(VERDICTS)
TICK_S = 0.05


@dataclass
class FakeReadiness:
    """A target whose waits and keys follow from what it refused."""

    name: str
    keys: int
    free_at_s: float = 0.0
    breaker: FakeBreaker = field(default_factory=FakeBreaker)
    latency: LatencyBook = field(default_factory=LatencyBook)

    def wait_s(self, now_s: float, estimate: int) -> float:
        return math.inf if self.keys <= 0 else max(0.0, self.free_at_s - now_s)


@dataclass
class Story:
    """What one race did."""

    end: Finish | GiveUp | None = None
    end_s: float = 0.0
    paid: int = 0
    """Starts that follow a failure that counts."""
    starts: list[tuple[int, float]] = field(default_factory=list)
    failures: list[tuple[int, CallError]] = field(default_factory=list)


outcomes = st.tuples(
    st.sampled_from([*KINDS, "answer"]),
    st.sampled_from([0.0, 0.1, 1.0, 7.0, 40.0]),
    st.sampled_from([None, 0.0, 0.5, 3.0, 1000.0]),
)

routes = st.builds(
    RaceSettings,
    patience=st.sampled_from(["interactive", "batch"]),
    deadline_after_s=st.sampled_from([None, 1.0, 30.0]),
    deadline_after_send_s=st.sampled_from([None, 20.0]),
    max_attempts=st.sampled_from([None, 1, 3]),
    fallback_on=st.sets(st.sampled_from(["bad_request", "context_too_long", "content_filtered"])).map(frozenset),
)


def play(
    targets: list[FakeReadiness],
    route: RaceSettings,
    script: list[tuple[Any, float, float | None]],
    *,
    seed: int,
    budget: RetryBudget,
    deadline_s: float | None = None,
) -> tuple[Story, Plan]:
    """Carry moves out as the driver does, on a clock of our own; once the script is over everything is answered."""
    now_s, steps, story = 0.0, iter(script), Story()
    plan = Plan(
        a_call(deadline_s=deadline_s),
        targets,
        settings=route,
        route=Route(budget=budget),
        rng=random.Random(seed),
        began_s=now_s,
    )
    for _ in range(10_000):
        move = plan.next(now_s)
        if isinstance(move, Finish | GiveUp):
            assert plan.next(now_s + 1e6) == move
            story.end, story.end_s = move, now_s
            return story, plan
        assert not isinstance(move, Cancel)
        if isinstance(move, WaitUntil):
            assert move.at_s > now_s
            now_s = move.at_s
            continue
        target = targets[move.target]
        story.paid += move.retry
        if target.keys <= 0:
            plan.failed(move.target, an_error("auth", target=target.name, sent=False), now_s)
            continue
        if wait_s := target.wait_s(now_s, 0):
            hard_s = plan.admission_deadline_s
            waited_s = wait_s if hard_s is None else min(wait_s, max(0.0, hard_s - now_s) + TICK_S)
            now_s += waited_s
            plan.waited(waited_s)
            if waited_s < wait_s:
                continue
        now_s = attempt(plan, story, target, move.target, next(steps, ("answer", 0.1, None)), now_s)
    raise AssertionError("the plan goes in circles")


def attempt(
    plan: Plan, story: Story, target: FakeReadiness, place: int, step: tuple[Any, float, float | None], now_s: float
) -> float:
    kind, takes_s, retry_after_s = step
    record = Attempt(id=f"a{len(story.starts)}", target=target.name)
    run = plan.started(record, place, now_s)
    story.starts.append((place, now_s))
    if plan.deadline_s is not None and now_s + takes_s > plan.deadline_s:
        record.outcome = "cancelled"
        return max(now_s, plan.deadline_s) + TICK_S
    now_s += takes_s
    if kind == "answer":
        record.outcome = "answered"
        plan.answered(record, run)
        return now_s
    error = an_error(kind, target=target.name, retry_after_s=retry_after_s)
    record.outcome, record.error_kind = "failed", kind
    if kind == "rate_limited":
        target.free_at_s = now_s + (retry_after_s or 0.0)
    if VERDICTS[error.kind].key_is_bad:
        target.keys -= 1
    story.failures.append((place, error))
    plan.failed(place, error, now_s, run)
    return now_s


worlds = st.fixed_dictionaries(
    {
        "targets": st.lists(st.integers(1, 2), min_size=1, max_size=3).map(
            lambda keys: [FakeReadiness(f"t{place}/x", count) for place, count in enumerate(keys)]
        ),
        "route": routes,
        "script": st.lists(outcomes, max_size=30),
        "seed": st.integers(0, 1000),
        "level": st.sampled_from([0.0, 1.0, 10.0]),
        "deadline_s": st.sampled_from([None, 0.0, 2.0, 50.0]),
    }
)


def played(world: dict[str, Any]) -> tuple[Story, Plan]:
    parts = {name: part for name, part in world.items() if name != "level"}
    return play(**parts, budget=RetryBudget(level=world["level"]))


@given(worlds)
@settings(max_examples=400)
def test_it_ends_once_and_never_later_than_the_deadline_and_one_tick(world: dict[str, Any]) -> None:
    story, plan = played(world)
    assert story.end is not None
    if plan.deadline_s is not None:
        assert story.end_s <= plan.deadline_s + 2 * TICK_S or isinstance(story.end, Finish)


@given(worlds)
@settings(max_examples=400)
def test_it_gives_up_only_when_nothing_is_left_to_try(world: dict[str, Any]) -> None:
    story, plan = played(world)
    if not isinstance(story.end, GiveUp):
        return
    route = world["route"]
    stopping = {kind for kind in KINDS if VERDICTS[kind].other_target == "when_told"} - route.fallback_on
    late = plan.deadline_s is not None and story.end_s >= plan.deadline_s - 1e-5
    told = any(error.kind in stopping for _, error in story.failures)
    # What one refused isn't brought to who doesn't know it; who failed only for now is asked again all the same.
    left = {where for where, _ in story.failures} if told else set(range(len(world["targets"])))
    out_of_tries = route.max_attempts is not None and plan.counted >= route.max_attempts
    assert late or out_of_tries or _all_ended(story, plan, left)


def _all_ended(story: Story, plan: Plan, places: set[int]) -> bool:
    """Each of the targets refused for good, or asked to come back after the deadline."""

    def ended(place: int) -> bool:
        errors = [error for where, error in story.failures if where == place]
        hard_s = math.inf if plan.admission_deadline_s is None else plan.admission_deadline_s
        return [error.kind for error in errors].count("empty") >= 2 or any(
            VERDICTS[error.kind].same_target == "never"
            or (error.retry_after_s and story.end_s + error.retry_after_s >= hard_s)
            for error in errors
        )

    return all(map(ended, places))


@given(worlds)
@settings(max_examples=400)
def test_a_permanent_error_is_never_tried_again_on_the_same_target(world: dict[str, Any]) -> None:
    story, _ = played(world)
    permanent = {
        kind for kind, verdict in VERDICTS.items() if verdict.same_target == "never" and not verdict.key_is_bad
    }
    for index, (place, error) in enumerate(story.failures):
        if error.kind in permanent:
            assert place not in [later for later, _ in story.starts[index + 1 :]]


@given(worlds)
@settings(max_examples=400)
def test_retries_of_an_interactive_call_never_exceed_the_budget(world: dict[str, Any]) -> None:
    story, plan = played(world)
    route = world["route"]
    if route.patience == "interactive" and plan.deadline_s is not None:
        # One at the last chance, and each target's only chance when nothing else is left.
        assert story.paid <= int(world["level"]) + 1 + len(world["targets"])


@given(worlds)
@settings(max_examples=300)
def test_every_attempt_is_told_and_has_ended(world: dict[str, Any]) -> None:
    story, plan = played(world)
    assert plan.requests_sent == len(story.starts)
    assert len(plan.attempts) == min(plan.requests_sent, ATTEMPTS_KEPT)
    assert all(attempt.outcome != "running" for attempt in plan.attempts)
    if isinstance(story.end, GiveUp):
        assert story.end.error.requests_sent == plan.requests_sent
        late = isinstance(story.end.error, DeadlineExceeded)
        assert late or story.end.error.last is not None


@given(worlds)
@settings(max_examples=200)
def test_the_same_seed_decides_the_same(world: dict[str, Any]) -> None:
    first, _ = played(copy.deepcopy(world))
    second, _ = played(copy.deepcopy(world))
    assert (first.starts, first.end_s) == (second.starts, second.end_s)


def test_a_start_names_its_target_and_whether_it_is_a_retry() -> None:
    plan = Plan(
        a_call(),
        [FakeReadiness("a/x", 1), FakeReadiness("b/x", 1)],
        settings=RaceSettings(),
        route=Route(),
        rng=random.Random(1),
        began_s=0.0,
    )
    assert plan.next(0.0) == Start(0, retry=False)
    run = plan.started(Attempt(id="1", target="a/x"), 0, 0.0)
    plan.failed(0, an_error("server_error", target="a/x"), 1.0, run)
    assert plan.next(1.0) == Start(1, retry=True, reason="fallback")
