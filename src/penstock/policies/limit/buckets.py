"""What a limit lets through, as arithmetic. Time is an argument: nothing here waits."""

from __future__ import annotations

import math
from collections import deque

import msgspec

from penstock.call import Call

__all__ = ["HEADROOM", "Bucket", "Ledger", "Limits", "Need", "need_of"]

HEADROOM = 0.995
"""The part of a known limit that is used: the provider's clock isn't ours."""

_SLACK_S = 0.05
"""How much of a bucket's time a late wake-up may catch up with."""

_CHARACTERS_PER_TOKEN = 4
_FIRST_OUTPUT_TOKENS = 256


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the user knows of a target's limits, for each key; None: found out from headers and refusals."""

    rpm: float | None = None
    tpm: float | None = None
    input_tpm: float | None = None
    output_tpm: float | None = None
    charges_max_tokens: bool = False
    """The provider counts `max_tokens` when it takes a request, whatever is written in the end."""
    max_in_flight: int | None = None
    """Requests at once, over all keys; never more than this, fewer when the server is overloaded."""
    is_self_hosted: bool = False
    """A server of one's own, which queues inside rather than refuse: late first tokens mean that it has too much."""


class Need(msgspec.Struct, frozen=True):
    """Tokens that one request reserves."""

    input_tokens: int
    output_tokens: int
    is_charge: bool = False
    """The provider charges these output tokens, however many are written."""


def need_of(call: Call, limits: Limits, mean_output: float | None) -> Need:
    """What to reserve: the input and the most it may write where the provider charges that, else the mean output."""
    most = call.body.get("max_completion_tokens") or call.body.get("max_tokens")
    most = most if isinstance(most, int) and most > 0 else None
    if call.estimate > 0:
        input_tokens = max(0, call.estimate - (most or 0))
    else:
        input_tokens = _characters(call.body.get("messages") or call.body.get("prompt") or call.body.get("input"))
        input_tokens //= _CHARACTERS_PER_TOKEN
    if call.kind == "embedding":
        return Need(input_tokens, 0)
    if limits.charges_max_tokens and most is not None:
        return Need(input_tokens, most, is_charge=True)
    expected = _FIRST_OUTPUT_TOKENS if mean_output is None else math.ceil(mean_output)
    return Need(input_tokens, expected if most is None else min(expected, most))


def _characters(part: object) -> int:
    """The length of all text in a part of a body."""
    if isinstance(part, str):
        return len(part)
    if isinstance(part, list):
        return sum(map(_characters, part))
    if isinstance(part, dict):
        return _characters(part.get("content") or part.get("text"))
    return 1


class Bucket:
    """A known limit: fills at 0.995 of its rate, or of a share of it. A request passes once all that it needs is there.

    What is given back is there for those who come next, up to `most_spare_s` seconds of the limit.

    It saves up for one request at a time (a burst of one), so a big request waits before it is sent and leaves no
    debt behind.
    """

    __slots__ = ("_empty_s", "_most_spare_s", "_share", "_spare_s", "_window_s", "capacity", "rate_per_s")

    def __init__(self, limit: float, window_s: float, most_spare_s: float = 0.0) -> None:
        self._most_spare_s = most_spare_s
        self._empty_s = -math.inf
        # How far behind it is for what was given back, which others may use; not for having been idle.
        self._spare_s = 0.0
        self._window_s = window_s
        self._share = 1.0
        self.capacity = limit
        self.rate_per_s = HEADROOM * limit / window_s

    @property
    def per_minute(self) -> float:
        return self.capacity * 60.0 / self._window_s

    def use(self, share: float, now_s: float) -> None:
        """Use this part of the limit only."""
        self._share = share
        self.retune(self.capacity, self._window_s, now_s)

    def retune(self, limit: float, window_s: float, now_s: float) -> None:
        """The limit has changed: what is in the bucket, or owed to it, stays."""
        rate_per_s = HEADROOM * self._share * limit / window_s
        if self._empty_s > -math.inf:
            self._empty_s = now_s - (now_s - self._empty_s) * self.rate_per_s / rate_per_s
        self.capacity = limit
        self._window_s = window_s
        self.rate_per_s = rate_per_s

    def wait_s(self, now_s: float, amount: float) -> float:
        wait_s = self._empty_s + amount / self.rate_per_s - now_s
        return wait_s if wait_s > 1e-9 else 0.0

    def take(self, now_s: float, amount: float) -> None:
        least_s = now_s - _SLACK_S
        self._empty_s = max(self._empty_s + amount / self.rate_per_s, least_s - self._spare_s)
        self._spare_s = max(0.0, least_s - self._empty_s)

    def refund(self, amount: float, now_s: float) -> None:
        """Give back what was taken too much; a negative amount takes what was taken too little."""
        before_s = min(self._empty_s, now_s)
        self._empty_s -= amount / self.rate_per_s
        self._spare_s = max(0.0, min(self._most_spare_s, self._spare_s + before_s - min(self._empty_s, now_s)))


class Ledger:
    """How many requests were sent and refused, and how many lately, in half-second steps for a minute back."""

    __slots__ = ("_samples", "next_s", "refused", "sent")

    STEP_S = 0.5
    WINDOW_S = 60.0

    def __init__(self) -> None:
        self.sent = 0
        self.refused = 0
        self.next_s = -math.inf
        """When the next step begins."""
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=int(self.WINDOW_S / self.STEP_S) + 1)

    def send(self, now_s: float) -> None:
        if now_s >= self.next_s:
            self._samples.append((now_s, self.sent, self.refused))
            self.next_s = now_s + self.STEP_S
        self.sent += 1

    def accepted_within(self, window_s: float, now_s: float) -> int:
        """Requests sent in the last `window_s` seconds (60 at most) that haven't been refused."""
        sent, refused = self.sent, self.refused
        for at_s, sent_before, refused_before in reversed(self._samples):
            if at_s < now_s - window_s:
                break
            sent, refused = sent_before, refused_before
        return max(0, (self.sent - sent) - (self.refused - refused))

    def oldest_within(self, window_s: float, now_s: float) -> float:
        """When the first request of the last `window_s` seconds was sent, to half a second; `now_s` when none was."""
        return next((at_s for at_s, _, _ in self._samples if at_s >= now_s - window_s), now_s)
