"""When a running attempt is late: late for its kind, silent, too slow, or too late for the deadline. Pure.

Three triggers start one more attempt beside the one that runs (docs/architecture.md, "The race"), and three bounds
end an attempt. The instants are asked anew at each look: what the latencies teach meanwhile counts for the calls that
already wait.
"""

from __future__ import annotations

import math

import msgspec

from penstock.call import Attempt
from penstock.errors import CallError
from penstock.fold import Fold
from penstock.race.hedging import HedgeBudget, HedgePlanner
from penstock.race.latency import Distribution, Latency
from penstock.race.settings import RaceSettings
from penstock.race.target import Breaker

__all__ = ["COLD_LOOK_S", "Hedges", "Triggers", "Try", "unfinished_error"]

COLD_LOOK_S = 0.25
"""How soon to ask again for a delay that isn't known yet."""

_SILENCE_S = 10.0
"""A silence that is too long for a target whose latencies nobody knows, where there is another one."""
_AS_SLOW = 1.5
"""Times the p95 of the slowest one that is known: after a call's first silence, for a target that nobody knows."""
_TYPICAL = 3.0
"""Times its median: a first silence that means something. p95 alone would start one more for every twentieth call."""
_SILENCE_LEAST_S = 1.0
"""What is shorter is no silence: a busy machine, or a queue."""
_STALL_LEAST_S = 3.0
_STALL_TIMES = 8.0
"""Times the attempt's own mean gap between tokens: it stalls."""
_OF_DEADLINE = 1 / 8
"""Of the time that a deadline leaves an attempt, what a stall may take at most before something is done about it."""
_LONGEST_STALL_S = 15.0
_FIRST_GAP_S = 0.5
"""The gap that a stream is thought to begin with: its first tokens say nothing of their pace."""
_ROUNDS = 24
_LONGEST_ROUND_S = 5.0
"""How many attempts beside its own silent ones a target gets for one call, and how far apart they are at most."""
_RATE_OVER_S = 10.0
_LIKELY = 0.5
_LEAST_PACE = 0.5
"""Tokens a second below which a stream isn't, where nobody knows its target's times."""
_LEAST_MARGIN_S = 0.1
_MARGIN = 0.05
_MOST_PLANNERS = 4096


class Try(msgspec.Struct, eq=False):
    """One attempt that runs: the plan and the driver share it."""

    record: Attempt | None
    """None for a call's first attempt, of which nobody wants to know yet: `attempt` makes it."""
    place: int
    started_s: float
    streams: bool
    ticket: int = 0
    """The breaker's."""
    latency: Latency | None = None
    """Where its times are noted, until they are."""
    latency_ticket: int = 0
    breaker: Breaker | None = None
    call_id: str = ""
    target: str = ""
    first_token_s: float | None = None
    heard_s: float | None = None
    """When something came last."""
    tokens: int = 0
    folded: Fold | None = None
    """What the race itself has read of it."""
    said_silent: bool = False
    """The breaker was told that it is silent."""
    rate_from: tuple[float, int] = (math.inf, 0)
    """An instant and the tokens that had come by then: where the least rate is measured from."""

    @property
    def attempt(self) -> Attempt:
        """Its record."""
        if self.record is None:
            self.record = Attempt(id=self.call_id + "-1", target=self.target)
        return self.record

    @property
    def last_token_s(self) -> float:
        return self.started_s if self.heard_s is None else self.heard_s

    @property
    def partial(self) -> str:
        """The text so far of an answer that the race reads itself, and nobody has yet."""
        return "" if self.folded is None else self.folded.text

    def token(self, now_s: float, tokens: int = 1) -> None:
        """Something that says something has come, so many events of it at once."""
        if self.first_token_s is None:
            self.first_token_s = now_s
            self.rate_from = (now_s, 0)
            if self.latency is not None:
                self.latency.first_token.observe(now_s - self.started_s, now_s, ticket=self.latency_ticket)
            if self.breaker is not None:
                self.breaker.heard(self.ticket, self.started_s, now_s, was_silent=self.said_silent)
                self.said_silent = False
        self.heard_s = now_s
        self.tokens += tokens

    def paused(self, seconds: float) -> None:
        """Nobody listened for so long."""
        self.heard_s = self.last_token_s + seconds
        self.rate_from = (self.rate_from[0] + seconds, self.rate_from[1])

    def came(self, now_s: float) -> None:
        """The whole answer is here."""
        latency = self.latency
        if latency is not None:
            latency.total.observe(now_s - self.started_s, now_s, ticket=self.latency_ticket)
            if self.streams and self.first_token_s is None:
                latency.first_token.observe(now_s - self.started_s, now_s, ticket=self.latency_ticket)
            self.latency = None

    def was_cut(self, now_s: float) -> None:
        """It ended otherwise: what it would have taken is longer than its age."""
        latency = self.latency
        if latency is not None:
            age_s = now_s - self.started_s
            latency.total.censored(age_s, now_s, ticket=self.latency_ticket)
            if self.streams and self.first_token_s is None:
                latency.first_token.censored(age_s, now_s, ticket=self.latency_ticket)
            self.latency = None


def unfinished_error(runs: list[Try]) -> CallError:
    """What attempts that still run at the deadline came to: the error of the one with the most text, else the last."""
    run = max(runs, key=lambda run: (len(run.partial), run.started_s))
    text, target = run.partial, run.attempt.target
    if text:
        why = f"unfinished at the deadline, after {len(text)} characters"
        return CallError("timeout", why, target=target, partial=text)
    why = "silent until the deadline" if run.first_token_s is None else "unfinished at the deadline"
    return CallError("timeout", why, target=target)


class Hedges:
    """What all calls of a route share of hedging: the budget, and the delay for each pair of targets."""

    __slots__ = ("_planners", "_share", "budget")

    def __init__(self, share: float = 0.05) -> None:
        self.budget = HedgeBudget(share)
        self._share = share
        self._planners: dict[tuple[int, int], HedgePlanner] = {}

    def delay_s(self, first: Distribution, second: Distribution, now_s: float) -> tuple[float, float]:
        """How old an attempt at the first target is when a hedge at the second pays, inf while it doesn't; and the
        instant until which that holds."""
        pair = (id(first), id(second))
        planner = self._planners.get(pair)
        if planner is None:
            if len(self._planners) >= _MOST_PLANNERS:
                self._planners.clear()
            # The planner keeps both distributions, so that their ids stay theirs.
            planner = self._planners[pair] = HedgePlanner(first, second, share=self._share)
        return planner.delay_s(now_s), planner.holds_until_s


class Triggers:
    """The instants of one call. `latencies` are those of its targets for its kind."""

    __slots__ = ("_hedges", "_latencies", "_settings")

    def __init__(self, settings: RaceSettings, latencies: list[Latency], hedges: Hedges) -> None:
        self._settings = settings
        self._latencies = latencies
        self._hedges = hedges

    # Bounds: the attempt fails.

    def fails_at(self, run: Try, now_s: float) -> tuple[float, str]:
        """When the attempt fails unless it goes on before, and what to say then."""
        settings = self._settings
        if not run.streams:
            return math.inf, ""
        if run.first_token_s is None:
            first_s = settings.first_token_s or settings.first_token_last_s
            return run.started_s + first_s, f"no first token within {first_s:g} s"
        at_s, why = math.inf, ""
        if settings.between_tokens_s is not None:
            at_s = run.last_token_s + settings.between_tokens_s
            why = f"the stream stalled: {settings.between_tokens_s:g} s without a token"
        if settings.min_tokens_per_s > 0.0:
            from_s, tokens = run.rate_from
            if now_s >= from_s + _RATE_OVER_S:
                rate = (run.tokens - tokens) / (now_s - from_s)
                if rate < settings.min_tokens_per_s:
                    return now_s, f"{rate:.3g} tokens/s over {now_s - from_s:.3g} s"
                run.rate_from = (now_s, run.tokens)
            at_s = min(at_s, run.rate_from[0] + _RATE_OVER_S)
        return at_s, why

    # Triggers: one more attempt starts beside it.

    def hedge_at_s(self, run: Try, second: int, now_s: float) -> tuple[float, float]:
        """When a hedge at the place `second` pays, inf while it is unknown whether it does; and when to ask again."""
        hedge = self._settings.hedge
        if hedge == "off":
            return math.inf, math.inf
        if hedge != "auto":
            return run.started_s + hedge, math.inf
        if run.streams:
            if run.first_token_s is not None:
                return math.inf, math.inf
            pair = self._latencies[run.place].first_token, self._latencies[second].first_token
        else:
            pair = self._latencies[run.place].total, self._latencies[second].total
        delay_s, holds_until_s = self._hedges.delay_s(*pair, now_s)
        return run.started_s + delay_s, max(holds_until_s, now_s + COLD_LOOK_S)

    def quiet_at_s(self, run: Try, now_s: float, *, again: bool, alone: bool, deadline_s: float | None = None) -> float:
        """When the attempt counts as silent. `again`: others of the call were silent before; `alone`: one target."""
        if not run.streams:
            return math.inf
        if run.first_token_s is not None:
            return _stall_s(run, _STALL_LEAST_S, deadline_s, _OF_DEADLINE)
        first = self._latencies[run.place].first_token
        p95_s = first.quantile_s(0.95, now_s)
        if p95_s == math.inf:
            if alone:
                return math.inf
            return run.started_s + (min(_SILENCE_S, _AS_SLOW * self._others_p95_s(now_s)) if again else _SILENCE_S)
        if again:
            return run.started_s + p95_s
        delay_s = max(_SILENCE_LEAST_S, p95_s, _TYPICAL * first.quantile_s(0.5, now_s))
        return run.started_s + (delay_s if alone else min(delay_s, max(_SILENCE_S, 1.5 * p95_s)))

    def _others_p95_s(self, now_s: float) -> float:
        """Of the slowest target whose first tokens are known; inf when none is."""
        known = (latency.first_token.quantile_s(0.95, now_s) for latency in self._latencies)
        return max((p95_s for p95_s in known if p95_s < math.inf), default=math.inf)

    def breaks_at_s(self, run: Try, deadline_s: float) -> float:
        """When a stream in its caller's hands has stalled for so long that it had better go on elsewhere."""
        if self._settings.on_break != "recover" or run.first_token_s is None:
            return math.inf
        return _stall_s(run, _LONGEST_STALL_S, deadline_s, 2 * _OF_DEADLINE)

    def again_at_s(self, runs: list[Try], deadline_s: float | None) -> float:
        """When a target may be asked beside its own silent attempts: each time after twice as long, up to a bound."""
        first_s, last_s = runs[0].started_s, runs[-1].started_s
        round_s = _LONGEST_ROUND_S if deadline_s is None else min(_LONGEST_ROUND_S, (deadline_s - first_s) / _ROUNDS)
        return last_s + min(round_s, last_s - first_s)

    def late_at_s(self, runs: list[Try], place: int, deadline_s: float, now_s: float) -> float:
        """The last moment at which the target at `place` can still answer before the deadline; inf when it can't.

        While one of `runs` streams and may well be in time it is inf too, to be asked again.
        """
        at_s = self._last_moment_s(runs[-1], place, deadline_s, now_s)
        streaming = [run for run in runs if run.first_token_s is not None and not run.said_silent]
        if now_s < at_s or not streaming:
            return at_s
        usual_s = self._usual_s(place, now_s)
        if usual_s == math.inf:
            # Who isn't known is taken to be no quicker.
            usual_s = self._usual_s(streaming[-1].place, now_s)
        if usual_s != math.inf and now_s > deadline_s - usual_s:
            return math.inf
        return math.inf if any(self._is_trusted(run, deadline_s, now_s) for run in streaming) else at_s

    def _last_moment_s(self, run: Try, place: int, deadline_s: float, now_s: float) -> float:
        total = self._latencies[place].total
        needs_s = total.quantile_s(0.95, now_s)
        if needs_s == math.inf:
            return run.started_s + (deadline_s - run.started_s) / 2
        at_s = deadline_s - needs_s - max(_LEAST_MARGIN_S, _MARGIN * needs_s)
        # A deadline that is short for everyone is no reason to ask everybody twice at once.
        usual_s = self._usual_s(run.place, now_s)
        least_s = run.started_s + (0.0 if usual_s == math.inf else 1.5 * usual_s)
        if at_s >= least_s:
            return at_s
        return least_s if least_s < deadline_s - self._usual_s(place, now_s) else math.inf

    def _usual_s(self, place: int, now_s: float) -> float:
        return self._latencies[place].total.quantile_s(0.5, now_s)

    def _is_trusted(self, run: Try, deadline_s: float, now_s: float) -> bool:
        """Whether an attempt whose tokens come is more likely in time than late, as its age and others' times say."""
        began_s, first_s = run.started_s, run.first_token_s
        late = self._latencies[run.place].total.chance_beyond(deadline_s - began_s, now_s - began_s, now_s)
        if late is not None:
            return late < _LIKELY
        return first_s is not None and run.tokens >= _LEAST_PACE * (now_s - first_s)


def _stall_s(run: Try, least_s: float, deadline_s: float | None, share: float) -> float:
    """When a stream that had begun has stalled: eight of its own gaps after its last token, `least_s` at least.

    With a deadline `share` of the attempt's time is enough, and twice that share too much.
    """
    assert run.first_token_s is not None
    pause_s = _STALL_TIMES * (run.last_token_s - run.first_token_s + _FIRST_GAP_S) / max(1, run.tokens)
    if deadline_s is None:
        return run.last_token_s + max(least_s, pause_s)
    some_s = share * max(0.0, deadline_s - run.started_s)
    return run.last_token_s + min(max(min(least_s, some_s), pause_s), 2 * some_s)
