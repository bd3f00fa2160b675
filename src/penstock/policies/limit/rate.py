"""The rate of requests that one key is granted, found from its refusals. Pure."""

from __future__ import annotations

import math
import random
from collections import deque
from typing import NamedTuple

from penstock.policies.limit.buckets import Ledger

__all__ = ["RateFinder"]

_SLACK_S = 0.05
_LEAST_RATE = 1 / 60
_WINDOW_REFUSED_S = 5.0
_FORGOTTEN_AT = 8.0
"""When the rate has grown for so many time constants without a refusal, the limit is gone."""
_REFUSED_SHARE, _REFUSED_KNOWN_SHARE = 0.0065, 0.0042
"""Refusals for each answer that are spent on finding out, about."""
_SHORTEST_KNOWN_TAU_S, _SHORTEST_TAU_S, _LONGEST_TAU_S = 2.0, 10.0, 300.0
_FIRST_TAU_S, _YOUNG_TAU = 5.0, 0.9
"""While little is known it grows within this part of the time since the first refusal: two trials in four minutes."""
_SHORTEST_WINDOW_TAU_S, _WINDOW_TAU_S = 25.0, 60.0
_WINDOW_REMEMBERED_S = 600.0
_GREW = 0.85
"""Below this part of the rate at its end, the mean rate of a time says that the rate grew in it."""
_FAST_TAU_S = 15.0
"""Past the plateau by more than what a bucket can have saved up: the limit has grown."""
_ENOUGH_ADMITTED = 25
_CHANCE = 0.7
_YOUNG_S = 60.0
_MOST_MARKS, _MOST_HINTS = 32, 20
_SLOW_START_RATE = 2.0
_SLOW_START_DOUBLES_S = 2.0
_DEEPEST_CUT = 0.25
_BELOW, _BELOW_KNOWN, _KNOWN_STEP = 0.04, 0.006, 0.997
"""How far below the plateau it starts after a refusal."""
_VAIN_CUT = 12.0
"""Cut so far without any effect, the rate was never what is refused."""
_VAIN_EVENTS, _FEW_ADMITTED = 6, 2
"""So many events with so few admitted between them don't come of a rate either."""
_NOISE_DOUBLES_S = 5.0
_SHARE_WEIGHT = 1 / 32


class _Mark(NamedTuple):
    """Where a limit was just used up: an instant, and how much was admitted, idled and waited away before it."""

    at_s: float
    admitted: int
    idle_s: float
    paused_s: float


class RateFinder:
    """The rate that one key is granted, engaged at the first refusal.

    An event is the first refusal of something sent after the last event. From then until something is admitted one
    request at a time is sent, after the server's own wait or 0.1-1 s doubling to 8 s; it counts as admitted when no
    refusal came within max(0.15 s, 3 x the round trip of a refusal): the answer itself isn't waited for. At each event
    the limit was used up, so what was admitted between two of them tells the rate, whatever kind of limit it is: that
    is the plateau. The rate starts 4 % below it and grows past it, slowly at first; the less is known, the faster.

    `known` is a rate that the provider promised. Then the plateau starts there: refusals come of jitter, or of others
    who share the quota.

    Two kinds of refusals say nothing of a rate. Those that come before enough was admitted to measure one: then the
    rate starts at 2/s and doubles every 2 s. And those that come just as often however slowly is asked (a server that
    refuses one in ten, or each request's first try): when cuts down to a twelfth were in vain, the rate before them is
    taken up again, and a refusal then concerns its own request alone, until many more are refused than before.
    """

    __slots__ = (
        "_below",
        "_delay_s",
        "_event_s",
        "_idle_s",
        "_known",
        "_ledger",
        "_marks",
        "_mean_refusals",
        "_next_s",
        "_noise_s",
        "_paused_s",
        "_plateau",
        "_probe_at_s",
        "_probe_sent_s",
        "_rate_at_event",
        "_refusals",
        "_regime_s",
        "_resumed_s",
        "_rng",
        "_round_trip_s",
        "_share",
        "_slow_start_rate",
        "_slow_start_s",
        "_tau_s",
        "_told",
        "_told_s",
        "_too_many",
        "_top_rate",
        "_vain",
        "_window_s",
        "is_refused",
    )

    def __init__(self, ledger: Ledger, rng: random.Random, known: float | None = None) -> None:
        self._ledger = ledger
        self._rng = rng
        self._known = known
        self._below = _BELOW if known is None else _BELOW_KNOWN
        self._plateau: float | None = known
        self._marks: deque[_Mark] = deque(maxlen=_MOST_MARKS)
        self._event_s = -math.inf
        self._resumed_s = -math.inf
        self._regime_s = -math.inf
        self._idle_s = 0.0
        self._paused_s = 0.0
        self._window_s = -math.inf
        self._rate_at_event = math.inf
        self._refusals = 0
        self._mean_refusals = 1.0
        self._round_trip_s = 0.05
        self._tau_s = _SHORTEST_TAU_S
        self._next_s = -math.inf
        self._delay_s = 0.0
        self._told = False
        self._told_s = 0.0
        self._probe_at_s = -math.inf
        self._probe_sent_s: float | None = None
        self._slow_start_s: float | None = None
        self._slow_start_rate = _SLOW_START_RATE
        # The rate before the first of the refusals that came one upon the other, each below the plateau.
        self._top_rate = 0.0
        self._share = 0.0
        self._vain = 0
        # Since when refusals are noise, and the share of refusals at which they no longer are.
        self._noise_s: float | None = None
        self._too_many = 1.0
        self.is_refused = False

    # What happens.

    def refused(self, now_s: float, sent_s: float, retry_after_s: float | None) -> None:
        """A request that was sent at `sent_s` came back as a 429."""
        self._round_trip_s += 0.3 * (now_s - sent_s - self._round_trip_s)
        self._share += _SHARE_WEIGHT * (1.0 - self._share)
        if not self.is_refused:
            self._refusals += 1
            if sent_s <= self._event_s or self._is_noise(now_s):
                return
            self._begin_event(now_s)
        else:
            self._refusals += 1
            if self._probe_sent_s is not None and sent_s >= self._probe_sent_s:
                self._probe_sent_s = None
                self._delay_s = self._next_delay_s(now_s)
        if retry_after_s is not None:
            self._told = True
            self._told_s += 0.2 * (retry_after_s - self._told_s)
        if self._probe_sent_s is None:
            wait_s = self._delay_s if retry_after_s is None else max(retry_after_s, 0.01)
            self._probe_at_s = max(self._probe_at_s, now_s + wait_s)

    def _next_delay_s(self, now_s: float) -> float:
        """After another refused probe. A minute after the first of what was admitted a sliding window lets in again."""
        delay_s = min(8.0, 2 * self._delay_s)
        window_s = self._ledger.oldest_within(Ledger.WINDOW_S, now_s) + Ledger.WINDOW_S + 0.1 - now_s
        return window_s if 0.0 < window_s < delay_s and self._refusals <= _MOST_HINTS else delay_s

    def _is_noise(self, now_s: float) -> bool:
        """Whether a refusal that was sent after the last event is no event."""
        rate = self.rate(now_s)
        if self._noise_s is not None:
            if self._share < self._too_many:
                return True
            self._noise_s, self._plateau, self._top_rate = None, rate, 0.0
            return False
        is_first = self._slow_start_s is not None or now_s - self._event_s >= 2 * self._tau_s
        if is_first or self._top_rate == math.inf:
            self._top_rate = rate
        elif rate <= self._top_rate / _VAIN_CUT or (
            self._vain >= _VAIN_EVENTS
            and rate <= 0.5 * self._top_rate
            # Waits about as long as a request's turn are those of a limit.
            and self._told_s < 0.1 / rate
        ):
            self._plateau, self._noise_s, self._vain = self._top_rate, now_s, 0
            self._too_many = self._share + 0.7 * (1.0 - self._share)
            return True
        return False

    def _begin_event(self, now_s: float) -> None:
        self.is_refused = True
        self._rate_at_event = self.rate(now_s)
        self._event_s = now_s
        self._refusals = 1
        self._told = False
        self._delay_s = self._rng.uniform(0.1, 1.0)
        if self._plateau is not None:
            turns = 2.0 if self._is_window(now_s) else 1.2
            self._delay_s = min(8.0, max(0.5 * self._delay_s, turns / self._plateau))
        self._probe_at_s = now_s
        self._probe_sent_s = None

    def accepted(self, now_s: float, sent_s: float) -> None:
        """An answer came to a request that was sent at `sent_s`."""
        self._share -= _SHARE_WEIGHT * self._share
        if self.is_refused and self._probe_sent_s is not None and sent_s >= self._probe_sent_s:
            self._resume(now_s)

    def sent(self, now_s: float) -> None:
        if self.is_refused:
            self._probe_sent_s = now_s
            if self._known is not None and self._told and self._is_young():
                self._resume(now_s)
            return
        due_s = self._next_s + 1.0 / self.rate(now_s)
        if due_s < now_s - _SLACK_S:
            self._idle_s += now_s - _SLACK_S - due_s
            due_s = now_s - _SLACK_S
        self._next_s = due_s

    def _is_young(self) -> bool:
        """Enough was admitted since the last event to trust a promised rate and a told wait."""
        last = self._marks[-1].admitted if self._marks else 0
        return self._ledger.sent - self._ledger.refused - last > 10

    def unsent(self, now_s: float) -> None:
        """The last one admitted wasn't sent after all."""
        if self.is_refused:
            self._probe_sent_s = None
        else:
            self._next_s -= 1.0 / self.rate(now_s)

    # How long to wait.

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next request may be sent, as far as can be told now."""
        if self.is_refused:
            if self._probe_sent_s is None:
                return max(0.0, self._probe_at_s - now_s)
            # The probe may be refused yet; when this is over it counts as admitted.
            patience_s = self._probe_sent_s + max(0.15, 3 * self._round_trip_s) - now_s
            return patience_s if patience_s > 1e-9 else 0.0
        wait_s = self._next_s + 1.0 / self.rate(now_s) - now_s
        return wait_s if wait_s > 1e-9 else 0.0

    def settle(self, now_s: float) -> None:
        """Draw the conclusion when a probe has gone unrefused for long enough; call before asking for a wait."""
        if self.is_refused and self._probe_sent_s is not None and self.wait_s(now_s) <= 0.0:
            self._resume(now_s)

    def rate(self, now_s: float) -> float:
        """Requests per second that it would let through now."""
        if self._slow_start_s is not None:
            doublings = min((now_s - self._slow_start_s) / _SLOW_START_DOUBLES_S, 30.0)
            return float(self._slow_start_rate * 2.0**doublings)
        if self._plateau is None:
            return math.inf
        if self._noise_s is not None:
            return float(self._plateau * 2.0 ** min((now_s - self._noise_s) / _NOISE_DOUBLES_S, 30.0))
        if self._resumed_s == -math.inf:
            return self._plateau
        return self._plateau * _shape(now_s - self._resumed_s, self._tau_s, self._below)

    def is_forgotten(self, now_s: float) -> bool:
        """No refusal for so long, at a rate grown so high, that there is no limit to speak of any more."""
        return not self.is_refused and now_s - self._event_s > max(600.0, _FORGOTTEN_AT * self._tau_s)

    # What is concluded.

    def _resume(self, now_s: float) -> None:
        """Something got through: the event is over, and its refusals are all counted."""
        resumed_s = now_s if self._probe_sent_s is None else self._probe_sent_s
        refused_s = resumed_s - self._event_s
        if refused_s > _WINDOW_REFUSED_S:
            self._window_s = resumed_s
        # All that was admitted up to the event: what was sent after it were probes, all refused but the last.
        admitted = self._ledger.sent - self._ledger.refused - 1
        # A window lets in again at its own time; a bucket was empty when it refused.
        if self._told or refused_s > _WINDOW_REFUSED_S:
            mark = _Mark(resumed_s, admitted, self._idle_s, self._paused_s + refused_s)
        else:
            mark = _Mark(self._event_s, admitted, self._idle_s, self._paused_s)
        self._paused_s += now_s - self._event_s
        if self._plateau is None:
            self._first_plateau(now_s, refused_s)
        else:
            if self._marks:
                self._vain = self._vain + 1 if mark.admitted - self._marks[-1].admitted <= _FEW_ADMITTED else 0
                self._measure(mark, refused_s)
            self._mean_refusals += 0.3 * (min(self._refusals, 10 * self._mean_refusals) - self._mean_refusals)
        self._marks.append(mark)
        if self._plateau is not None:
            self._plateau = max(self._plateau, _LEAST_RATE)
            self._set_tau(now_s)
        self.is_refused = False
        # The probe was the first at the new rate.
        self._next_s = self._resumed_s = resumed_s
        self._probe_sent_s = None

    def _set_tau(self, now_s: float) -> None:
        """How fast the rate grows: slowly enough for few refusals, faster as long as it isn't known well."""
        assert self._plateau is not None
        if self._regime_s == -math.inf:
            self._regime_s = self._event_s
        # From one event to the next it takes about two of them.
        share = _REFUSED_SHARE if self._known is None else _REFUSED_KNOWN_SHARE
        tau_s = self._mean_refusals / (2 * share * self._plateau)
        self._below = _BELOW
        if self._known is not None and self._plateau > 0.95 * self._known:
            self._below = _BELOW_KNOWN
            self._tau_s = min(max(_SHORTEST_KNOWN_TAU_S, tau_s), _LONGEST_TAU_S)
            return
        tau_s = min(max(_SHORTEST_TAU_S, tau_s), _LONGEST_TAU_S)
        self._tau_s = min(tau_s, max(_FIRST_TAU_S, _YOUNG_TAU * (now_s - self._regime_s)))
        if self._is_window(now_s):
            # Its answer to a rate that is too high comes late.
            self._tau_s = max(self._tau_s, min(tau_s, _WINDOW_TAU_S), _SHORTEST_WINDOW_TAU_S)

    def _is_window(self, now_s: float) -> bool:
        return now_s - self._window_s < _WINDOW_REMEMBERED_S

    def _first_plateau(self, now_s: float, refused_s: float) -> None:
        """The first events, while no rate is known."""
        ledger = self._ledger
        if self._slow_start_s is not None:
            self._plateau, self._slow_start_s = self._rate_at_event, None
            return
        before = ledger.accepted_within(3.0 + now_s - self._event_s, now_s) - 1
        minute = ledger.accepted_within(Ledger.WINDOW_S, self._event_s)
        if refused_s > _WINDOW_REFUSED_S and minute > 0:
            self._plateau = minute / Ledger.WINDOW_S
        elif before >= _ENOUGH_ADMITTED and minute > before:
            self._plateau = 0.9 * before / 3.0
        else:
            self._slow_start_s = now_s
            self._slow_start_rate = max(_SLOW_START_RATE, before / 3.0)

    def _measure(self, mark: _Mark, refused_s: float) -> None:
        """The plateau from what was admitted since earlier marks: as many of them as give enough to count."""
        rate = self._rate_at_event
        last = self._marks[-1]
        active_s = mark.at_s - last.at_s - (mark.idle_s - last.idle_s) - (mark.paused_s - last.paused_s)
        sent = mark.admitted - last.admitted + self._refusals
        if refused_s <= _WINDOW_REFUSED_S and active_s >= 1.0 and sent + 2 < _GREW * rate * active_s:
            # A bucket admits what it admitted on the whole, a short window what came in the end. The latter, then:
            # if that is too much, it will be refused at once, and at a rate that didn't change.
            if self._plateau is not None and 0.9 * rate > 1.3 * self._plateau:
                self._doubt(mark.at_s)
            self._plateau = 0.9 * rate
            self._marks.clear()
            return
        # Told instants are exact enough to begin with; later on one unlucky moment mustn't undo what was learned.
        chance = 0.0 if self._told and self._known is None and mark.at_s - self._regime_s < _YOUNG_S else _CHANCE
        found = rate
        for number, earlier in enumerate(reversed(self._marks)):
            admitted = mark.admitted - earlier.admitted
            busy_s = max(1e-3, mark.at_s - earlier.at_s - (mark.idle_s - earlier.idle_s))
            is_enough = admitted >= _ENOUGH_ADMITTED
            # Few say little: as many more might have been admitted as chance allows.
            upper = (admitted + (0 if is_enough else chance * math.sqrt(admitted + 1))) / busy_s
            found = min(found, upper)
            if is_enough:
                break
            if upper < 0.8 * rate:
                # Much less than before, whatever was counted earlier.
                self._marks = deque(list(self._marks)[-number - 1 :], _MOST_MARKS)
                break
        assert self._plateau is not None
        if self._is_window(mark.at_s):
            # What one pause leaves out is no rate, the whole minute is.
            found = max(found, 0.95 * self._ledger.accepted_within(Ledger.WINDOW_S, mark.at_s) / Ledger.WINDOW_S)
        if found < 0.7 * self._plateau:
            self._doubt(mark.at_s)
        if found < _DEEPEST_CUT * rate:
            # Not cut far enough to be refused in vain.
            found = _DEEPEST_CUT * rate
            self._top_rate = min(self._top_rate, found)
        elif self._known is not None and found > 0.9 * rate:
            # Jitter, not another limit.
            found = _KNOWN_STEP * rate
        self._plateau = min(rate, found)

    def _doubt(self, now_s: float) -> None:
        """The limit may be another one: what was known of it counts a quarter."""
        self._regime_s += 0.75 * (now_s - self._regime_s)


def _shape(since_s: float, tau_s: float, below: float) -> float:
    """The rate `since_s` after an event, as a part of the plateau."""
    x = since_s / tau_s
    if x < 1.0:
        return 1.0 - below * (1.0 - x)
    if x <= 2.5:
        return float(1.0 + below * (2.0 ** (x - 1.0) - 1.0))
    fast = (since_s - 2.5 * tau_s) / min(tau_s, _FAST_TAU_S)
    return float(1.0 + below * (2.0 ** min(1.5 + fast, 30.0) - 1.0))
