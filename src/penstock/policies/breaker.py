"""One target's health: when to stop asking it, when to try again, and how fast to return. Pure: time is an argument.

    closed --rules--> open --wait--> half_open --two good probes--> ramping --window grown--> closed
                       ^                |                              |
                       +---bad probe----+---------------rules----------+

News counts by when its attempt was started: what began before the breaker opened says nothing about later.
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass
from typing import Literal

__all__ = ["Breaker", "BreakerSettings", "Ending", "State"]

Ending = Literal["good", "bad", "neutral"]
"""How an attempt ended, as far as its target's health goes."""

State = Literal["closed", "open", "half_open", "ramping"]

_SLOTS = 9
"""Past slots of the window; the current one is the tenth."""

_MOST_STARTS = 10_000  # failures since the last success that are remembered

_RETRY_S = (0.02, 0.5)
"""Who finds every place taken asks again within about one answer's time, within these."""


@dataclass(frozen=True, slots=True)
class BreakerSettings:
    """The numbers of a breaker, found by simulation (`bench/outage_sim.py`)."""

    window_s: float = 10.0
    ratio: float = 0.7
    """It opens at this share of failures among failures, successes and what is in flight ..."""
    least_counted: int = 20
    """... once so many attempts ended within the window;"""
    least_failures: int = 12
    """or at so many failures that were started after the last success was ..."""
    per_in_flight: float = 2.0
    """... and at least so many for each attempt in flight: fast failures come before slow successes;"""
    least_silent: int = 12
    """or when so many attempts in a row turned out silent, and nothing succeeded in between ..."""
    silent_per_in_flight: float = 1 / 16
    """... and at least so many for each attempt in flight."""
    wait_s: float = 1.0
    wait_cap_s: float = 5.0
    jitter: float = 0.2
    probes: int = 2
    probe_patience_s: float = 10.0
    """A probe that runs for longer no longer keeps the next one waiting, whether or not anyone called it silent."""
    ramp_start: int = 8
    ramp_growth: float = 3.0
    """Places that each success adds to the window, up to twice what the target had in flight before."""
    ramp_growth_beyond: float = 0.5
    ramp_least: int = 64
    """Where the ramp ends at the earliest."""


class Breaker:
    """Counts how one target's attempts end, and restrains new ones while it is down.

    Nothing is enforced: an attempt may be started against the advice of `wait_s`, and is then the probe when none
    is running. Each `started` is followed by exactly one `ended`; before that by `silent` and `heard` in turn, if ever.
    Times are of one clock that never goes back.
    """

    __slots__ = (
        "_bad",
        "_bads",
        "_best_s",
        "_counted_probe",
        "_doubts",
        "_failed_s",
        "_good",
        "_goods",
        "_news_s",
        "_peak",
        "_probe",
        "_probe_late_s",
        "_probe_number",
        "_probes_good",
        "_ramp",
        "_ramp_goal",
        "_reopen_s",
        "_rng",
        "_settings",
        "_silent_row",
        "_slot",
        "_slot_end_s",
        "_slot_s",
        "_stale",
        "_trip_s",
        "_tripped_s",
        "_wait_s",
        "in_flight",
        "is_closed",
        "is_open",
        "opened",
        "silent_in_flight",
    )

    def __init__(self, rng: random.Random, *, settings: BreakerSettings | None = None) -> None:
        self.is_closed = True
        """Nothing restrains new attempts."""
        self.is_open = False
        """Nothing good is known of the target since it went down: neither closed, nor ramping, nor a good probe."""
        self.opened = 0
        """How often it went from closed to open."""
        self.in_flight = 0
        """Attempts that run and aren't silent."""
        self.silent_in_flight = 0
        self._rng = rng
        self._settings = settings or BreakerSettings()
        self._slot_s = self._settings.window_s / (_SLOTS + 1)
        self._slot = 0
        self._slot_end_s = -math.inf
        self._clear_window()
        self._best_s = -math.inf
        """When the newest of the attempts that succeeded was started."""
        self._news_s = -math.inf
        """Failures of attempts that were started up to then are no news."""
        self._tripped_s = -math.inf
        self._peak = 0.0
        """About the most that was in flight of late."""
        self._stale = 0
        """Of those in flight, how many were started before it went down."""
        self._reopen_s = -math.inf
        self._wait_s = self._settings.wait_s
        self._probe = 0
        self._probe_number = 0
        self._probe_late_s = -math.inf
        self._probes_good = 0
        self._counted_probe = 0
        """The probe whose first token has counted already."""
        self._ramp = 0.0
        """The window of attempts that may be in flight, while it ramps."""
        self._ramp_goal = 0.0
        self._trip_s = 0.1
        """About how long a probe or an attempt of the ramp took to come back."""

    def __repr__(self) -> str:
        shape = "closed" if self.is_closed else "ramping" if self._ramp else "open"
        return f"<Breaker {shape}, {self.in_flight} in flight, opened {self.opened} times>"

    def state(self, now_s: float) -> State:
        """Half-open: a probe may start, is running, or was good."""
        if self.is_closed:
            return "closed"
        if self._ramp:
            return "ramping"
        return "half_open" if self._probe or self._probes_good or now_s >= self._reopen_s else "open"

    def wait_s(self, now_s: float) -> float:
        """Seconds until one more attempt may start: 0 when one may now, else when to ask again. Changes nothing."""
        if self.is_closed:
            return 0.0
        if self._ramp:
            # Who hangs unnoticed holds a place for long, but never all of them for ever.
            is_free = self.in_flight - self._stale < self._ramp or now_s >= self._probe_late_s
            return 0.0 if is_free else self._ask_again_s()
        if self._probe and now_s < self._probe_late_s:
            # Nothing good is known yet: where all targets are down, those without a probe are to come first.
            return self._probe_late_s - now_s if self.is_open else self._ask_again_s()
        return max(0.0, self._reopen_s - now_s)

    def started(self, now_s: float) -> int:
        """An attempt starts: 0, or the number of the probe that it is."""
        self.in_flight += 1
        if self.is_closed or (self._probe and now_s < self._probe_late_s):
            return 0
        self._probe_late_s = now_s + self._settings.probe_patience_s
        if self._ramp:
            return 0
        self._probe_number += 1
        self._probe = self._probe_number
        return self._probe

    def ended(self, ticket: int, started_s: float, now_s: float, ending: Ending, *, was_silent: bool = False) -> None:
        """The attempt of `started` is over. `was_silent`: `silent` was said of it, and not `heard` after that."""
        if ending == "good" and self.is_closed and not was_silent:
            self.in_flight -= 1
            if started_s > self._best_s:
                self._best_s = started_s
            self._silent_row = 0
            if now_s >= self._slot_end_s:  # asked twice: a call costs more
                self._roll(now_s)
            self._good += 1
            return
        self._leave(started_s, was_silent=was_silent)
        if ending == "good":
            self._good_end(ticket, started_s, now_s, was_silent=was_silent)
            return
        if was_silent:
            self._take_back(started_s, was_silent=True, forget=True)
        elif ending == "bad":
            self._bad_news(ticket, started_s, now_s)
        if ticket and ticket == self._probe:
            self._probe = 0

    def silent(self, ticket: int, started_s: float, now_s: float) -> None:
        """A running attempt is later than its kind: as bad as a failure, until it is heard or ends well after all."""
        self._leave(started_s, was_silent=False)
        self.silent_in_flight += 1
        # A burst goes silent in one instant; what was started with it, or later, and did well speaks against a hang.
        self._silent_row += started_s > self._best_s
        if self._is_up() and started_s > self._news_s:
            self._roll(now_s)
            self._doubts.setdefault(started_s, []).append(self._slot)
        self._bad_news(ticket, started_s, now_s)

    def heard(self, ticket: int, started_s: float, now_s: float, *, was_silent: bool = False) -> None:
        """A stream's first token came. Nobody has to say so, but who does needn't wait for the end of a long answer:
        it takes `silent` back, and is as good as a good probe."""
        if was_silent:
            self.silent_in_flight -= 1
            self.in_flight += 1
            self._roll(now_s)
            self._take_back(started_s, was_silent=True)
        if started_s > self._best_s:
            self._best_s = started_s
        self._silent_row = 0
        if ticket and not self._is_up():
            self._counted_probe = ticket
            self._good_probe(ticket, started_s, now_s)

    # Bookkeeping.

    def _is_up(self) -> bool:
        return self.is_closed or self._ramp > 0

    def _leave(self, started_s: float, *, was_silent: bool) -> None:
        if was_silent:
            self.silent_in_flight -= 1
            return
        self.in_flight -= 1
        if self._stale and started_s <= self._tripped_s:
            self._stale -= 1

    def _clear_window(self) -> None:
        self._good = self._bad = 0
        self._goods = [0] * _SLOTS
        self._bads = [0] * _SLOTS
        self._failed_s: list[float] = []
        """A heap: when the attempts that failed were started, those before `_best_s` dropped now and then."""
        self._silent_row = 0
        self._doubts: dict[float, list[int]] = {}
        """For each start of silent attempts the slots that they were counted in."""

    def _roll(self, now_s: float) -> None:
        """Make the slot of `now_s` the current one."""
        if now_s < self._slot_end_s:
            return
        self._peak = max(self.in_flight, 0.9 * self._peak)
        if now_s - self._slot_end_s >= self._settings.window_s:
            self._good = self._bad = 0
            self._goods = [0] * _SLOTS
            self._bads = [0] * _SLOTS
            self._slot += _SLOTS + 1
            self._slot_end_s = now_s + self._slot_s
            return
        while now_s >= self._slot_end_s:
            place = self._slot % _SLOTS
            self._goods[place], self._bads[place] = self._good, self._bad
            self._good = self._bad = 0
            self._slot += 1
            self._slot_end_s += self._slot_s

    def _take_back(self, started_s: float, *, was_silent: bool, forget: bool = False) -> None:
        """A silent attempt was counted as bad: that is no longer so, or (`forget`) that is how it ended."""
        slots = self._doubts.pop(started_s, None) if was_silent else None
        if slots is None:
            return
        slot = slots.pop()
        if slots:
            self._doubts[started_s] = slots
        if forget:
            return
        if slot == self._slot:
            self._bad -= 1
        elif self._slot - slot <= _SLOTS:
            self._bads[slot % _SLOTS] -= 1

    # News.

    def _good_end(self, ticket: int, started_s: float, now_s: float, *, was_silent: bool) -> None:
        self._best_s = max(self._best_s, started_s)
        self._silent_row = 0
        if self._is_up():
            self._roll(now_s)
            self._take_back(started_s, was_silent=was_silent)
            self._good += 1
            if self._ramp and started_s > self._tripped_s:
                self._grow(started_s, now_s)
        elif ticket and ticket == self._counted_probe:
            self._counted_probe = 0
        elif ticket or started_s > self._tripped_s:
            self._good_probe(ticket, started_s, now_s)
        else:
            self._late_good(started_s, now_s, was_silent=was_silent)

    def _late_good(self, started_s: float, now_s: float, *, was_silent: bool) -> None:
        """What began before it went down ended well.

        A silent one takes part of the reason back, and counts as a probe. Any other may be the rest of better times,
        as when a full server refuses what is new and finishes what it has: then probes come as often as at first.
        """
        if was_silent:
            self._good_probe(0, started_s, now_s)
            return
        self._wait_s = self._settings.wait_s
        self._reopen_s = min(self._reopen_s, now_s + self._jittered(self._wait_s))

    def _good_probe(self, ticket: int, started_s: float, now_s: float) -> None:
        # A probe that began before what has just ended well has been overtaken: the next needn't wait for it.
        if ticket == self._probe or started_s >= self._probe_late_s - self._settings.probe_patience_s:
            self._probe = 0
        if not self._probes_good:
            self._news_s = started_s
        self._probes_good += 1
        self._reopen_s = now_s
        self._trip_s = now_s - started_s
        self.is_open = False
        if self._probes_good >= self._settings.probes:
            self._clear_window()
            self._probe = 0
            self._ramp = self._settings.ramp_start

    def _grow(self, started_s: float, now_s: float) -> None:
        self._trip_s += 0.2 * (now_s - started_s - self._trip_s)
        settings = self._settings
        self._ramp += settings.ramp_growth if self._ramp < self._ramp_goal else settings.ramp_growth_beyond
        # Callers that have waited for the whole outage may be many times what the target is used to: not before they
        # are through does it close.
        if self._ramp >= self._ramp_goal and 2 * (self.in_flight - self._stale) <= self._ramp:
            self._ramp = self._stale = 0
            self._wait_s = settings.wait_s
            self.is_closed = True

    def _bad_news(self, ticket: int, started_s: float, now_s: float) -> None:
        if self._is_up():
            if started_s > self._news_s:
                self._count_bad(started_s, now_s)
        elif ticket and ticket == self._probe:
            self._probe = self._probes_good = 0
            self._shut(now_s)

    def _count_bad(self, started_s: float, now_s: float) -> None:
        self._roll(now_s)
        self._bad += 1
        if started_s > self._best_s:
            heapq.heappush(self._failed_s, started_s)
            if len(self._failed_s) > _MOST_STARTS:
                heapq.heappop(self._failed_s)
        if self._is_down():
            self._trip(now_s)

    def _is_down(self) -> bool:
        """Whether what was counted so far opens the breaker."""
        settings, running = self._settings, self.in_flight - self._stale
        bad = self._bad + sum(self._bads)
        ended = bad + self._good + sum(self._goods)
        if ended >= settings.least_counted and bad >= settings.ratio * (ended + running):
            return True
        failed = self._failed_s
        while failed and failed[0] <= self._best_s:
            heapq.heappop(failed)
        if len(failed) >= max(settings.least_failures, settings.per_in_flight * running):
            return True
        return self._silent_row >= max(settings.least_silent, settings.silent_per_in_flight * running)

    def _trip(self, now_s: float) -> None:
        settings = self._settings
        if self.is_closed:
            self.opened += 1
            self._peak = max(self._peak, self.in_flight + self.silent_in_flight)
            self._ramp_goal = max(settings.ramp_least, 2.0 * self._peak)
        self.is_closed = False
        self._ramp = self._probe = self._probes_good = self._counted_probe = 0
        self._stale = self.in_flight
        self._tripped_s = self._news_s = now_s
        self._clear_window()
        self._shut(now_s)

    def _shut(self, now_s: float) -> None:
        self.is_open = True
        self._reopen_s = now_s + self._jittered(self._wait_s)
        self._wait_s = min(2.0 * self._wait_s, self._settings.wait_cap_s)

    def _jittered(self, wait_s: float) -> float:
        return wait_s * self._rng.uniform(1.0 - self._settings.jitter, 1.0 + self._settings.jitter)

    def _ask_again_s(self) -> float:
        least_s, most_s = _RETRY_S
        return self._rng.uniform(least_s, max(2.0 * least_s, min(self._trip_s, most_s)))
