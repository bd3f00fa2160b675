"""The limits a provider enforces, pure: time is an argument and nothing here waits.

A limiter answers how long an amount would have to wait (0: it fits now, infinity: never) and takes it. `Admission`
asks all of a key's limits at once, as providers do: all of them are charged, or none.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Final, Literal, NamedTuple, Protocol

from penstock.simulator.scenario import Limits

__all__ = ["Admission", "FixedWindow", "Limiter", "Refusal", "SlidingWindow", "Snapshot", "TokenBucket"]

_MINUTE_S: Final = 60.0
_ROUNDING: Final = 1e-9


class Limiter(Protocol):
    """`limit` is what fits at most at once."""

    limit: float

    def wait_s(self, now_s: float, amount: float) -> float: ...

    def take(self, now_s: float, amount: float) -> None:
        """Charge `amount`, which `wait_s` allowed now."""
        ...

    def remaining(self, now_s: float) -> float: ...

    def reset_s(self, now_s: float) -> float:
        """Seconds until all of the limit is free again."""
        ...


class TokenBucket:
    """Tokens that refill at a steady rate up to `limit`."""

    __slots__ = ("_filled_at_s", "_level", "_rate_per_s", "limit")

    def __init__(self, per_minute: float, burst: float, now_s: float) -> None:
        self.limit = max(1.0, per_minute * burst)
        self._rate_per_s = per_minute / _MINUTE_S
        self._level = self.limit
        self._filled_at_s = now_s

    def _fill(self, now_s: float) -> None:
        self._level = min(self.limit, self._level + (now_s - self._filled_at_s) * self._rate_per_s)
        self._filled_at_s = now_s

    def wait_s(self, now_s: float, amount: float) -> float:
        if amount > self.limit:
            return math.inf
        self._fill(now_s)
        return 0.0 if amount <= self._level + _ROUNDING else (amount - self._level) / self._rate_per_s

    def take(self, now_s: float, amount: float) -> None:
        self._fill(now_s)
        self._level -= amount

    def remaining(self, now_s: float) -> float:
        self._fill(now_s)
        return max(0.0, self._level)

    def reset_s(self, now_s: float) -> float:
        self._fill(now_s)
        return (self.limit - self._level) / self._rate_per_s


class FixedWindow:
    """`limit` in each window of `window_s`; the windows follow each other from `start_s` on."""

    __slots__ = ("_number", "_start_s", "_used", "_window_s", "limit")

    def __init__(self, per_minute: float, window_s: float, start_s: float) -> None:
        self.limit = max(1.0, per_minute * window_s / _MINUTE_S)
        self._window_s = window_s
        self._start_s = start_s
        self._number = 0
        self._used = 0.0

    def _turn(self, now_s: float) -> None:
        number = int((now_s - self._start_s) // self._window_s)
        if number > self._number:
            self._number = number
            self._used = 0.0

    def wait_s(self, now_s: float, amount: float) -> float:
        if amount > self.limit:
            return math.inf
        self._turn(now_s)
        return 0.0 if self._used + amount <= self.limit + _ROUNDING else self._to_next(now_s)

    def take(self, now_s: float, amount: float) -> None:
        self._turn(now_s)
        self._used += amount

    def remaining(self, now_s: float) -> float:
        self._turn(now_s)
        return max(0.0, self.limit - self._used)

    def reset_s(self, now_s: float) -> float:
        self._turn(now_s)
        return self._to_next(now_s) if self._used else 0.0

    def _to_next(self, now_s: float) -> float:
        return max(0.0, self._start_s + (self._number + 1) * self._window_s - now_s)


class SlidingWindow:
    """`limit` in any stretch of `window_s` seconds, exactly: what was taken is remembered that long."""

    __slots__ = ("_taken", "_used", "_window_s", "limit")

    def __init__(self, per_minute: float, window_s: float, _start_s: float) -> None:
        self.limit = max(1.0, per_minute * window_s / _MINUTE_S)
        self._window_s = window_s
        self._taken: deque[tuple[float, float]] = deque()
        self._used = 0.0

    def _forget(self, now_s: float) -> None:
        taken = self._taken
        while taken and taken[0][0] + self._window_s <= now_s:
            self._used -= taken.popleft()[1]
        if not taken:
            self._used = 0.0

    def wait_s(self, now_s: float, amount: float) -> float:
        if amount > self.limit:
            return math.inf
        self._forget(now_s)
        over = self._used + amount - self.limit
        if over <= _ROUNDING:
            return 0.0
        for at_s, taken in self._taken:
            over -= taken
            if over <= _ROUNDING:
                return max(0.0, at_s + self._window_s - now_s)
        return self._window_s

    def take(self, now_s: float, amount: float) -> None:
        self._forget(now_s)
        self._taken.append((now_s, amount))
        self._used += amount

    def remaining(self, now_s: float) -> float:
        self._forget(now_s)
        return max(0.0, self.limit - self._used)

    def reset_s(self, now_s: float) -> float:
        self._forget(now_s)
        return max(0.0, self._taken[-1][0] + self._window_s - now_s) if self._taken else 0.0


_KINDS: Final[dict[str, Callable[[Limits, float, float], Limiter]]] = {
    "token_bucket": lambda limits, amount, now_s: TokenBucket(amount, limits.burst, now_s),
    "fixed_window": lambda limits, amount, now_s: FixedWindow(amount, limits.window_s, now_s),
    "sliding_window": lambda limits, amount, now_s: SlidingWindow(amount, limits.window_s, now_s),
}


class Snapshot(NamedTuple):
    """One limit as the headers tell it."""

    limit: int
    remaining: int
    reset_s: float


class Refusal(NamedTuple):
    """A limit said no. `wait_s` is infinite when `requested` alone is above the limit."""

    what: Literal["requests", "tokens", "concurrency"]
    limit: int
    used: int
    requested: int
    wait_s: float


class Admission:
    """All limits of one key and model: requests, tokens, and how many may run at once."""

    __slots__ = ("_limits", "_requests", "_running", "_tokens")

    def __init__(self, limits: Limits, now_s: float) -> None:
        make = _KINDS[limits.kind]
        self._limits = limits
        self._requests = make(limits, limits.rpm, now_s) if limits.rpm is not None else None
        self._tokens = make(limits, limits.tpm, now_s) if limits.tpm is not None else None
        self._running = 0

    def ask(self, now_s: float, tokens: int) -> Refusal | None:
        """Charge one request of `tokens` to every limit, or refuse it and charge nothing."""
        refusal = self._refusal(now_s, tokens)
        if refusal is None:
            if self._requests is not None:
                self._requests.take(now_s, 1)
            if self._tokens is not None:
                self._tokens.take(now_s, tokens)
            self._running += 1
        return refusal

    def release(self) -> None:
        """An admitted request has ended."""
        self._running -= 1

    def snapshots(self, now_s: float) -> dict[Literal["requests", "tokens"], Snapshot]:
        """What the headers of this reply say."""
        told: dict[Literal["requests", "tokens"], Snapshot] = {}
        if self._requests is not None and self._limits.rpm is not None:
            told["requests"] = _snapshot(self._requests, self._limits.rpm, now_s)
        if self._tokens is not None and self._limits.tpm is not None:
            told["tokens"] = _snapshot(self._tokens, self._limits.tpm, now_s)
        return told

    def _refusal(self, now_s: float, tokens: int) -> Refusal | None:
        most = self._limits.concurrency
        if most is not None and self._running >= most:
            return Refusal("concurrency", most, self._running, 1, 1.0)
        waits: list[Refusal] = []
        if self._requests is not None:
            waits.append(_ask(self._requests, "requests", now_s, 1))
        if self._tokens is not None:
            waits.append(_ask(self._tokens, "tokens", now_s, tokens))
        worst = max(waits, key=lambda refusal: refusal.wait_s, default=None)
        return worst if worst is not None and worst.wait_s > 0.0 else None


def _ask(limiter: Limiter, what: Literal["requests", "tokens"], now_s: float, amount: int) -> Refusal:
    limit = int(limiter.limit)
    return Refusal(what, limit, limit - int(limiter.remaining(now_s)), amount, limiter.wait_s(now_s, amount))


def _snapshot(limiter: Limiter, per_minute: int, now_s: float) -> Snapshot:
    return Snapshot(per_minute, int(limiter.remaining(now_s)), limiter.reset_s(now_s))
