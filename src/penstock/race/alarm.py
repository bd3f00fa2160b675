"""Instants without a timer each: alarms on one shared wheel, and a way to interrupt a task's own await."""

from __future__ import annotations

import asyncio
from heapq import heapify, heappop, heappush
from typing import Any

from penstock.clock import Clock

__all__ = ["TICK_S", "Alarm", "Wheel"]

TICK_S = 0.02
"""How late an alarm may ring; it never rings early."""

_PER_S = 1.0 / TICK_S
_FEW = 500
"""So many slots are kept whatever is in them; of more, those that became empty are swept away now and then."""


Slot = dict["Alarm", None]
"""The alarms of one tick, in the order in which they were set."""


class Wheel:
    """All alarms of a race in slots of one tick, and one timer of the clock for the earliest slot.

    Setting and clearing an alarm costs about 0.2 us, a `call_at` of its own 1.5.
    """

    __slots__ = ("_clock", "_due_slot", "_most", "_order", "_slots", "_timer")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # In the order of setting, so that a seed decides the order of ringing.
        self._slots: dict[int, Slot] = {}
        self._order: list[int] = []
        self._most = _FEW
        self._due_slot: int | None = None
        self._timer: Any = None

    @property
    def slots(self) -> int:
        """Those that are kept, empty ones too."""
        return len(self._slots)

    def set(self, alarm: Alarm, at_s: float) -> Slot:
        """The slot that the alarm is in now; who takes it out clears it."""
        # A slot that rounding puts a hair before its alarm would ring it early, again and again.
        place = int(at_s * _PER_S + 1e-6) + 1
        slot = self._slots.get(place)
        if slot is None:
            slot = self._opened(place)
        slot[alarm] = None
        return slot

    def _opened(self, place: int) -> Slot:
        if len(self._order) >= self._most:
            self._sweep()
        slot: Slot = {}
        self._slots[place] = slot
        heappush(self._order, place)
        if self._due_slot is None or place < self._due_slot:
            self._arm(place)
        return slot

    def _sweep(self) -> None:
        """Forget the slots whose every alarm was cleared."""
        self._slots = {place: slot for place, slot in self._slots.items() if slot}
        self._order = list(self._slots)
        heapify(self._order)
        self._most = max(_FEW, 2 * len(self._order))

    def _arm(self, place: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._due_slot = place
        self._timer = self._clock.call_later(place * TICK_S - self._clock.now(), self._turn)

    def _turn(self) -> None:
        self._timer = self._due_slot = None
        self._ring_all(self._clock.now())
        self._arm_next()

    def _arm_next(self) -> None:
        """What rang may have set alarms of its own, and armed for them. Nobody is woken for a slot that is empty."""
        while self._order and not self._slots[self._order[0]]:
            del self._slots[heappop(self._order)]
        if self._order and (self._due_slot is None or self._order[0] < self._due_slot):
            self._arm(self._order[0])

    def _ring_all(self, now_s: float) -> None:
        while self._order and self._order[0] * TICK_S <= now_s + 1e-9:
            slot = self._slots.pop(heappop(self._order))
            # Those that ring may clear others of the same slot.
            for alarm in tuple(slot):
                alarm.ring(slot)


class Alarm:
    """Rings for the task that made it, and can interrupt that task's await so that it can tell it from others' cancels.

    After `interrupt`, the await raises `CancelledError`; call `hush` synchronously after each await; when it was True,
    `is_mine` says whether to swallow the error.
    """

    __slots__ = ("_base", "_has_interrupted", "_slot", "_task", "_wheel")

    def __init__(self, wheel: Wheel) -> None:
        task = asyncio.current_task()
        assert task is not None, "a race runs in a task"
        self._wheel = wheel
        self._task = task
        # Cancellations from before the race are not ours to take back.
        self._base = task.cancelling()
        self._slot: Slot | None = None
        self._has_interrupted = False

    def on_ring(self) -> None:
        """What a ring does. Called on the loop, never in the task."""
        self.interrupt()

    def ring_at(self, at_s: float) -> None:
        """Ring then and at no other instant; inf for never."""
        if self._slot is not None:
            self._slot.pop(self, None)
            self._slot = None
        if at_s < 1e15:
            self._slot = self._wheel.set(self, at_s)

    def ring(self, slot: Slot) -> None:
        """The wheel's, of all that were in the slot."""
        # A wheel that rings several at once may meet one that another's ring has hushed or moved.
        if self._slot is slot:
            self._slot = None
            self.on_ring()

    def interrupt(self) -> None:
        """Cancel what the task awaits. At most once between two `hush`."""
        if not self._has_interrupted:
            self._has_interrupted = True
            self._task.cancel()

    def hush(self) -> bool:
        """No ring from here on, and an interruption is taken back. True when there was one."""
        if self._slot is not None:
            self._slot.pop(self, None)
            self._slot = None
        if not self._has_interrupted:
            return False
        self._has_interrupted = False
        self._task.uncancel()
        return True

    def is_mine(self) -> bool:
        """After a `hush` that was True, of the `CancelledError` that came: nobody else asked for it."""
        return self._task.cancelling() <= self._base
