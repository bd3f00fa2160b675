"""What a race sees of a target: how ready it is, a way in, and a way to send."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Literal, Protocol

from penstock.call import Call, RateLimits, Reply, Usage
from penstock.errors import CallError
from penstock.race.latency import LatencyBook

__all__ = ["Bill", "Breaker", "Ending", "Permit", "Target"]

Ending = Literal["good", "bad", "neutral"]
"""How an attempt ended, as far as its target's health goes; `neutral` says nothing about it (cancelled, refused at a
limit, a bad request)."""


class Permit(Protocol):
    """The right to send one request now. It ends exactly once: `settle`, `refused` or `release`."""

    def learn(self, limits: RateLimits) -> None:
        """What the reply's headers said."""

    def heard(self, seconds: float) -> None:
        """The first token of a stream came after so long. Never told of a reply in one piece."""

    def settle(self, usage: Usage | None) -> None:
        """Answered: give back what was reserved and not used. None: the provider didn't say."""

    def refused(self, error: CallError, now_s: float) -> None:
        """Failed: a limit freezes, a bad key is set aside, a full server is asked less."""

    def release(self) -> None:
        """Given up: cancelled, or ended by something that says nothing about the target."""


class Breaker(Protocol):
    """A target's health, shared by all races that use it. Pure: time is an argument, nothing ever waits.

    `is_closed` is asked on the hot path: True while nothing restrains new attempts.
    """

    is_closed: bool

    @property
    def is_open(self) -> bool:
        """Nothing has gone well since it opened: only a probe may start."""
        ...

    def wait_s(self, now_s: float) -> float:
        """Seconds until one more attempt may start: 0 when one may now. Changes nothing."""
        ...

    def started(self, now_s: float) -> int:
        """An attempt starts: 0, or the number of the probe that it is."""
        ...

    def ended(self, ticket: int, started_s: float, now_s: float, ending: Ending, *, was_silent: bool = False) -> None:
        """The attempt of `started` is over. `was_silent`: `silent` was said of it before."""
        ...

    def heard(self, ticket: int, started_s: float, now_s: float, *, was_silent: bool = False) -> None:
        """A running attempt has sent its first token: it lives, and is silent no more."""
        ...

    def silent(self, ticket: int, started_s: float, now_s: float) -> None:
        """A running attempt is later than its kind: as bad as a failure, until it ends well after all."""
        ...


class Bill(Protocol):
    """What attempts at a target cost, in US dollars; None where the price isn't known."""

    def cost(self, call: Call, usage: Usage, model: str) -> float | None:
        """What an answer cost. `model` is the one that answered, in the provider's words."""
        ...

    def estimate(self, call: Call, output_tokens: int) -> float | None:
        """What an attempt cost of which nobody told the usage, when so many tokens had come."""
        ...


class Target(Protocol):
    """One model of one provider behind its own limits.

    Admission is apart from sending, so that waits at a limit are no time of an attempt, and the key that was chosen
    travels with the permit. The race settles every permit; `send` doesn't.
    """

    breaker: Breaker
    """Shared by all races that use the target."""
    latency: LatencyBook
    """Shared likewise."""
    prefills: bool
    """It continues an assistant message at the end of `messages`."""
    bill: Bill | None
    """None: nobody wants to know what it costs."""

    @property
    def name(self) -> str:
        """As the user writes it: "openai/gpt-4o-mini"."""
        ...

    def wait_s(self, now_s: float, estimate: int) -> float:
        """Seconds until a new call would be admitted, `inf` when none will be. Changes nothing."""
        ...

    def try_admit(self, call: Call, now_s: float) -> Any:
        """A `Permit` at once, or None when the call must wait.

        Raises `CallError` (`sent` False) when it can never be admitted: too big for the limit, no usable key.
        """
        ...

    async def admit(self, call: Call) -> Any:
        """A `Permit`, in the order of priority. Raises as `try_admit` does; a cancelled wait costs nobody a turn."""
        ...

    def send(self, call: Call, permit: Any) -> Awaitable[Reply]:
        """One attempt. Raises `CallError`; a stream owns its connection until it is closed."""
        ...
