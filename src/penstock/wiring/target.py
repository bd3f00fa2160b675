"""One model of one provider as the race sees it: its health, its times, its limits, and a way to send."""

from __future__ import annotations

import random
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

from penstock.call import Call, Reply
from penstock.endpoint import Endpoint
from penstock.errors import PenstockError
from penstock.policies.breaker import Breaker
from penstock.policies.budget import BudgetGate
from penstock.policies.limit import Limiter, Permit
from penstock.race import Bill, LatencyBook
from penstock.race import Breaker as Health

__all__ = ["LimitedTarget", "Standing"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What every route of an engine shares of a target: who may send now, how it does, and how long it takes."""

    limiter: Limiter
    breaker: Breaker
    latency: LatencyBook
    door: Limiter | BudgetGate
    """The way in: the limits, behind the budget where there is one."""
    bill: Bill

    @classmethod
    def begin(cls, limiter: Limiter, rng: random.Random, *, door: Limiter | BudgetGate, bill: Bill) -> Standing:
        """Nothing is known yet."""
        return cls(limiter, Breaker(rng=rng), LatencyBook(), door, bill)


class LimitedTarget:
    """One model of one provider behind its limits: a `penstock.race.Target`."""

    __slots__ = (
        "_endpoint",
        "admit",
        "bill",
        "breaker",
        "latency",
        "limiter",
        "name",
        "prefills",
        "try_admit",
        "wait_s",
    )

    def __init__(self, standing: Standing, endpoint: Endpoint, *, prefills: bool) -> None:
        self.name = endpoint.name
        self.limiter = standing.limiter
        self.bill: Bill | None = standing.bill
        self.breaker: Health = standing.breaker
        self.latency = standing.latency
        self.prefills = prefills
        self._endpoint: Endpoint | _Closed = endpoint
        # Bound once: the race asks for each of them on every call.
        door = standing.door
        self.wait_s = door.wait_s
        self.try_admit = door.try_admit
        self.admit = door.admit

    def send(self, call: Call, permit: Any) -> Awaitable[Reply]:
        """One attempt, signed with the permit's key. Raises `CallError`."""
        admitted: Permit = permit
        secret = admitted.key
        return self._endpoint.send(call, None if secret is None else secret.reveal(), learn=admitted.learn)

    def close(self) -> None:
        """Refuse what is sent from now on, so that nobody retries on connections that are gone."""
        self._endpoint = _Closed()

    def __repr__(self) -> str:
        return f"LimitedTarget({self.name!r})"


class _Closed:
    async def send(self, *_: object, **__: object) -> Reply:
        raise PenstockError("the client was closed while the request was running")
