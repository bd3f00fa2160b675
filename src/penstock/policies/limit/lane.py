"""One key's limits at one model: every bucket, what is in flight, and what refusals taught. Pure."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from penstock.call import RateLimits, Usage
from penstock.credentials.keys import Key
from penstock.errors import CallError
from penstock.policies.limit.buckets import Bucket, Ledger, Limits, Need
from penstock.policies.limit.rate import RateFinder
from penstock.policies.limit.seconds import SecondWindow
from penstock.policies.limit.tokens import Taken, TokenLimits

__all__ = ["Lane"]

_LONGEST_PACED_S = 600.0
"""A limit per hour or day isn't paced: one may use it up at once, and then wait."""


class Lane:
    """A request goes through when every bucket has room for it, or waits for the slowest."""

    __slots__ = (
        "_config",
        "_heard",
        "_learned_s",
        "_requests",
        "_rng",
        "_second",
        "finder",
        "frozen_until_s",
        "in_flight",
        "key",
        "ledger",
        "tokens",
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
        self._second: SecondWindow | None = None
        self._learned_s = -math.inf
        self.tokens = TokenLimits(config)

    def is_free(self, now_s: float) -> bool:
        """Nothing restrains it, and nothing is to be counted."""
        return (
            self.finder is None
            and self._requests is None
            and not self.tokens
            and now_s >= self.frozen_until_s
            and self.key.aside_until_s == -math.inf
        )

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
        if self._second is not None:
            wait_s = max(wait_s, self._second.wait_s(now_s))
        if need is not None:
            wait_s = max(wait_s, self.tokens.wait_s(now_s, need))
        return wait_s

    def line_s(self, requests: int, tokens: int, now_s: float) -> float:
        """Seconds that so many requests before one in the line take."""
        return max(requests / self.rate_per_s(now_s), self.tokens.line_s(tokens))

    def rate_per_s(self, now_s: float) -> float:
        """Requests per second that pass now, `inf` when nothing limits them."""
        rate = math.inf if self._requests is None else self._requests.rate_per_s
        if self._second is not None:
            rate = min(rate, self._second.rate_per_s)
        return rate if self.finder is None else min(rate, self.finder.rate(now_s))

    def uses(self, now_s: float) -> Iterator[tuple[str, float, int]]:
        """Each limit's name, what it lets through in a minute, and what was used in the last one."""
        told = math.inf if self._requests is None else self._requests.per_minute
        found = math.inf if self.finder is None else 60.0 * self.finder.rate(now_s)
        if min(told, found) < math.inf:
            yield "requests", min(told, found), self.ledger.accepted_within(Ledger.WINDOW_S, now_s)
        yield from self.tokens.uses(now_s)

    def take(self, now_s: float, need: Need | None) -> Taken | None:
        """A request is sent now. What it took is given to whatever ends it; None where no tokens are counted."""
        self.in_flight += 1
        self.ledger.send(now_s)
        if self._requests is not None:
            self._requests.take(now_s, 1.0)
        if self._second is not None:
            self._second.sent(now_s)
        if self.finder is not None:
            if self.finder.is_forgotten(now_s) or self.finder.rate(now_s) > self._ceiling():
                self.finder = None
            else:
                self.finder.sent(now_s)
        return None if need is None else self.tokens.take(now_s, need)

    def _ceiling(self) -> float:
        return math.inf if self._requests is None else 1.1 * self._requests.rate_per_s

    def answered(self, now_s: float, sent_s: float, taken: Taken | None, usage: Usage | None) -> None:
        self.in_flight -= 1
        if self.finder is not None:
            self.finder.accepted(now_s, sent_s)
        if self._second is not None and sent_s > -math.inf:
            self._second.accepted()
        if taken is not None:
            if usage is None:
                self.tokens.end(taken)
            else:
                self.tokens.settle(taken, usage, now_s)
            self.tokens.accepted(now_s)

    def failed(self, error: CallError, now_s: float, taken: Taken | None) -> None:
        """No answer, and no 429. The provider charges tokens for what it began to answer, not for what it refused."""
        if not error.sent:
            self.unsent(now_s, taken)
            return
        self.in_flight -= 1
        if taken is not None:
            if error.status is not None and 400 <= error.status < 500:
                self.tokens.give_back(taken, now_s)
            self.tokens.end(taken)

    def unsent(self, now_s: float, taken: Taken | None) -> None:
        """What was taken is given back whole: the request was never sent."""
        self.in_flight -= 1
        self.ledger.sent -= 1
        if self.finder is not None:
            self.finder.unsent(now_s)
        if self._second is not None:
            self._second.unsent()
        if taken is not None:
            self.tokens.give_back(taken, now_s)
        if self._requests is not None:
            self._requests.refund(1.0, now_s)

    def refused(self, error: CallError, now_s: float, sent_s: float, taken: Taken | None) -> None:
        """A 429: nobody else on this key has to find out alone."""
        self.in_flight -= 1
        if taken is not None:
            self.tokens.give_back(taken, now_s)
        if self._requests is not None:
            self._requests.refund(1.0, now_s)
        self.ledger.refused += 1
        wait_s = error.retry_after_s
        if self.tokens and self.finder is None and self.tokens.explains(now_s, beyond=self._used(now_s)):
            own_s = self.tokens.refused(now_s, sent_s)
            wait_s = own_s if wait_s is None else wait_s
        elif self._is_jitter(error, now_s, sent_s):
            return
        else:
            self._find(error, now_s, sent_s)
        if wait_s is not None:
            self.frozen_until_s = max(self.frozen_until_s, now_s + wait_s)

    def _is_jitter(self, error: CallError, now_s: float, sent_s: float) -> bool:
        """Whether it says nothing of the rate, and has been seen to.

        It was sent before the limit was known, or the limit is kept and enforced second by second.
        """
        wait_s = error.retry_after_s
        if self.finder is not None or self._requests is None or wait_s is None:
            return False
        if sent_s <= self._learned_s:
            self.frozen_until_s = max(self.frozen_until_s, now_s + wait_s)
            return True
        second, limit_per_s = self._second, self._requests.per_minute / 60.0
        until_s = math.inf
        if SecondWindow.may_be(limit_per_s, wait_s):
            if second is None:
                second = SecondWindow(limit_per_s)
            until_s = second.refused(sent_s, wait_s)
        if until_s == math.inf:
            self._second = None
            return False
        self._second = second
        self.frozen_until_s = max(self.frozen_until_s, until_s)
        return True

    def _find(self, error: CallError, now_s: float, sent_s: float) -> None:
        if self.finder is None:
            known = None if self._requests is None else self._requests.rate_per_s
            self.finder = RateFinder(self.ledger, self._rng, known)
        self.finder.refused(now_s, sent_s, error.retry_after_s)

    def _used(self, now_s: float) -> float:
        """The part of a known limit on requests that was used in the last minute."""
        if self._requests is None:
            return 0.0
        return self.ledger.accepted_within(Ledger.WINDOW_S, now_s) / self._requests.per_minute

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
            self._learn_limits(limits, now_s)
        used_up = limits.requests_remaining == 0 and limits.requests_window_s > _LONGEST_PACED_S
        if used_up and limits.requests_reset_s is not None:
            self.frozen_until_s = max(self.frozen_until_s, now_s + limits.requests_reset_s)
            changed = True
        return changed

    def _learn_limits(self, limits: RateLimits, now_s: float) -> None:
        config = self._config
        told = _counting(config.rpm, limits.requests_limit, limits.requests_window_s)
        if told is not None:
            before = None if self._requests is None else self._requests.rate_per_s
            if self._requests is None:
                self._requests = Bucket(*told)
            else:
                self._requests.retune(*told, now_s)
            if self._requests.rate_per_s != before:
                # What refusals taught was about another limit.
                self.finder = self._second = None
                self._learned_s = now_s
        heard = {
            "tokens": (config.tpm, limits.tokens_limit),
            "input_tokens": (config.input_tpm, limits.input_tokens_limit),
            "output_tokens": (config.output_tpm, limits.output_tokens_limit),
        }
        for name, (own, limit) in heard.items():
            told = _counting(own, limit, limits.tokens_window_s)
            if told is not None:
                self.tokens.learn(name, told[0], told[1], now_s)


def _counting(own: float | None, heard: int | None, window_s: float) -> tuple[float, float] | None:
    """The smaller of the user's own limit per minute and the one heard, and its seconds; None when none is heard."""
    if heard is None or heard <= 0 or window_s > _LONGEST_PACED_S:
        return None
    if own is not None and own / 60.0 <= heard / window_s:
        return own, 60.0
    return float(heard), window_s
