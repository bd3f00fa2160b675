"""A known limit that is enforced second by second: requests are kept so far apart that they arrive as they should."""

from __future__ import annotations

import math
from collections import deque

__all__ = ["SecondWindow"]

_WINDOW_S = 1.0
_LEAST_RATE_PER_S = 2.0
"""Nobody counts one request a second; whoever refuses there counts by the minute, or others share the quota."""
_REFUSED_SHARE = 0.004
"""Refusals for each answer that it settles at: fewer cost more of the quota than the refusals do."""
_FIRST_STEP_S, _STEP = 0.002, 0.15
"""How much a refusal adds to the margin: so many seconds, or this part of it."""
_FIRST_MARGIN_S = 0.01
_QUIET, _QUIET_STEPS = 750, 4
"""After so many answers without a refusal the margin shrinks so many times faster."""
_MOST_MARGIN_S = 0.2
_USUAL_REFUSALS, _MOST_REFUSALS = 0.05, 10.0
"""More refusals than this above a tenth of the answers, or more of a margin, and it isn't jitter."""


class SecondWindow:
    """At most so many requests in any second, engaged when a limit that was kept refused and told a wait of a second.

    Sent evenly, the last request of a second and the first one of the next are as far apart as their ways to the
    provider let them be: a little jitter makes it one too many. So a request is sent a second and a margin after the
    one that it follows by a whole second's number of them. The margin grows with refusals and shrinks with answers, to
    about four refusals in a thousand. A refusal delays what is sent in its place, and nothing else.
    """

    __slots__ = ("_margin_s", "_most", "_quiet", "_refusals", "_sent")

    def __init__(self, rate_per_s: float) -> None:
        self._most = math.floor(rate_per_s + 1e-9)
        self._sent: deque[float] = deque(maxlen=self._most)
        self._margin_s = _FIRST_MARGIN_S
        self._quiet = 0
        self._refusals = 0.0

    @staticmethod
    def may_be(rate_per_s: float, retry_after_s: float | None) -> bool:
        """Whether a refusal at a limit of `rate_per_s` may be a matter of a single second."""
        return rate_per_s >= _LEAST_RATE_PER_S and retry_after_s is not None and retry_after_s <= _WINDOW_S

    @property
    def rate_per_s(self) -> float:
        return self._most / (_WINDOW_S + self._margin_s)

    def wait_s(self, now_s: float) -> float:
        """Seconds until the next request may be sent; it changes nothing."""
        if len(self._sent) < self._most:
            return 0.0
        wait_s = self._sent[0] + _WINDOW_S + self._margin_s - now_s
        return wait_s if wait_s > 1e-9 else 0.0

    def sent(self, now_s: float) -> None:
        self._sent.append(now_s)

    def unsent(self) -> None:
        """The last one admitted wasn't sent after all."""
        if self._sent:
            self._sent.pop()

    def accepted(self) -> None:
        self._quiet += 1
        self._refusals = max(0.0, self._refusals - _USUAL_REFUSALS)
        steps = _REFUSED_SHARE * (_QUIET_STEPS if self._quiet > _QUIET else 1)
        self._margin_s = max(0.0, self._margin_s - steps * self._step_s)

    @property
    def _step_s(self) -> float:
        return max(_FIRST_STEP_S, _STEP * self._margin_s)

    def refused(self, sent_s: float, retry_after_s: float) -> float:
        """A request that was sent at `sent_s` was refused. Until when to wait; `inf`: seconds don't explain it."""
        if sent_s in self._sent:
            self._sent.remove(sent_s)
        self._quiet = 0
        self._refusals += 1.0
        self._margin_s += self._step_s
        if self._margin_s > _MOST_MARGIN_S or self._refusals > _MOST_REFUSALS:
            return math.inf
        # The wait began there, when it arrived: what is sent so much later arrives when it is over.
        return sent_s + retry_after_s + self._margin_s
