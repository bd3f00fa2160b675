"""One key's limits at one model: every bucket, what is in flight, and what refusals taught. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

from penstock.call import RateLimits, Usage
from penstock.credentials.keys import Key
from penstock.errors import CallError
from penstock.policies.limit.buckets import Bucket, Ledger, Limits, Need
from penstock.policies.limit.rate import RateFinder

__all__ = ["Lane"]

_LONGEST_PACED_S = 600.0
"""A limit per hour or day isn't paced: one may use it up at once, and then wait."""


class Lane:
    """A request goes through when every bucket has room for it, or waits for the slowest."""

    __slots__ = (
        "_config",
        "_heard",
        "_requests",
        "_rng",
        "_tokens",
        "finder",
        "frozen_until_s",
        "in_flight",
        "key",
        "ledger",
    )

    def __init__(self, key: Key, config: Limits, rng: random.Random) -> None:
        self.key = key
        self.in_flight = 0
        self.ledger = Ledger()
        self.frozen_until_s = -math.inf
        self.finder: RateFinder | None = None
        self._config = config
        self._heard: tuple[object, ...] | None = None
        self._rng = rng
        self._requests = None if config.rpm is None else Bucket(config.rpm, 60.0)
        own = {"total": config.tpm, "input": config.input_tpm, "output": config.output_tpm}
        self._tokens = {name: Bucket(limit, 60.0) for name, limit in own.items() if limit is not None}

    def is_free(self, now_s: float) -> bool:
        """Nothing restrains it, and nothing is to be counted."""
        return (
            self.finder is None
            and self._requests is None
            and not self.counts_tokens
            and now_s >= self.frozen_until_s
            and self.key.aside_until_s == -math.inf
        )

    @property
    def counts_tokens(self) -> bool:
        return bool(self._tokens)

    def can_hold(self, need: Need) -> bool:
        """False when a request is larger than a whole bucket, so that it can never pass."""
        return all(_AMOUNT[name](need) <= bucket.capacity for name, bucket in self._tokens.items())

    def capacity(self) -> float:
        """Tokens that one request may need at most."""
        return min((bucket.capacity for bucket in self._tokens.values()), default=math.inf)

    def settle(self, now_s: float) -> None:
        """Draw conclusions from the time that has passed; call before a `wait_s` that decides."""
        if self.finder is not None:
            self.finder.settle(now_s)

    def wait_s(self, now_s: float, need: Need | None) -> float:
        """Seconds until a request of this need may be sent; it changes nothing."""
        wait_s = max(0.0, self.frozen_until_s - now_s)
        if self.finder is not None:
            wait_s = max(wait_s, self.finder.wait_s(now_s))
        if self._requests is not None:
            wait_s = max(wait_s, self._requests.wait_s(now_s, 1.0))
        if need is not None:
            for name, bucket in self._tokens.items():
                wait_s = max(wait_s, bucket.wait_s(now_s, _AMOUNT[name](need)))
        return wait_s

    def line_s(self, requests: int, tokens: int, now_s: float) -> float:
        """Seconds that so many requests before one in the line take."""
        rates = [(requests, self.rate_per_s(now_s))]
        rates += [(tokens, bucket.rate_per_s) for name, bucket in self._tokens.items() if name == "total"]
        return max(amount / rate for amount, rate in rates)

    def rate_per_s(self, now_s: float) -> float:
        """Requests per second that pass now, `inf` when nothing limits them."""
        rate = math.inf if self._requests is None else self._requests.rate_per_s
        return rate if self.finder is None else min(rate, self.finder.rate(now_s))

    def take(self, now_s: float, need: Need | None) -> None:
        """A request is sent now."""
        self.in_flight += 1
        self.ledger.send(now_s)
        if self._requests is not None:
            self._requests.take(now_s, 1.0)
        if need is not None:
            for name, bucket in self._tokens.items():
                bucket.take(now_s, _AMOUNT[name](need))
        if self.finder is not None:
            if self.finder.is_forgotten(now_s) or self.finder.rate(now_s) > self._ceiling():
                self.finder = None
            else:
                self.finder.sent(now_s)

    def _ceiling(self) -> float:
        return math.inf if self._requests is None else 1.1 * self._requests.rate_per_s

    def answered(self, now_s: float, sent_s: float, need: Need | None, usage: Usage | None) -> None:
        self.in_flight -= 1
        if self.finder is not None:
            self.finder.accepted(now_s, sent_s)
        if need is not None and usage is not None:
            for name, bucket in self._tokens.items():
                amount = _AMOUNT[name]
                bucket.refund(amount(need) - amount(usage))

    def failed(self, error: CallError, now_s: float, need: Need | None) -> None:
        """No answer, and no 429. The provider charges tokens for what it began to answer, not for what it refused."""
        if not error.sent:
            self.unsent(now_s, need)
            return
        self.in_flight -= 1
        if error.status is not None and 400 <= error.status < 500:
            self._refund(need)

    def unsent(self, now_s: float, need: Need | None) -> None:
        """What was taken is given back whole: the request was never sent."""
        self.in_flight -= 1
        self.ledger.sent -= 1
        if self.finder is not None:
            self.finder.unsent(now_s)
        self._refund(need)
        if self._requests is not None:
            self._requests.refund(1.0)

    def _refund(self, need: Need | None) -> None:
        if need is not None:
            for name, bucket in self._tokens.items():
                bucket.refund(_AMOUNT[name](need))

    def refused(self, error: CallError, now_s: float, sent_s: float, need: Need | None) -> None:
        """A 429: nobody else on this key has to find out alone."""
        self.in_flight -= 1
        self._refund(need)
        if self._requests is not None:
            self._requests.refund(1.0)
        self.ledger.refused += 1
        if self.finder is None:
            known = None if self._requests is None else self._requests.rate_per_s
            self.finder = RateFinder(self.ledger, self._rng, known)
        self.finder.refused(now_s, sent_s, error.retry_after_s)
        if error.retry_after_s is not None:
            self.frozen_until_s = max(self.frozen_until_s, now_s + error.retry_after_s)

    def learn(self, limits: RateLimits, now_s: float) -> bool:
        """Take what a reply's headers said; True when it changed anything.

        A changed limit counts at once, in both directions, below what the user set. What remains is stale as soon as
        requests are in flight, so it isn't read, but for limits of an hour or a day that are used up.
        """
        heard = (
            limits.requests_limit,
            limits.requests_window_s,
            limits.tokens_limit,
            limits.tokens_window_s,
            limits.input_tokens_limit,
            limits.output_tokens_limit,
        )
        changed = heard != self._heard
        if changed:
            self._heard = heard
            config = self._config
            self._requests = _tuned(self._requests, config.rpm, heard[0], limits.requests_window_s, now_s)
            told = {
                "total": (config.tpm, limits.tokens_limit),
                "input": (config.input_tpm, limits.input_tokens_limit),
                "output": (config.output_tpm, limits.output_tokens_limit),
            }
            for name, (own, limit) in told.items():
                bucket = _tuned(self._tokens.get(name), own, limit, limits.tokens_window_s, now_s)
                if bucket is not None:
                    self._tokens[name] = bucket
        used_up = limits.requests_remaining == 0 and limits.requests_window_s > _LONGEST_PACED_S
        if used_up and limits.requests_reset_s is not None:
            self.frozen_until_s = max(self.frozen_until_s, now_s + limits.requests_reset_s)
            changed = True
        return changed


_AMOUNT: dict[str, Callable[[Need | Usage], int]] = {
    "total": lambda need: need.input_tokens + need.output_tokens,
    "input": lambda need: need.input_tokens,
    "output": lambda need: need.output_tokens,
}
"""What each bucket of tokens takes for a request, and what it is charged in the end."""


def _tuned(bucket: Bucket | None, own: float | None, heard: int | None, window_s: float, now_s: float) -> Bucket | None:
    """The bucket for the smaller of the user's own limit per minute and the one heard; as it was when none is heard."""
    if heard is None or heard <= 0 or window_s > _LONGEST_PACED_S:
        return bucket
    limit, window = float(heard), window_s
    if own is not None and own / 60.0 <= limit / window:
        limit, window = own, 60.0
    if bucket is None:
        return Bucket(limit, window)
    bucket.retune(limit, window, now_s)
    return bucket
