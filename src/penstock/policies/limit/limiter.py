"""The line before a target: who may send now, with which key, and who is next. The only async part."""

from __future__ import annotations

import asyncio
import math
import random
from typing import Any

import msgspec

from penstock.call import Call, RateLimits, Usage
from penstock.clock import Clock
from penstock.credentials.keys import CHECK_FILES_EVERY_S, Key, KeyPool, Secret
from penstock.errors import CallError
from penstock.policies.limit.buckets import Limits, Need, need_of
from penstock.policies.limit.concurrency import ConcurrencyFinder
from penstock.policies.limit.congestion import Congestion
from penstock.policies.limit.lane import Lane
from penstock.policies.limit.line import Line, Turn, Waiter
from penstock.policies.limit.saturation import Saturation, limit_uses
from penstock.policies.limit.tokens import Taken

__all__ = ["Limiter", "Permit"]

_MOST_WAITING = 1_000_000
_MEAN_OUTPUT_WEIGHT = 0.01


class Permit(msgspec.Struct, eq=False):
    """The right to send one request with `key`. It ends once: `settle`, `refused` or `release`; then nothing more."""

    _limiter: Limiter
    _lane: Lane
    _taken: Taken | None
    _sent_s: float
    _call: Call
    _turn: Turn | None = None
    """None: it never stood in line, so its turn was the moment it was sent."""
    _is_over: bool = False

    @property
    def key(self) -> Secret | None:
        """What to sign with; None for a server that wants no key."""
        return self._lane.key.secret

    def learn(self, limits: RateLimits) -> str | None:
        """What the reply said of limits. May come before or after the end.

        Returns why, in words, when the request turns out to be above the limits of every key.
        """
        changed = self._limiter._learn(self._lane, limits)
        # Else it was measured against the same limits when it was let in.
        return self._limiter._too_big(self._call) if changed or self._taken is None else None

    def settle(self, usage: Usage | None) -> None:
        """Answered. What was reserved and not used is given back; None: the provider didn't say what was used."""
        if not self._is_over:
            self._is_over = True
            limiter, lane = self._limiter, self._lane
            if lane is not limiter._fast:
                limiter._answered(lane, self._taken, usage, self._sent_s)
                return
            if limiter._ceiling < math.inf:
                limiter._concurrency.accepted(lane.in_flight, limiter._ceiling)
            lane.in_flight -= 1

    def heard(self, seconds: float) -> None:
        """The first token of a stream came after so long."""
        if self._limiter._congestion is not None:
            self._limiter._heard(seconds)

    def refused(self, error: CallError, now_s: float) -> None:
        """Failed. A refusal at a limit freezes the key, a bad key is set aside, a full server is asked less."""
        if not self._is_over:
            self._is_over = True
            if error.verdict.same_target != "never":
                self._limiter._line.keep_turn(self._call, self._turn or (self._sent_s, -1))
            self._limiter._refused(self._lane, self._taken, error, now_s, self._sent_s)

    def release(self) -> None:
        """Given up after it was sent, perhaps: the tokens count as used."""
        if not self._is_over:
            self._is_over = True
            self._limiter._answered(self._lane, self._taken, None, math.inf)

    def hand_back(self) -> None:
        """Given up, and certainly not sent: as if it had never been taken."""
        if not self._is_over:
            self._is_over = True
            self._limiter._unsent(self._lane, self._taken)


class Limiter:
    """One target's limits, for each key of its provider's pool.

    A call takes from all buckets at once or waits in line: interactive before batch, first come first served within
    a class, and who was refused keeps its turn. A permit is handed to the one whose turn it is; one timer, for the
    head of the line, is all that ticks. A target without known limits that never refused costs next to nothing.
    """

    def __init__(
        self,
        pool: KeyPool,
        *,
        clock: Clock,
        name: str,
        limits: Limits | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.name = name
        self._pool = pool
        self._clock = clock
        self._limits = limits or Limits()
        self._rng = rng or random.Random()
        self._ceiling = math.inf if self._limits.max_in_flight is None else float(self._limits.max_in_flight)
        self._concurrency = ConcurrencyFinder(self._limits.max_in_flight)
        self._congestion = Congestion() if self._limits.is_self_hosted else None
        self._mean_output: float | None = None
        self._answers = 0
        self._line = Line()
        self._timer: Any = None
        self._timer_s = math.inf
        self._lanes: dict[Key, Lane] = {}
        # Of keys that were replaced while their requests are still in flight.
        self._leaving: list[Lane] = []
        # The one lane to use without a look at anything but how many are out; None when something else restrains.
        self._fast: Lane | None = None
        # The one lane of a pool with one key.
        self._only: list[Lane] = []
        self._counts_tokens = False
        pool.on_change(self._keys_changed)
        self._keys_changed()

    # Admission.

    def wait_s(self, now_s: float, estimate: int) -> float:
        """Seconds until a new call of `estimate` tokens would be admitted, `inf` when no key is usable."""
        if self._fast is not None and self._fast.in_flight < self._ceiling:
            return 0.0
        need = Need(estimate, 0) if self._counts_tokens else None
        waits = [lane.wait_s(now_s, need) for lane in self._usable(now_s)]
        if not waits:
            self._pool.refresh(now_s)
            waits = [lane.wait_s(now_s, need) for lane in self._usable(now_s)]
        if not waits:
            return math.inf
        wait_s = min(waits)
        if self._is_full():
            wait_s = max(wait_s, 1.0)
        if self._line.waiting:
            lanes = self._usable(now_s)
            line_s = [lane.line_s(self._line.waiting, self._line.tokens, now_s) for lane in lanes]
            wait_s += min(line_s) / len(lanes)
        return wait_s

    def try_admit(self, call: Call, now_s: float) -> Permit | None:
        """A permit at once, or None when the call must wait.

        Raises `CallError` when it can never pass: `too_big_for_limit`, or `auth` or `quota_exhausted` when no key is
        usable.
        """
        lane = self._fast
        if lane is not None and lane.in_flight < self._ceiling:
            lane.in_flight += 1
            ledger = lane.ledger
            if now_s < ledger.next_s:
                ledger.sent += 1  # as `send`, without the call
            else:
                ledger.send(now_s)
            return Permit(self, lane, None, now_s, call)
        self._fast = None
        self._pool.refresh(now_s)
        if self._line.waiting and self._line.goes_before(call, now_s):
            # Even in line it must be told that it can never pass.
            self._room(self._need(call), now_s)
            return None
        need = self._need(call)
        found, wait_s = self._room(need, now_s)
        if wait_s > 0.0:
            return None
        permit = self._take(found, need, now_s, call, self._line.use_turn(call))
        self._quicken(now_s)
        return permit

    async def admit(self, call: Call) -> Permit:
        """A permit, in turn. Raises as `try_admit` does. A wait that is cancelled costs nobody a turn."""
        now_s = self._clock.now()
        permit = self.try_admit(call, now_s)
        if permit is not None:
            return permit
        if self._line.waiting >= _MOST_WAITING:
            raise CallError("overloaded", f"{_MOST_WAITING} calls wait already", target=self.name, sent=False)
        waiter = self._line.enter(call, self._need(call), asyncio.get_running_loop().create_future(), now_s)
        self._pump(now_s)
        try:
            given: Permit = await waiter.future
        except asyncio.CancelledError:
            self._leave(waiter)
            raise
        return given

    def _leave(self, waiter: Waiter) -> None:
        """A cancelled waiter passes on what it was given, or makes room in the line."""
        if waiter.future.done() and not waiter.future.cancelled():
            if waiter.future.exception() is None:
                waiter.future.result().hand_back()
            return
        self._line.cancel(waiter)
        self._pump(self._clock.now())

    def _pump(self, now_s: float) -> None:
        """Hand permits to the head of the line while there is room; then one timer for the next head."""
        while (waiter := self._line.head()) is not None:
            try:
                lane, wait_s = self._room(waiter.need, now_s)
            except CallError as error:
                self._line.pop()
                waiter.future.set_exception(error)
                continue
            if wait_s > 0.0:
                # Those who stand in line look for new keys as well.
                self._wake_at(now_s + (min(wait_s, CHECK_FILES_EVERY_S) if self._pool.watches_files else wait_s))
                return
            self._line.pop()
            waiter.future.set_result(self._take(lane, waiter.need, now_s, waiter.call, waiter.turn))
        self._wake_at(math.inf)
        self._quicken(now_s)

    def _wake_at(self, at_s: float) -> None:
        if self._timer is not None:
            # An early timer only looks again; to move it for every settled request costs more.
            if self._timer_s <= at_s < math.inf:
                return
            self._timer.cancel()
            self._timer = None
        self._timer_s = at_s
        if at_s < math.inf:
            self._timer = self._clock.call_later(at_s - self._clock.now(), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._timer_s = math.inf
        now_s = self._clock.now()
        self._pool.refresh(now_s)
        self._pump(now_s)

    # Room.

    def _usable(self, now_s: float) -> list[Lane]:
        lanes = self._only
        if lanes and now_s >= lanes[0].key.aside_until_s:
            return lanes
        return [lane for key, lane in self._lanes.items() if now_s >= key.aside_until_s]

    def _in_flight(self) -> int:
        return sum(lane.in_flight for lane in (*self._lanes.values(), *self._leaving))

    def _is_full(self) -> bool:
        """Only an answer can make room: as many are in flight as the server, or the user, bears."""
        return self._concurrency.most < math.inf and not self._concurrency.has_room(self._in_flight())

    def _need(self, call: Call) -> Need | None:
        return need_of(call, self._limits, self._mean_output) if self._counts_tokens else None

    def _room(self, need: Need | None, now_s: float) -> tuple[Lane, float]:
        """The key with the most head room and the wait there, `inf` while only an answer can make room."""
        lanes = self._usable(now_s)
        if not lanes:
            raise self._pool.refusal(self.name)
        why = _above(need, lanes)
        if why is not None:
            raise CallError("too_big_for_limit", why, target=self.name, sent=False)
        if self._is_full():
            return lanes[0], math.inf
        for lane in lanes:
            lane.settle(now_s)
        if len(lanes) == 1:
            return lanes[0], lanes[0].wait_s(now_s, need)
        fitting = lanes if need is None else [lane for lane in lanes if lane.tokens.can_hold(need)]
        return min(((lane, lane.wait_s(now_s, need)) for lane in fitting), key=lambda at: (at[1], at[0].in_flight))

    def _take(self, lane: Lane, need: Need | None, now_s: float, call: Call, turn: Turn | None) -> Permit:
        taken = lane.take(now_s, need)
        if lane.key.aside_until_s > -math.inf:
            self._pool.tried(lane.key, now_s)
        return Permit(self, lane, taken, now_s, call, turn)

    def _quicken(self, now_s: float) -> None:
        """Take the short way from here on when nothing restrains, but for the user's bound on requests at once."""
        self._fast = (
            self._only[0]
            if self._only
            and not self._line.waiting
            and self._only[0].is_free(now_s)
            and self._concurrency.most >= self._ceiling
            and not (self._leaving and self._ceiling < math.inf)
            and not self._pool.watches_files
            else None
        )

    # What permits tell.

    def _answered(self, lane: Lane, taken: Taken | None, usage: Usage | None, sent_s: float) -> None:
        if lane is self._fast:
            lane.in_flight -= 1
            return
        now_s = self._clock.now()
        if sent_s < math.inf and self._concurrency.most < math.inf:
            self._concurrency.accepted(self._in_flight(), self._ceiling)
        lane.answered(now_s, sent_s if sent_s < math.inf else -math.inf, taken, usage)
        if usage is not None:
            self._answers += 1
            mean = self._mean_output or 0.0
            weight = max(_MEAN_OUTPUT_WEIGHT, 1 / self._answers)
            self._mean_output = mean + weight * (usage.output_tokens - mean)
        if lane.key.aside_until_s > -math.inf and sent_s < math.inf:
            self._pool.proved(lane.key, sent_s)
        if self._line.waiting:
            self._pump(now_s)

    def _heard(self, first_s: float) -> None:
        assert self._congestion is not None
        now_s, most = self._clock.now(), self._concurrency.most
        self._concurrency.most = self._congestion.heard(first_s, now_s, in_flight=self._in_flight(), most=most)
        if self._concurrency.most < most:
            self._fast = None
        elif self._concurrency.most > most:
            self._pump(now_s)

    def _refused(self, lane: Lane, taken: Taken | None, error: CallError, now_s: float, sent_s: float) -> None:
        self._fast = None
        in_flight = self._in_flight()
        if error.kind == "rate_limited":
            lane.refused(error, now_s, sent_s, taken)
        else:
            lane.failed(error, now_s, taken)
            if error.kind == "overloaded":
                self._concurrency.refused(now_s, sent_s, in_flight)
        if error.verdict.key_is_bad:
            self._pool.set_aside(lane.key, error, now_s)
        elif error.status is not None and error.status < 500:
            self._pool.proved(lane.key, sent_s)
        self._pump(now_s)

    def _unsent(self, lane: Lane, taken: Taken | None) -> None:
        now_s = self._clock.now()
        lane.unsent(now_s, taken)
        self._pump(now_s)

    def _learn(self, lane: Lane, limits: RateLimits) -> bool:
        now_s = self._clock.now()
        changed = lane.learn(limits, now_s)
        if changed:
            self._fast = None
            self._counts_tokens = any(bool(lane.tokens) for lane in self._lanes.values())
            self._pump(now_s)
        return changed

    def _too_big(self, call: Call) -> str | None:
        return _above(self._need(call), self._usable(self._clock.now()))

    def _keys_changed(self) -> None:
        old = self._lanes
        self._lanes = {key: old.get(key) or Lane(key, self._limits, self._rng) for key in self._pool.keys}
        gone = [*self._leaving, *(lane for key, lane in old.items() if key not in self._lanes)]
        self._leaving = [lane for lane in gone if lane.in_flight]
        self._only = list(self._lanes.values()) if len(self._lanes) == 1 else []
        self._counts_tokens = any(bool(lane.tokens) for lane in self._lanes.values())
        self._pump(self._clock.now())

    # For displays.

    def saturation(self) -> Saturation:
        """How full the limits are now."""
        now_s = self._clock.now()
        lanes = self._usable(now_s)
        rate = sum(lane.rate_per_s(now_s) for lane in lanes)
        sent = sum(lane.ledger.accepted_within(60.0, now_s) for lane in lanes)
        limited = bool(lanes) and rate < math.inf
        most = self._concurrency.most
        return Saturation(
            in_flight=self._in_flight(),
            waiting=self._line.waiting,
            frozen_s=min((lane.wait_s(now_s, None) for lane in lanes), default=math.inf),
            requests_per_s=rate if limited else None,
            used=sent / 60.0 / rate if limited else None,
            max_in_flight=None if most == math.inf else math.floor(most),
            usable_keys=len(lanes),
            limits=limit_uses(lanes, now_s),
        )


def _above(need: Need | None, lanes: list[Lane]) -> str | None:
    """Why a request can never pass, in words; None while some key's limits can hold it."""
    if need is None or not lanes or any(lane.tokens.can_hold(need) for lane in lanes):
        return None
    most = max(lane.tokens.capacity() for lane in lanes)
    tokens = need.input_tokens + need.output_tokens
    return f"the request needs about {tokens} tokens, the limit lets {most:g} through at most"
