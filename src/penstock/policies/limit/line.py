"""Who is next: interactive before batch, first come first served within a class. Refused calls keep their turn."""

from __future__ import annotations

import asyncio
from heapq import heapify, heappop, heappush
from typing import Any

from penstock.call import Call
from penstock.policies.limit.buckets import Need

__all__ = ["Line", "Turn", "Waiter"]

_MOST_TURNS = 10_000
"""Refused calls whose turn is remembered until they come again."""

Turn = tuple[float, int]
"""When a call came, and its number among those that came then."""


class Waiter:
    """One call in the line. Its future is done when it has left."""

    __slots__ = ("call", "future", "need", "turn")

    def __init__(self, call: Call, need: Need | None, future: asyncio.Future[Any], turn: Turn) -> None:
        self.call = call
        self.need = need
        self.future = future
        self.turn = turn


class Line:
    """Entering and leaving cost the logarithm of its length; who is cancelled leaves at once."""

    __slots__ = ("_came", "_heap", "_turns", "tokens", "waiting")

    def __init__(self) -> None:
        self._heap: list[tuple[int, Turn, int, Waiter]] = []
        self._came = 0
        self._turns: dict[str, Turn] = {}
        self.waiting = 0
        self.tokens = 0
        """What those who wait need, where tokens are counted."""

    def keep_turn(self, call: Call, turn: Turn) -> None:
        """When `call` comes again it goes before those that came after it. Calls are known by their id."""
        if len(self._turns) >= _MOST_TURNS:
            del self._turns[next(iter(self._turns))]
        self._turns[call.id] = turn

    def use_turn(self, call: Call) -> Turn | None:
        """The turn that `call` kept; it doesn't keep it any longer."""
        return self._turns.pop(call.id, None) if self._turns else None

    def goes_before(self, call: Call, now_s: float) -> bool:
        """Someone in the line has a turn before `call`, which comes now, or again."""
        if self.head() is None:
            return False
        turn = self._turns.get(call.id) or (now_s, self._came)
        return self._heap[0][:2] <= (call.priority, turn)

    def enter(self, call: Call, need: Need | None, future: asyncio.Future[Any], now_s: float) -> Waiter:
        self._came += 1
        waiter = Waiter(call, need, future, self.use_turn(call) or (now_s, self._came))
        heappush(self._heap, (call.priority, waiter.turn, self._came, waiter))
        self._count(waiter, 1)
        return waiter

    def head(self) -> Waiter | None:
        heap = self._heap
        while heap and heap[0][3].future.done():
            heappop(heap)
        return heap[0][3] if heap else None

    def pop(self) -> Waiter:
        """The head, which leaves."""
        waiter = heappop(self._heap)[3]
        self._count(waiter, -1)
        return waiter

    def cancel(self, waiter: Waiter) -> None:
        """One who still waits leaves."""
        waiter.future.cancel()
        self._count(waiter, -1)
        if len(self._heap) > 64 and len(self._heap) > 2 * self.waiting:
            self._heap = [entry for entry in self._heap if not entry[3].future.done()]
            heapify(self._heap)

    def _count(self, waiter: Waiter, sign: int) -> None:
        self.waiting += sign
        if waiter.need is not None:
            self.tokens += sign * (waiter.need.input_tokens + waiter.need.output_tokens)
