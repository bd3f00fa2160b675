"""How many requests a server bears at once, found from its refusals. Pure."""

from __future__ import annotations

import math

__all__ = ["ConcurrencyFinder"]


class ConcurrencyFinder:
    """How many requests a server takes at once, engaged at its first 503 or 529.

    Cut to 0.7 when clearly more than a tenth of what was asked lately is refused (two standard deviations), once for
    everything that was in flight then: a full server refuses in masses, while one that fails now and then at random
    would be cut down to nothing if every refusal counted. Without a cut, one more per round trip or 5 %, whichever is
    more.
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
        # Refusals come before slow answers: who is still out counts as well.
        usual = 0.1 * (self._accepted + self._refused + in_flight)
        if self._refused < min(3, in_flight) or self._refused < usual + 2.0 * math.sqrt(usual):
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
