"""Whether what was spent beyond first attempts had been paid for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

from tests.fuzz.play import End, Story
from tests.fuzz.terms import EPSILON_S, attempts_of, counts, deadline_s
from tests.fuzz.truthfulness import paired
from tests.fuzz.wires import Sent
from tests.fuzz.worlds import Route

from penstock.call import Attempt

__all__ = ["overspent"]


def overspent(story: Story) -> Iterator[str]:
    """Retries and fallbacks are paid for by successes, but for two last chances a call; hedges by first attempts."""
    for route in story.world.routes.values():
        ends = [end for end in story.ends.values() if end.caller.route == route.name]
        patient = [end for end in ends if not end.caller.is_batch]
        beyond = sum(sum(map(_was_extra, attempts_of(end) or ())) for end in patient)
        allowed = 10 + 0.5 * sum(end.how == "answered" for end in ends) + 2 * len(patient) + _probes(story, route)
        if beyond > allowed:
            yield f"route {route.name} spent {beyond} retries, {allowed:g} were paid for"
        hedges = sum(attempt.hedge for end in ends for attempt in attempts_of(end) or ())
        most = _most_hedges(route, len(ends))
        if hedges > most:
            yield f"route {route.name} spent {hedges} hedges, {most:g} were paid for"
        if any(_hedges_of(end) > 1 for end in ends):
            yield f"route {route.name} hedged one answer twice"
        if not any(story.opened.get(target) for target in route.targets):
            yield from _never_overdrawn(story, route, ends)


def _never_overdrawn(story: Story, route: Route, ends: list[End]) -> Iterator[str]:
    """The bucket of a route whose targets were never down, as full as it can have been at each instant."""
    entries: list[tuple[float, float, str]] = []
    for end in ends:
        if end.how != "unanswered":
            entries.append((end.ended_s, 0.5, ""))
        entries += [(sent.at_s, -1.0, f"request {sent.number}") for sent in _paid_for(story, end)]
    level = 10.0
    # What comes in the same instant is taken to have come in the best order.
    for _, together in groupby(sorted(entries), key=lambda entry: entry[0]):
        changes = list(together)
        level = min(10.0, level + sum(change for _, change, _ in changes))
        if level < 0.0:
            yield f"{changes[0][2]} is a retry that nothing on route {route.name} had paid for"
            return


def _paid_for(story: Story, end: End) -> list[Sent]:
    """The retries of a call that were certainly paid for, and what resumes a broken stream at a target that the call
    knows: one is free, after a third of the call's time."""
    own_s = deadline_s(story.world, end)
    if end.caller.is_batch or own_s is None:
        return []
    retries: list[Sent] = []
    tried: set[str] = set()
    for attempt, sent in paired(story, end):
        again = attempt.reason == "retry" or (attempt.reason == "resume" and attempt.target in tried)
        tried.add(attempt.target)
        if sent is not None and again and counts(attempt):
            retries.append(sent)
    free_from_s = end.began_s + 0.3 * (own_s - end.began_s) - EPSILON_S
    late = [sent for sent in retries if sent.at_s >= free_from_s]
    return [sent for sent in retries if sent.at_s < free_from_s] + late[1:]


def _probes(story: Story, route: Route) -> float:
    """A target that is down is asked about once a second, and one that comes back by as many as it bears."""
    if not any(story.opened.get(target) for target in route.targets):
        return 0.0
    asked = [sent.at_s for sent in story.sent if sent.target in route.targets]
    return 50.0 + 1.5 * (max(asked) - min(asked))


def _was_extra(attempt: Attempt) -> bool:
    return counts(attempt) and attempt.reason in ("retry", "fallback", "resume")


def _hedges_of(end: End) -> int:
    """Beyond one for each stream that an answer took."""
    attempts = attempts_of(end) or ()
    return sum(attempt.hedge for attempt in attempts) - sum(attempt.reason == "resume" for attempt in attempts)


def _most_hedges(route: Route, calls: int) -> float:
    """A quarter of the bucket at first, and a bit over its share of the first attempts."""
    hedge = route.extra.get("hedge", "off")
    if hedge == "off":
        return 0.0
    if hedge != "auto":
        return math.inf
    share: float = route.extra.get("hedge_budget", 0.05)
    return min(max(2000.0 * share, 20.0), 100.0) / 4 + 1.2 * share * calls
