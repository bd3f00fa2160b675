"""One key's limits on tokens: paced, counted over the last minute where windows enforce them, and settled. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator

from penstock.call import Usage
from penstock.policies.limit.buckets import Bucket, Limits, Need

__all__ = ["Taken", "TokenLimits"]

_WINDOW_S = 60.6
"""A minute, and what clocks and networks may add to it."""
_MINUTE_S = 60.0
_SPARE_S = 4.0
_IS_FULL = 0.7
"""A refusal is a matter of tokens when at least this part of their limit was used in the last minute."""
_FIRST_STEP, _LAST_STEP = 0.004, 0.05
_QUIET_ANSWERS = 30
_RECOVERED_PER_ANSWER = _FIRST_STEP * 0.0025
_LEAST_SHARE = 0.05
_SURE = 1.5
"""Standard deviations of what is in flight that are left free where windows enforce the limit."""
_VARIANCE_WEIGHT = 0.01
_FIRST_DELAY_S, _LAST_DELAY_S = 0.5, 8.0


class Taken:
    """What one request has taken: reserved when it is sent, settled when it is answered."""

    __slots__ = ("input_tokens", "is_charge", "is_counted", "is_over", "output_tokens", "sent_s")

    def __init__(self, need: Need, sent_s: float) -> None:
        self.input_tokens = need.input_tokens
        self.output_tokens = need.output_tokens
        self.is_charge = need.is_charge
        self.sent_s = sent_s
        self.is_over = False
        self.is_counted = True
        """It is within the last minute."""


AMOUNT: dict[str, Callable[[Need | Usage | Taken], int]] = {
    "tokens": lambda of: of.input_tokens + of.output_tokens,
    "input_tokens": lambda of: of.input_tokens,
    "output_tokens": lambda of: of.output_tokens,
}
"""What each limit takes for a request, and what it is charged in the end."""


class TokenLimits:
    """A request goes through when every limit on tokens has room for it.

    Each is paced by a bucket. Once a request was refused although the buckets had room, the provider counts by
    windows, or what is in flight came to more than expected: from then on what the last 60.6 s came to is kept below
    the limit too, less a margin that grows with each refusal and shrinks with the answers.
    """

    __slots__ = (
        "_buckets",
        "_delay_s",
        "_event_s",
        "_minute",
        "_quiet",
        "_settled",
        "_share",
        "_step",
        "_unsettled",
        "_used",
        "_variance",
        "is_windowed",
    )

    def __init__(self, config: Limits) -> None:
        own = {"tokens": config.tpm, "input_tokens": config.input_tpm, "output_tokens": config.output_tpm}
        self._buckets = {name: Bucket(limit, _MINUTE_S, _SPARE_S) for name, limit in own.items() if limit is not None}
        self._minute: deque[Taken] = deque()
        self._used = dict.fromkeys(AMOUNT, 0)
        self._unsettled = 0
        self._settled = 0
        self._variance = 0.0
        self._share = 1.0
        self._step = _FIRST_STEP
        self._delay_s = _FIRST_DELAY_S
        self._event_s = -math.inf
        self._quiet = 0
        self.is_windowed = False

    def __bool__(self) -> bool:
        return bool(self._buckets)

    def can_hold(self, need: Need) -> bool:
        """False when a request is larger than a whole limit, so that it can never pass."""
        return all(AMOUNT[name](need) <= bucket.capacity for name, bucket in self._buckets.items())

    def capacity(self) -> float:
        """Tokens that one request may need at most."""
        return min((bucket.capacity for bucket in self._buckets.values()), default=math.inf)

    def line_s(self, tokens: int) -> float:
        """Seconds that so many tokens take."""
        total = self._buckets.get("tokens")
        return 0.0 if total is None else tokens / total.rate_per_s

    def wait_s(self, now_s: float, need: Need) -> float:
        wait_s = 0.0
        for name, bucket in self._buckets.items():
            amount = AMOUNT[name](need)
            wait_s = max(wait_s, bucket.wait_s(now_s, amount))
            if self.is_windowed:
                wait_s = max(wait_s, self._window_wait_s(now_s, name, amount))
        return wait_s

    def _window_wait_s(self, now_s: float, name: str, amount: int) -> float:
        self._forget(now_s)
        unsure = 0.0 if name == "input_tokens" else _SURE * math.sqrt(self._variance * (self._unsettled + 1))
        over = self._used[name] + amount - max(amount, self._buckets[name].capacity * self._share - unsure)
        if over <= 0:
            return 0.0
        for taken in self._minute:
            over -= AMOUNT[name](taken)
            if over <= 0:
                return max(0.0, taken.sent_s + _WINDOW_S - now_s)
        return _WINDOW_S

    def take(self, now_s: float, need: Need) -> Taken:
        self._forget(now_s)
        taken = Taken(need, now_s)
        self._unsettled += 1
        for name, bucket in self._buckets.items():
            bucket.take(now_s, AMOUNT[name](need))
        self._count(taken, 1)
        self._minute.append(taken)
        return taken

    def settle(self, taken: Taken, usage: Usage, now_s: float) -> None:
        """What was reserved and not used is given back, but for a provider that keeps it."""
        output_tokens = usage.output_tokens
        if taken.is_charge:
            output_tokens = max(output_tokens, taken.output_tokens)
        self._settled += 1
        weight = max(_VARIANCE_WEIGHT, 1 / self._settled)
        self._variance += weight * ((output_tokens - taken.output_tokens) ** 2 - self._variance)
        self._change(taken, usage.input_tokens, output_tokens, now_s)
        self.end(taken)

    def end(self, taken: Taken) -> None:
        """It is over, whatever it came to."""
        if not taken.is_over:
            taken.is_over = True
            self._unsettled -= 1

    def give_back(self, taken: Taken, now_s: float) -> None:
        """It was never charged."""
        self._change(taken, 0, 0, now_s)
        self.end(taken)

    def _change(self, taken: Taken, input_tokens: int, output_tokens: int, now_s: float) -> None:
        before = {name: AMOUNT[name](taken) for name in self._buckets}
        if taken.is_counted:
            self._count(taken, -1)
        taken.input_tokens, taken.output_tokens = input_tokens, output_tokens
        if taken.is_counted:
            self._count(taken, 1)
        for name, bucket in self._buckets.items():
            bucket.refund(before[name] - AMOUNT[name](taken), now_s)

    def _count(self, taken: Taken, sign: int) -> None:
        used = self._used
        used["input_tokens"] += sign * taken.input_tokens
        used["output_tokens"] += sign * taken.output_tokens
        used["tokens"] += sign * (taken.input_tokens + taken.output_tokens)

    def _forget(self, now_s: float) -> None:
        minute = self._minute
        while minute and minute[0].sent_s <= now_s - _WINDOW_S:
            taken = minute.popleft()
            taken.is_counted = False
            self._count(taken, -1)

    # What refusals and headers teach.

    def explains(self, now_s: float, *, beyond: float) -> bool:
        """Whether a refusal now is a matter of tokens; `beyond`: the used part of the limit on requests."""
        return any(amount >= max(_IS_FULL, beyond) * limit for _, limit, amount in self.uses(now_s))

    def refused(self, now_s: float, sent_s: float) -> float:
        """A request that was sent at `sent_s` was refused for its tokens. The seconds to wait if nobody told them."""
        if sent_s <= self._event_s:
            return self._delay_s
        self._delay_s = _FIRST_DELAY_S if self._quiet else min(_LAST_DELAY_S, 2 * self._delay_s)
        self._step = _FIRST_STEP if self._quiet >= _QUIET_ANSWERS else min(_LAST_STEP, 2 * self._step)
        if self.is_windowed:
            self._set_share(max(_LEAST_SHARE, self._share - self._step), now_s)
        self.is_windowed = True
        self._event_s = now_s
        self._quiet = 0
        return self._delay_s

    def accepted(self, now_s: float) -> None:
        self._quiet += 1
        if self._share < 1.0:
            recovered = _RECOVERED_PER_ANSWER * max(1.0, self._quiet / (4 * _QUIET_ANSWERS))
            self._set_share(min(1.0, self._share + recovered), now_s)

    def _set_share(self, share: float, now_s: float) -> None:
        self._share = share
        for bucket in self._buckets.values():
            bucket.use(share, now_s)

    def learn(self, name: str, limit: float, window_s: float, now_s: float) -> None:
        """`limit` is what counts from now on."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(limit, window_s, _SPARE_S)
            bucket.use(self._share, now_s)
        else:
            bucket.retune(limit, window_s, now_s)

    def uses(self, now_s: float) -> Iterator[tuple[str, float, int]]:
        """Each limit's name, what it lets through in a minute, and what was used in the last one."""
        self._forget(now_s)
        for name, bucket in self._buckets.items():
            yield name, bucket.per_minute, self._used[name]
