"""A target's way in, past the budget: hold the most that an attempt can cost, then take a permit of its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from penstock.call import Call, RateLimits, Usage
from penstock.errors import CallError
from penstock.policies.budget.purse import Budget, Hold

__all__ = ["BudgetGate"]


_LINE: Final = "room in the budget, which what is in flight may need"
"""What a call waits for."""


class Door(Protocol):
    """What lets calls through to a target."""

    def wait_s(self, now_s: float, estimate: int, /) -> float: ...

    def try_admit(self, call: Call, now_s: float, /) -> Any: ...

    def admit(self, call: Call, /) -> Awaitable[Any]: ...


class Costs(Protocol):
    """What attempts at the target cost, in US dollars."""

    def most(self, call: Call) -> float:
        """The most that an attempt can."""
        ...

    def cost(self, call: Call, usage: Usage, model: str) -> float | None: ...

    def told(self, call: Call) -> str:
        """The attempt in words, with what bounds its cost."""
        ...


class BudgetGate:
    """Before a target's limits: `try_admit` and `admit` as theirs, for whoever fits into the budget."""

    __slots__ = ("_budget", "_costs", "_door", "wait_s")

    def __init__(self, door: Door, budget: Budget, costs: Costs) -> None:
        self._door = door
        self._budget = budget
        self._costs = costs
        self.wait_s: Callable[[float, int], float] = door.wait_s

    def try_admit(self, call: Call, now_s: float) -> _Paid | None:
        """A permit at once, or None when the call must wait, for the limits or for what others hold of the budget."""
        hold = self._budget.try_hold(call.tags, self._costs.most(call))
        if hold is None:
            return None
        try:
            permit = self._door.try_admit(call, now_s)
        except BaseException:
            hold.free()
            raise
        if permit is None:
            hold.free()
            return None
        return _Paid(permit, hold, self._costs, call)

    async def admit(self, call: Call) -> _Paid:
        """A permit, in turn. Raises `BudgetExceeded` when what is left can't be enough any more.

        A wait for the budget that is cancelled says so in its `CancelledError`.
        """
        try:
            hold = await self._budget.hold(call.tags, self._costs.most(call), what=lambda: self._costs.told(call))
        except asyncio.CancelledError as cut:
            raise asyncio.CancelledError(_LINE) from cut
        try:
            permit = await self._door.admit(call)
        except BaseException:
            hold.free()
            raise
        return _Paid(permit, hold, self._costs, call)


class _Paid:
    """A permit and what is held for it. What ends without anybody telling its price counts in full."""

    __slots__ = ("_call", "_costs", "_hold", "_permit", "key")

    def __init__(self, permit: Any, hold: Hold, costs: Costs, call: Call) -> None:
        self._permit = permit
        self._hold = hold
        self._costs = costs
        self._call = call
        self.key = permit.key

    def learn(self, limits: RateLimits) -> str | None:
        why: str | None = self._permit.learn(limits)
        return why

    def heard(self, seconds: float) -> None:
        self._permit.heard(seconds)

    def settle(self, usage: Usage | None) -> None:
        self._permit.settle(usage)
        self._hold.settle(None if usage is None else self._costs.cost(self._call, usage, ""))

    def refused(self, error: CallError, now_s: float) -> None:
        self._permit.refused(error, now_s)
        self._hold.settle(0.0 if error.is_free else None)

    def release(self) -> None:
        self._permit.release()
        self._hold.settle(None)

    def hand_back(self) -> None:
        self._permit.hand_back()
        self._hold.free()
