"""Whether there is an answer wherever somebody can give one: the promise that all the others are for."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tests.fuzz.hosts import Host
from tests.fuzz.play import End, Story
from tests.fuzz.terms import attempts_of, counts, deadline_s
from tests.fuzz.worlds import Route, World

from penstock.errors import VERDICTS, Unanswered

__all__ = ["stops", "unanswered_for_no_reason"]

_PLENTY_S = 8.0
_LEAST_S = 1.5
_FEW = 8
"""Attempts beyond the first ones that a route's budget always has, however few of its calls were answered."""


def stops(route: Route, kind: str | None) -> bool:
    """Another target would say it as well, and the route doesn't say to ask it all the same."""
    return kind is not None and VERDICTS[kind].other_target == "when_told" and kind not in route.fallback_on  # type: ignore[index]


def unanswered_for_no_reason(story: Story) -> Iterator[str]:
    """With a sound target and time enough there is an answer, whatever the others do.

    Plenty of time is enough for the first two in any crowd. Where the budget can't be empty, as much as leaves the
    sound target its turn; then also a bound on attempts that leaves each target one.
    """
    world = story.world
    if world.jumps:
        return
    spare = {name: _has_spare(story, name) for name in world.routes}
    for end in story.ends.values():
        route = world.routes[end.caller.route]
        own_s = deadline_s(world, end)
        if not isinstance(end.error, Unanswered) or end.caller.is_batch or own_s is None or _was_stopped(end, route):
            continue
        if route.max_attempts is not None and not (spare[route.name] and route.max_attempts >= 2 * len(route.targets)):
            continue
        left_s = own_s - end.began_s
        # Whoever thinks about each event may be the one whom the deadline finds.
        is_sure = spare[route.name] and not end.caller.pause_s and not _may_be_slow(world, route, left_s)
        least_s = _LEAST_S if is_sure else _PLENTY_S
        # Without a budget a call has its first attempt and one more.
        targets = route.targets if spare[route.name] else route.targets[:2]
        if any(_is_enough(story, route, target, left_s, least_s) for target in targets):
            yield f"c{end.caller.number} got no answer although a sound target was there: {end.error!r}"


def _was_stopped(end: End, route: Route) -> bool:
    """The caller has a part of an answer that nobody may be able to continue, or another target would refuse too."""
    heard = end.completion is not None and end.completion.choices
    return bool(heard) or any(stops(route, attempt.error_kind) for attempt in attempts_of(end) or ())


def _may_be_slow(world: World, route: Route, left_s: float) -> bool:
    """Whether a target may write steadily and not be ready in time: it is trusted for as long as it writes."""
    hosts = [world.hosts[target.partition("/")[0]] for target in route.targets]
    return any(host.answers_within_s > left_s or _drips(host) for host in hosts)


def _drips(host: Host) -> bool:
    behaviours = [behaviour for _, scenario in host.phases for behaviour in scenario.models.values()]
    return any(fault.fault == "slow_drip" for behaviour in behaviours for fault in behaviour.faults)


def _has_spare(story: Story, route: str) -> bool:
    """Nothing that a call of the route wanted can have been refused for want of it."""
    ends = [end for end in story.ends.values() if end.caller.route == route]
    return sum(counts(attempt) for end in ends for attempt in (attempts_of(end) or ())[1:]) <= _FEW


def _is_enough(story: Story, route: Route, target: str, left_s: float, least_s: float) -> bool:
    """Whether a target is sound, and quick enough to answer in a quarter of the time, of which there is enough."""
    world: World = story.world
    host = world.hosts[target.partition("/")[0]]
    times = [float(value.removesuffix("s")) for value in route.extra["timeouts"].values()]
    return (
        host.is_sound
        and not (least_s < _PLENTY_S and story.opened.get(target))
        and left_s >= least_s
        and host.answers_within_s < min(left_s / 4, 0.9 * min(times, default=math.inf))
    )
