"""What must hold in every schedule: from a story to complaints, each a sentence; no complaint is the good news."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from tests.fuzz.answering import stops, unanswered_for_no_reason
from tests.fuzz.budgets import overspent
from tests.fuzz.play import End, Story
from tests.fuzz.rightness import wrong_text
from tests.fuzz.terms import EPSILON_S, asked_by, attempts_of, counts, deadline_s
from tests.fuzz.truthfulness import paired, untrue_attempts
from tests.fuzz.wires import Sent
from tests.fuzz.worlds import World

from penstock.call import Attempt
from penstock.errors import VERDICTS, DeadlineExceeded, Unanswered

__all__ = ["complaints"]

_TICK_S = 0.05
"""How late an end may be."""
_LEAVING = {"cancelled": "cancel", "timeout": "timeout"}
_ASIDE_S = 60.0
"""A refused key isn't tried again sooner."""
_PERMANENT = (400, 404, 413, 422)


def complaints(story: Story) -> list[str]:
    """Everything that is wrong with a story."""
    found = []
    if story.crash is not None:
        found.append(f"crashed: {story.crash!r}")
    found += story.remains
    if story.crash is None:
        for rule in _RULES:
            found += rule(story)
    return found


# -- every caller gets one end, in time


def _one_end(story: Story) -> Iterator[str]:
    for caller in story.world.callers:
        end = story.ends.get(caller.number)
        if end is None or end.ends != 1:
            yield f"c{caller.number} has {0 if end is None else end.ends} ends"
        elif end.how in ("unheard", "error") or (end.how in _LEAVING and caller.leaves != _LEAVING[end.how]):
            yield f"c{caller.number} ended {end.how}: {end.error!r}"
        elif end.cancelling and caller.leaves != "cancel":
            yield f"the task of c{caller.number} believes that it is cancelled"


def _in_time(story: Story) -> Iterator[str]:
    world = story.world
    for end in story.ends.values():
        who = f"c{end.caller.number}"
        own_s = deadline_s(world, end)
        if own_s is not None:
            for asked_s, ended_s in end.waits:
                late_s = ended_s - _after_leaps(world, max(own_s, asked_s) + _TICK_S)
                if late_s > EPSILON_S:
                    yield f"{who}, which ended {end.how}, waited until {late_s:.3f} s after its deadline"
        if end.caller.leaves:
            late_s = end.ended_s - _after_leaps(world, end.began_s + end.caller.leaves_after_s)
            if late_s > EPSILON_S:
                yield f"{who} ended {end.how} {late_s:.3f} s after it had left"


def _after_leaps(world: World, bound_s: float) -> float:
    """Nobody can be punctual while the clock leaps."""
    for at_s, by_s in world.jumps:
        if at_s - _TICK_S <= bound_s <= at_s + by_s + _TICK_S:
            bound_s = at_s + by_s + _TICK_S
    return bound_s


def _batch_in_time(story: Story) -> Iterator[str]:
    """A batch's own time counts from the first send, waits at limits excluded: exactly so where nobody waits."""
    world = story.world
    if any(host.is_limited for host in world.hosts.values()) or any(sent.status in (429, 503) for sent in story.sent):
        return
    for end in story.ends.values():
        for asked_s, ended_s in end.waits:
            late_s = ended_s - _after_leaps(world, max(_batch_own_s(story, end), asked_s) + _TICK_S)
            if late_s > EPSILON_S:
                yield f"c{end.caller.number}, of a batch, waited until {late_s:.3f} s after its time"


# -- giving up only for a reason


def _given_up_for_a_reason(story: Story) -> Iterator[str]:
    for end in story.ends.values():
        if not isinstance(end.error, Unanswered):
            continue
        own_s = deadline_s(story.world, end)
        passed = own_s is not None and end.ended_s >= own_s - EPSILON_S
        passed = passed or end.ended_s >= _batch_own_s(story, end) - EPSILON_S
        if isinstance(end.error, DeadlineExceeded):
            if own_s is not None and not passed and not end.caller.is_batch:
                yield f"c{end.caller.number}: the deadline is said to have passed {own_s - end.ended_s:.3f} s too early"
        elif not passed and not _may_give_up(story.world, end, end.error):
            yield f"c{end.caller.number} was given up without a reason: {end.error!r}"


def _batch_own_s(story: Story, end: End) -> float:
    """When the time of a batch's call is over at the earliest: waits at limits come on top. inf for any other."""
    manner, sent = end.caller.manner, asked_by(story, end.caller.number)
    own_s = None if manner is None else manner.deadline_s or story.world.routes[end.caller.route].deadline_s
    return math.inf if own_s is None or not sent else sent[0].at_s + own_s


def _may_give_up(world: World, end: End, error: Unanswered) -> bool:
    route, last = world.routes[end.caller.route], error.last
    if last is None:
        return False
    counted = sum(counts(attempt) for attempt in error.attempts)
    if route.max_attempts is not None and counted >= route.max_attempts:
        return True
    if end.completion is not None and end.completion.choices:
        # It broke after the caller had some of it.
        return True
    left_s = (deadline_s(world, end) or math.inf) - end.ended_s
    tried = {attempt.target for attempt in error.attempts}
    told = any(stops(route, attempt.error_kind) for attempt in error.attempts)
    # What one refused for good isn't brought to who doesn't know it.
    targets = [target for target in route.targets if target in tried or not told]
    return all(_is_ended(world, target, error, left_s) for target in targets)


def _is_ended(world: World, target: str, error: Unanswered, left_s: float) -> bool:
    """Whether there is a reason not to ask `target` again before the deadline."""
    host = world.hosts[target.partition("/")[0]]
    here = [attempt for attempt in error.attempts if attempt.target == target]
    kinds = [attempt.error_kind for attempt in here]
    if any(kind is not None and VERDICTS[kind].same_target == "never" and _counts_kind(kind) for kind in kinds):  # type: ignore[index]
        return True
    if kinds.count("empty") >= 2:
        return True
    if len(host.good_keys) < len(host.keys) and (not host.good_keys or {"auth", "quota_exhausted"} & set(kinds)):
        # Others may have found that a key is bad, or have taken the good one's place.
        return True
    if host.refuses_tokens and (not here or "too_big_for_limit" in (*kinds, error.last and error.last.kind)):
        return True
    return any(_asked_wait_s(attempt) >= left_s - EPSILON_S for attempt in here)


def _counts_kind(kind: str) -> bool:
    return kind not in ("auth", "quota_exhausted")


def _asked_wait_s(attempt: Attempt) -> float:
    """What the target asked to wait, as its error's text says."""
    _, found, rest = (attempt.error or "").rpartition(", retry in ")
    return float(rest.split(" ", 1)[0]) if found else 0.0


# -- nothing is asked for nothing


def _no_attempt_outlives_its_race(story: Story) -> Iterator[str]:
    for sent in story.sent:
        end = story.ends[sent.caller]
        if sent.at_s > end.ended_s + EPSILON_S:
            yield f"request {sent.number} was sent {sent.at_s - end.ended_s:.3f} s after c{sent.caller} had ended"
        elif sent.ended_s is not None and sent.ended_s > end.ended_s + EPSILON_S:
            yield f"request {sent.number} outlived c{sent.caller} by {sent.ended_s - end.ended_s:.3f} s"


def _never_sent_too_late(story: Story) -> Iterator[str]:
    for sent in story.sent:
        own_s = deadline_s(story.world, story.ends[sent.caller])
        if own_s is not None and sent.at_s >= own_s + _TICK_S:
            yield f"request {sent.number} was sent after the deadline of c{sent.caller}"


def _permanent_errors_are_final(story: Story) -> Iterator[str]:
    refused: dict[tuple[int, str, bytes], Sent] = {}
    for sent in story.sent:
        first = refused.get((sent.caller, sent.target, sent.body))
        if first is not None and first.ended_s is not None and sent.at_s >= first.ended_s:
            yield f"request {sent.number} asks {sent.target} again what it refused for good"
        if sent.status in _PERMANENT:
            refused.setdefault((sent.caller, sent.target, sent.body), sent)


def _empty_twice_is_enough(story: Story) -> Iterator[str]:
    for end in story.ends.values():
        empty: dict[str, list[float]] = {}
        for attempt, sent in paired(story, end):
            if sent is None or sent.ended_s is None:
                continue
            before = empty.setdefault(attempt.target, [])
            if sum(ended_s < sent.at_s - EPSILON_S for ended_s in before) >= 2:
                yield f"request {sent.number} asks {attempt.target} again, which answered with nothing twice"
            if attempt.error_kind == "empty":
                before.append(sent.ended_s)


def _stopping_errors_stop(story: Story) -> Iterator[str]:
    """What another target would say as well isn't brought to a new one, unless the route names it in `fallback_on`.

    Not of the attempts that ran beside it; those that failed only for now are asked again.
    """
    for end in story.ends.values():
        route = story.world.routes[end.caller.route]
        over_s, tried = math.inf, set[str]()
        for attempt, sent in paired(story, end):
            if sent is not None and sent.at_s > over_s + EPSILON_S and attempt.target not in tried:
                yield f"request {sent.number} follows what was to stop c{end.caller.number}"
            tried.add(attempt.target)
            if stops(route, attempt.error_kind) and sent is not None and not _was_beside_others(story, sent):
                over_s = min(over_s, sent.ended_s or math.inf)


def _was_beside_others(story: Story, sent: Sent) -> bool:
    """Whether others of its caller ran when it ended."""
    over_s = sent.ended_s or math.inf
    return any(
        other is not sent and other.at_s <= over_s <= (other.ended_s or math.inf)
        for other in asked_by(story, sent.caller)
    )


def _bad_keys_are_set_aside(story: Story) -> Iterator[str]:
    bad: dict[tuple[str, str], float] = {}
    rotated = {name: at_s for at_s, name in story.world.rotations}
    for sent in story.sent:
        name = sent.target.partition("/")[0]
        since_s = bad.get((name, sent.key))
        if (
            since_s is not None
            and since_s < sent.at_s < since_s + _ASIDE_S
            and not since_s <= rotated.get(name, -1.0) <= sent.at_s
        ):
            yield f"request {sent.number} uses a key that {name} refused before"
        if sent.key in story.world.hosts[name].keys and sent.ended_s is not None and _is_bad(story.world, name, sent):
            bad[name, sent.key] = sent.ended_s


def _is_bad(world: World, name: str, sent: Sent) -> bool:
    return sent.status in (401, 403, 429) and sent.key not in world.hosts[name].good_keys


def _refusals_freeze(story: Story) -> Iterator[str]:
    """Nobody else on that key has to find out alone."""
    until: dict[tuple[str, str], tuple[float, float]] = {}
    for sent in story.sent:
        since_s, until_s = until.get((sent.target, sent.key), (math.inf, 0.0))
        if since_s + EPSILON_S < sent.at_s < until_s - EPSILON_S:
            yield f"request {sent.number} was sent {until_s - sent.at_s:.3f} s before {sent.target} lets anybody in"
        if sent.status == 429 and sent.retry_after_s is not None and sent.ended_s is not None:
            until[sent.target, sent.key] = sent.ended_s, sent.ended_s + sent.retry_after_s


def _ceilings_hold(story: Story) -> Iterator[str]:
    """Never more at once than the configuration allows, nor more in a minute."""
    for name, host in story.world.hosts.items():
        for target in {sent.target for sent in story.sent}:
            if target.partition("/")[0] != name:
                continue
            sent = [one for one in story.sent if one.target == target]
            most = host.limits.get("concurrency")
            if most is not None and (peak := _peak(sent)) > most:
                yield f"{target} had {peak} requests at once, {most} are allowed"
            rpm = host.limits.get("rpm")
            let_in = [one for one in sent if one.status != 429 and one.end != "transport refused"]
            if rpm is not None and (rate := _most_in_a_minute(let_in)) > (rpm + 1) * max(1, len(host.keys)):
                yield f"{target} had {rate} requests in a minute, {rpm} are allowed"


def _peak(sent: list[Sent]) -> int:
    changes = sorted([(one.at_s, 1) for one in sent] + [(one.ended_s, -1) for one in sent if one.ended_s is not None])
    now = peak = 0
    for _, change in changes:
        now += change
        peak = max(peak, now)
    return peak


def _most_in_a_minute(sent: list[Sent]) -> int:
    most = start = 0
    for number, one in enumerate(sent):
        while sent[start].at_s <= one.at_s - 60.0:
            start += 1
        most = max(most, number - start + 1)
    return most


def _attempts_are_counted(story: Story) -> Iterator[str]:
    for end in story.ends.values():
        most = story.world.routes[end.caller.route].max_attempts
        attempts = attempts_of(end)
        if most is not None and attempts is not None and (count := sum(map(counts, attempts))) > most:
            yield f"c{end.caller.number} had {count} attempts, {most} are allowed"


def _one_after_the_other(story: Story) -> Iterator[str]:
    """What follows a failure waits for it; only what is meant to runs beside another attempt."""
    for end in story.ends.values():
        busy_until_s = -math.inf
        for attempt, sent in paired(story, end):
            if sent is None or sent.ended_s is None:
                continue
            beside = attempt.reason in ("hedge", "silent", "late")
            if not beside and sent.at_s < busy_until_s - EPSILON_S:
                yield f"request {sent.number}, a {attempt.reason}, began beside another one of c{sent.caller}"
            busy_until_s = max(busy_until_s, sent.ended_s)


# -- in order


def _fallbacks_in_order(story: Story) -> Iterator[str]:
    """Of the targets that a call hasn't tried, a sound one isn't passed over."""
    for end in story.ends.values():
        targets = story.world.routes[end.caller.route].targets
        tried: set[str] = set()
        for attempt, sent in paired(story, end):
            if attempt.reason == "fallback" and attempt.target in targets:
                passed = [target for target in targets[: targets.index(attempt.target)] if target not in tried]
                sound = [target for target in passed if _was_sound(story, target)]
                if sound:
                    yield f"{attempt.id} passes {sound[0]} over{'' if sent is None else f', request {sent.number}'}"
            tried.add(attempt.target)


def _was_sound(story: Story, target: str) -> bool:
    return story.world.hosts[target.partition("/")[0]].is_sound and not story.opened.get(target)


def _in_order(story: Story) -> Iterator[str]:
    """A route's first target is asked first when nothing is wrong with it."""
    asked = set()
    for sent in story.sent:
        route = story.world.routes[story.ends[sent.caller].caller.route]
        first = route.targets[0]
        is_sound = story.world.hosts[first.partition("/")[0]].is_sound
        if sent.caller not in asked and is_sound and sent.target != first:
            yield f"request {sent.number}, the first of c{sent.caller}, went to {sent.target}, not to {first}"
        asked.add(sent.caller)


_RULES: tuple[Callable[[Story], Iterator[str]], ...] = (
    _one_end,
    _in_time,
    _batch_in_time,
    wrong_text,
    _given_up_for_a_reason,
    _no_attempt_outlives_its_race,
    _never_sent_too_late,
    _permanent_errors_are_final,
    _empty_twice_is_enough,
    _stopping_errors_stop,
    _bad_keys_are_set_aside,
    _refusals_freeze,
    _ceilings_hold,
    _attempts_are_counted,
    overspent,
    _one_after_the_other,
    unanswered_for_no_reason,
    _fallbacks_in_order,
    _in_order,
    untrue_attempts,
)
