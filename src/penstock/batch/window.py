"""How many requests to keep in flight when nobody said: more, for as long as more of them come back per second.

Pure: completions and the time in, a number out. Limits and overload are the limiter's business; this only keeps a
small server of one's own from being buried under a thousand requests that it would answer one by one.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Window"]

_WORTH = 1.1
"""A wider window has paid when the rate rose by this much."""
_LOOK_AGAIN = 16
"""Rounds at one width before a wider one is tried again: conditions change."""


@dataclass(slots=True)
class Window:
    """Doubles after each round of `limit` completions that was faster than any narrower one, up to `ceiling`."""

    limit: int
    ceiling: int
    _round_done: int = 0
    _round_began_s: float | None = None
    _best_rate: float = 0.0
    _settled: int = 0
    _before: int = 0

    def done(self, now_s: float) -> bool:
        """A request came back at `now_s`. True when the window is wider now."""
        if self.limit >= self.ceiling and not self._before:
            return False
        if self._round_began_s is None:
            self._round_began_s = now_s
            return False
        self._round_done += 1
        # Two rounds a look: the first after a change still carries the old width's requests.
        if self._round_done < 2 * self.limit:
            return False
        rate = self._round_done / max(now_s - self._round_began_s, 1e-9)
        self._round_done, self._round_began_s = 0, now_s
        return self._decide(rate)

    def _decide(self, rate: float) -> bool:
        if self._settled:
            self._settled -= 1
            self._best_rate = max(self._best_rate * 0.98, rate)
            return False
        if rate >= self._best_rate * _WORTH:
            self._best_rate = rate
            return self._widen()
        if self._before:
            self.limit, self._before = self._before, 0
        self._best_rate = max(self._best_rate, rate)
        self._settled = _LOOK_AGAIN
        return False

    def _widen(self) -> bool:
        if self.limit >= self.ceiling:
            self._before = 0
            return False
        self._before = self.limit
        self.limit = min(self.ceiling, self.limit * 2)
        return True
