"""What is noted of each attempt: in its own record, the live counts, the target's health and latencies, the budgets."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from penstock.call import Attempt, Call, Completion, Usage
from penstock.errors import CallError, Unanswered
from penstock.race.moves import Start
from penstock.race.route import Route
from penstock.race.stats import MOST_FRESH, RaceStats, TargetStats
from penstock.race.target import Ending, Target
from penstock.race.telling import Teller
from penstock.race.triggers import Try

__all__ = ["Books"]


class Books:
    """One race's accounts. `first_s` is always the instant of the call's first send."""

    __slots__ = ("_bills", "_counts", "_route", "_targets", "stats", "tell")

    def __init__(self, targets: Sequence[Target], route: Route, stats: RaceStats, tell: Teller) -> None:
        self._targets = targets
        self._counts: tuple[TargetStats, ...] = tuple(stats.target(target.name) for target in targets)
        self._bills = tuple(target.bill for target in targets)
        self._route = route
        self.stats = stats
        self.tell = tell

    def started(self, call: Call, attempt: Attempt, place: int, now_s: float) -> int:
        """An attempt is sent. Returns the breaker's ticket."""
        if self.tell.listens():
            self.tell.attempt_started(call, attempt)
        self._counts[place].started += 1
        return self._targets[place].breaker.started(now_s)

    def sent(self, place: int, now_s: float) -> int:
        """As `started`, of what was told already."""
        self._counts[place].started += 1
        return self._targets[place].breaker.started(now_s)

    def chosen(self, move: Start) -> None:
        """The plan made a move that isn't a call's first."""
        stats = self.stats
        if move.retry:
            stats.retries += 1
        elif move.reason == "hedge":
            stats.hedges += 1
        elif move.reason in ("silent", "late"):
            stats.reserves += 1

    def used(self, call: Call, attempt: Attempt, place: int, usage: Usage | None) -> None:
        """What an attempt's answer came to."""
        counts = self._counts[place]
        attempt.usage = usage
        counts.tokens.add(usage)
        bill = self._bills[place]
        if bill is not None:
            cost = bill.estimate(call, 0) if usage is None else bill.cost(call, usage, "")
            attempt.cost_usd = cost
            counts.spending.add(cost)
            self._route.spending.add(cost)

    def told(self, attempt: Attempt, place: int, usage: Usage | None) -> None:
        """What a stream said of its tokens before it was cut."""
        attempt.usage = usage
        self._counts[place].tokens.add(usage)

    def _cut(self, call: Call, run: Try) -> None:
        """An attempt ended before its end and cost something all the same: estimated, where its usage wasn't told."""
        attempt, bill = run.attempt, self._bills[run.place]
        if bill is None:
            return
        usage = attempt.usage
        if usage is None:
            attempt.cost_usd = bill.estimate(call, run.tokens)
        else:
            some = msgspec.structs.replace(usage, output_tokens=max(usage.output_tokens, run.tokens))
            attempt.cost_usd = bill.cost(call, some, "")
        self._counts[run.place].spending.add(attempt.cost_usd)
        self._route.spending.add(attempt.cost_usd)

    def won(self, call: Call, reply: Completion, run: Try, now_s: float, first_s: float) -> None:
        """An answer in one piece is here, and it is the call's: `was_good`, `used` and `answered` at once."""
        # Written out: for a call that nothing happens to, going there would cost as much as what is done.
        attempt, place = run.attempt, run.place
        counts, route = self._counts[place], self._route
        counts.last_answer_s = now_s
        counts.answered += 1
        breaker = self._targets[place].breaker
        breaker.ended(run.ticket, run.started_s, now_s, "good", was_silent=run.said_silent)
        attempt.ended_s = now_s - first_s
        attempt.status = 200
        attempt.outcome = "answered"
        attempt.request_id = reply.request_id
        usage = attempt.usage = reply.usage
        if usage is not None:
            counts.tokens.add(usage)
        bill = self._bills[place]
        if bill is not None:
            attempt.cost_usd = cost = bill.estimate(call, 0) if usage is None else bill.cost(call, usage, reply.model)
            if cost is None:
                counts.spending.unpriced += 1
                route.spending.unpriced += 1
            else:
                counts.spending.known_usd += cost
                route.spending.known_usd += cost
        self.stats.answered += 1
        route.answered()
        if self.tell.listens():
            self.tell.answered(call, attempt)

    def won_plainly(
        self,
        call: Call,
        reply: Completion,
        ticket: int,
        began_s: float,
        now_s: float,
        first_token_s: float | None = None,
    ) -> Completion:
        """As `won`, of a call's first attempt that nobody was told of: the reply with all that is known of it."""
        target, counts, route, stats = self._targets[0], self._counts[0], self._route, self.stats
        target.breaker.ended(ticket, began_s, now_s, "good")
        counts.last_answer_s = now_s
        counts.answered += 1
        stats.answered += 1
        usage, bill, cost = reply.usage, self._bills[0], None
        if usage is not None:
            # As `TokenCount.add`.
            fresh = counts.tokens.fresh
            fresh.append(usage)
            if len(fresh) >= MOST_FRESH:
                counts.tokens.sum_up()
        if bill is not None:
            cost = bill.estimate(call, 0) if usage is None else bill.cost(call, usage, reply.model)
            if cost is None:
                counts.spending.unpriced += 1
                route.spending.unpriced += 1
            else:
                counts.spending.known_usd += cost
                route.spending.known_usd += cost
        route.answered()
        name, took_s = target.name, now_s - began_s
        # Made at once: a record that is filled in bit by bit costs twice that.
        attempt = Attempt(
            id=call.id + "-1",
            target=name,
            ended_s=took_s,
            first_token_s=first_token_s,
            status=200,
            outcome="answered",
            request_id=reply.request_id,
            usage=usage,
            cost_usd=cost,
        )
        reply.target = name
        reply.attempts = (attempt,)
        reply.requests_sent = 1
        reply.latency_s = took_s
        reply.cost_usd = cost
        return reply

    def answered(self, call: Call, attempt: Attempt, place: int) -> None:
        """The whole answer is here, and it is the call's."""
        attempt.outcome = "answered"
        self._counts[place].answered += 1
        self.stats.answered += 1
        self._route.answered()
        if self.tell.listens():
            self.tell.answered(call, attempt)

    def was_good(self, place: int, ticket: int, started_s: float, now_s: float, *, was_silent: bool = False) -> None:
        """The target did well."""
        self._counts[place].last_answer_s = now_s
        self._targets[place].breaker.ended(ticket, started_s, now_s, "good", was_silent=was_silent)

    def failed(self, call: Call, run: Try, error: CallError, now_s: float, first_s: float) -> None:
        """An attempt came to nothing."""
        attempt = run.attempt
        attempt.outcome = "failed"
        attempt.ended_s = now_s - first_s
        if run.first_token_s is not None:
            attempt.first_token_s = run.first_token_s - first_s
        attempt.status = error.status
        attempt.error_kind = error.kind
        attempt.error = str(error)
        attempt.request_id = error.request_id
        if error.is_free:
            attempt.cost_usd = 0.0
        else:
            self._cut(call, run)
        self._counts[run.place].failed(error)
        if error.kind == "rate_limited":
            self.stats.refusals += 1
        ending: Ending = "bad" if error.verdict.breaker else "neutral"
        breaker = self._targets[run.place].breaker
        breaker.ended(run.ticket, run.started_s, now_s, ending, was_silent=run.said_silent)
        run.was_cut(now_s)
        self.tell.attempt_failed(call, attempt, error)

    def lost(self, call: Call, run: Try, now_s: float, first_s: float, *, why: str | None = None) -> None:
        """An attempt was ended by the race or its caller. What it cost nobody will tell: it is estimated."""
        attempt = run.attempt
        attempt.outcome = "cancelled"
        attempt.ended_s = now_s - first_s
        attempt.error = why
        self._cut(call, run)
        if run.first_token_s is not None:
            attempt.first_token_s = run.first_token_s - first_s
        breaker = self._targets[run.place].breaker
        breaker.ended(run.ticket, run.started_s, now_s, "neutral", was_silent=run.said_silent)
        run.was_cut(now_s)
        self.stats.lost += 1
        self.stats.lost_tokens += call.estimate + run.tokens

    def gave_up(self, call: Call, error: Unanswered) -> None:
        self.stats.gave_up += 1
        self.tell.gave_up(call, error)
