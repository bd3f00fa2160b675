"""Limits that nobody tells, found from refusals: a rate from 429s, a capacity from 503s. Pure."""

from __future__ import annotations

import math
import random

from penstock.policies.limit.buckets import Ledger

__all__ = ["ConcurrencyFinder", "RateFinder"]

_SLACK_S = 0.05
_LEAST_RATE = 1 / 60
_WINDOW_REFUSED_S = 5.0
_WINDOW_LOOSENED_S = 65.0
_FORGOTTEN_AT = 8.0
"""When the rate has grown for so many time constants without a refusal, the limit is gone."""
_LONGEST_TAU_S = 120.0
_ENOUGH_ADMITTED = 25
_SLOW_START_RATE = 2.0
_SLOW_START_DOUBLES_S = 2.0
_VAIN_CUT = 12.0
"""Cut so far without any effect, the rate was never what is refused."""
_NOISE_DOUBLES_S = 10.0
_SHARE_WEIGHT = 1 / 32


class RateFinder:
    """The rate that one key is granted, engaged at the first refusal.

    An event is the first refusal of something sent after the last event. From then until something is admitted one
    request at a time is sent, after the server's own wait or 0.1-1 s doubling to 8 s; it counts as admitted when no
    refusal came within max(0.15 s, 3 x the round trip of a refusal): the answer itself isn't waited for. After that
    the rate starts 4 % below the plateau that was found and grows past it, slowly at first.

    Two kinds of refusals say nothing of a rate. Those that come before enough was admitted to measure one: then the
    rate starts at 2/s and doubles every 2 s. And those that come just as often however slowly is asked (a server that
    refuses one in ten, or each request's first try): when cuts down to a twelfth were in vain, the rate before them is
    taken up again, and a refusal then concerns its own request alone, until many more are refused than before.
    """

    __slots__ = (
        "_admitted",
        "_delay_s",
        "_event_s",
        "_last_event_s",
        "_ledger",
        "_mean_refusals",
        "_next_s",
        "_noise_s",
        "_plateau",
        "_probe_at_s",
        "_probe_sent_s",
        "_rate_at_event",
        "_refusals",
        "_rng",
        "_round_trip_s",
        "_share",
        "_slow_start_s",
        "_tau_s",
        "_too_many",
        "_top_rate",
        "_window_rate",
        "is_refused",
    )

    def __init__(self, ledger: Ledger, rng: random.Random) -> None:
        self._ledger = ledger
        self._rng = rng
        self._plateau: float | None = None
        self._event_s = -math.inf
        self._last_event_s = -math.inf
        self._rate_at_event = math.inf
        self._admitted = 0
        self._refusals = 0
        self._mean_refusals = 1.0
        self._round_trip_s = 0.05
        self._tau_s = 10.0
        self._next_s = -math.inf
        self._delay_s = 0.0
        self._probe_at_s = -math.inf
        self._probe_sent_s: float | None = None
        self._window_rate: float | None = None
        self._slow_start_s: float | None = None
        # The rate before the first of the refusals that came one upon the other, each below the plateau.
        self._top_rate = 0.0
        self._share = 0.0
        # Since when refusals are noise, and the share of refusals at which they no longer are.
        self._noise_s: float | None = None
        self._too_many = 1.0
        self.is_refused = False

    def refused(self, now_s: float, sent_s: float, retry_after_s: float | None) -> None:
        """A request that was sent at `sent_s` came back as a 429."""
        self._round_trip_s += 0.3 * (now_s - sent_s - self._round_trip_s)
        self._refusals += 1
        self._share += _SHARE_WEIGHT * (1.0 - self._share)
        if not self.is_refused:
            if sent_s <= self._event_s or self._is_noise(now_s):
                return
            self._begin_event(now_s)
        elif self._probe_sent_s is not None and sent_s >= self._probe_sent_s:
            self._probe_sent_s = None
            self._delay_s = min(8.0, 2 * self._delay_s)
        if self._probe_sent_s is None:
            wait_s = self._delay_s if retry_after_s is None else max(retry_after_s, 0.01)
            self._probe_at_s = max(self._probe_at_s, now_s + wait_s)

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
        elif rate <= self._top_rate / _VAIN_CUT:
            self._plateau, self._noise_s, self._window_rate = self._top_rate, now_s, None
            self._too_many = self._share + 0.7 * (1.0 - self._share)
            return True
        return False

    def _begin_event(self, now_s: float) -> None:
        self.is_refused = True
        self._rate_at_event = self.rate(now_s)
        if self._slow_start_s is not None:
            self._plateau, self._slow_start_s = self._rate_at_event, None
        self._last_event_s, self._event_s = self._event_s, now_s
        self._refusals = 1
        self._delay_s = self._rng.uniform(0.1, 1.0)
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
        else:
            self._next_s = max(self._next_s + 1.0 / self.rate(now_s), now_s - _SLACK_S)

    def unsent(self, now_s: float) -> None:
        """The last one admitted wasn't sent after all."""
        if self.is_refused:
            self._probe_sent_s = None
        else:
            self._next_s -= 1.0 / self.rate(now_s)

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

    def _resume(self, now_s: float) -> None:
        """Something got through: the event is over, and its refusals are all counted."""
        ledger = self._ledger
        # All that was ever admitted up to the event: what was sent after it were probes, all refused but the last.
        admitted = ledger.sent - ledger.refused - 1
        minute = ledger.accepted_within(Ledger.WINDOW_S, self._event_s) / Ledger.WINDOW_S
        if self._plateau is None:
            before = ledger.accepted_within(3.0 + now_s - self._event_s, now_s) - 1
            if before < _ENOUGH_ADMITTED and (before <= 0 or now_s - self._event_s <= _WINDOW_REFUSED_S):
                self._begin_slow_start(now_s, admitted)
                return
            self._plateau = 0.9 * (before + 1) / 3.0
        else:
            found = (admitted - self._admitted) / max(1e-3, self._event_s - self._last_event_s)
            if admitted - self._admitted < _ENOUGH_ADMITTED:
                self._plateau = min(self._plateau, max(0.5 * self._plateau, found))
            else:
                # A sliding window lends what was not used; what a whole minute admitted is nearer to the truth.
                self._plateau = min(self._rate_at_event, max(0.5 * self._rate_at_event, 1.02 * minute))
            self._mean_refusals += 0.3 * (self._refusals - self._mean_refusals)
        self._admitted = admitted
        self._window_rate = None
        if now_s - self._event_s > _WINDOW_REFUSED_S and minute > 0:
            self._plateau = min(max(self._plateau, 0.97 * minute), 1.02 * minute)
            self._window_rate = 1.02 * minute
        self._plateau = max(self._plateau, _LEAST_RATE)
        tau_s = 0.7 * self._mean_refusals / (0.01 * self._plateau)
        self._tau_s = min(max(10.0, tau_s), _LONGEST_TAU_S)
        self._go_on(now_s)

    def _begin_slow_start(self, now_s: float, admitted: int) -> None:
        self._admitted = admitted
        self._slow_start_s = now_s
        self._go_on(now_s)

    def _go_on(self, now_s: float) -> None:
        self.is_refused = False
        # The probe was the first at the new rate.
        self._next_s = now_s if self._probe_sent_s is None else self._probe_sent_s
        self._probe_sent_s = None

    def rate(self, now_s: float) -> float:
        """Requests per second that it would let through now."""
        if self._slow_start_s is not None:
            return float(_SLOW_START_RATE * 2.0 ** min((now_s - self._slow_start_s) / _SLOW_START_DOUBLES_S, 30.0))
        if self._plateau is None:
            return math.inf
        if self._noise_s is not None:
            return float(self._plateau * 2.0 ** min((now_s - self._noise_s) / _NOISE_DOUBLES_S, 30.0))
        x = min((now_s - self._event_s) / self._tau_s, 2 * _FORGOTTEN_AT)
        shape = 1.0 - 0.04 * (1.0 - x) if x < 1.0 else 1.0 + 0.04 * (2.0 ** (x - 1.0) - 1.0)
        rate = self._plateau * shape
        if self._window_rate is not None and now_s < self._event_s + _WINDOW_LOOSENED_S:
            rate = min(rate, self._window_rate)
        return rate

    def is_forgotten(self, now_s: float) -> bool:
        """No refusal for so long, at a rate grown so high, that there is no limit to speak of any more."""
        return not self.is_refused and now_s - self._event_s > max(600.0, _FORGOTTEN_AT * self._tau_s)


class ConcurrencyFinder:
    """How many requests a server takes at once, engaged at its first 503 or 529.

    Cut to 0.7 when a tenth of what was asked lately is refused, once for everything that was in flight then: a full
    server refuses in masses, while one that fails now and then at random would be cut down to nothing if every
    refusal counted. Without a cut, one more per round trip or 5 %, whichever is more.
    """

    __slots__ = ("_accepted", "_cut_s", "_peak", "_refused", "most")

    def __init__(self, most: int | None = None) -> None:
        self.most: float = math.inf if most is None else most
        """Requests at once."""
        self._cut_s = -math.inf
        self._accepted = 0.0
        self._refused = 0.0
        self._peak = 0

    def refused(self, now_s: float, sent_s: float, in_flight: int) -> None:
        if sent_s <= self._cut_s:
            return
        self._refused += 1
        self._peak = max(self._peak, in_flight)
        # Alone in flight there is no share to speak of: whoever refuses that is simply down, and backoff's business.
        if self._refused < min(3, in_flight) or self._refused < 0.1 * (self._accepted + self._refused):
            return
        self._cut_s = now_s
        self._accepted = self._refused = 0.0
        self.most = max(1.0, 0.7 * min(self.most, self._peak))
        self._peak = 0

    def accepted(self, in_flight: int, ceiling: float) -> None:
        """An answer came while `in_flight` were out, the answered one included."""
        self._accepted += 1
        if self._accepted + self._refused > max(32.0, 2 * in_flight):
            # Lately: about two round trips.
            self._accepted /= 2
            self._refused /= 2
        if in_flight >= 0.5 * self.most:
            self.most = min(ceiling, self.most + max(1.0 / self.most, 0.05))

    def has_room(self, in_flight: int) -> bool:
        return in_flight + 1 <= self.most + 1e-9
