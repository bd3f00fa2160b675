"""Budgets: what is spent, what is held for requests in flight, and who waits for a part of it to come free.

Money is counted in whole trillionths of a dollar: sums of fractions would drift.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Protocol

from penstock.errors import BudgetExceeded

__all__ = ["Budget", "Hold", "Purse", "usd"]

_UNITS = 10**12
_MOST_TAGS = 100_000


def usd(units: int) -> float:
    return units / _UNITS


def _held(amount_usd: float) -> int:
    return math.ceil(amount_usd * _UNITS)


def _dollars(units: int) -> str:
    return f"${Decimal(f'{usd(units):.6g}'):,f}"


class Till(Protocol):
    """Where a purse gets more from, shared by several processes."""

    def claim(self, units: int) -> int:
        """Take at least so many units, more when there are; 0 when there aren't."""
        ...

    def left(self) -> int: ...

    def give_back(self, units: int) -> None: ...

    def period(self) -> str:
        """What the money is for, as long as it is the same: a day."""
        ...


class Purse:
    """One bound: `spent` and `held` together never pass `most`."""

    __slots__ = ("held", "most", "name", "period", "spent", "till")

    def __init__(self, name: str, most_usd: float, *, spent_usd: float = 0.0, till: Till | None = None) -> None:
        self.name = name
        self.most = 0 if till is not None else math.floor(most_usd * _UNITS)
        self.spent = _held(spent_usd)
        self.held = 0
        self.till = till
        self.period = till.period() if till is not None else ""

    def renew(self) -> None:
        """Begin anew when the day is another; what is still held was yesterday's."""
        if self.till is not None and (now := self.till.period()) != self.period:
            self.period = now
            self.most = self.spent = self.held = 0

    def fits(self, units: int) -> bool:
        short = self.spent + self.held + units - self.most
        if short <= 0:
            return True
        if self.till is None or short > self.till.left():
            return False
        self.most += self.till.claim(short)
        return self.spent + self.held + units <= self.most

    def never_fits(self, units: int) -> bool:
        """Not even when all that is held comes free: what is spent only grows."""
        left = self.till.left() if self.till is not None else 0
        return self.spent + units > self.most + left

    def told(self) -> str:
        """How much is spent; of what others spend from as well, how much is left."""
        if self.till is None:
            return f"{_dollars(self.spent)} is spent"
        return f"{_dollars(max(0, self.most - self.spent + self.till.left()))} of it is left today"

    def close(self) -> None:
        """Give back to the till what wasn't needed."""
        if self.till is not None and self.period == self.till.period():
            spare = self.most - self.spent - self.held
            self.most -= spare
            self.till.give_back(spare)


class Hold:
    """What is held for one attempt. It ends once: `settle` or `free`."""

    __slots__ = ("_budget", "_purses", "units")

    def __init__(self, budget: Budget, purses: list[tuple[Purse, str]], units: int) -> None:
        self._budget = budget
        self._purses = purses
        self.units = units

    def settle(self, cost_usd: float | None) -> None:
        """It cost so much; None: nobody knows, so all that was held counts as spent."""
        purses, self._purses = self._purses, []
        spent = self.units if cost_usd is None else round(cost_usd * _UNITS)
        for purse, period in purses:
            if purse.period == period:
                purse.held -= self.units
                purse.spent += spent
        if purses:
            self._budget._came_free()

    def free(self) -> None:
        """It was certainly not sent."""
        self.settle(0.0)


class Budget:
    """Every bound of an engine. Used on one loop at a time; what is spent outlives the loop.

    `usd` bounds everything together, `per_tag` each tag by "name=value", by "name" each of its values, by "*" all of
    them each; `day` is what this machine may spend today. `spent_usd` was spent before.
    """

    def __init__(
        self,
        *,
        usd: float | None = None,
        per_tag: Mapping[str, float] | None = None,
        day: Till | None = None,
        spent_usd: float = 0.0,
    ) -> None:
        self._total = None if usd is None else Purse(f"the budget of {_dollars(_held(usd))}", usd, spent_usd=spent_usd)
        self._day = None if day is None else Purse("the budget per day", 0.0, till=day)
        self._per_tag = dict(per_tag or {})
        self._tags: dict[str, Purse] = {}
        self._all = Purse("", 0.0, spent_usd=spent_usd)
        self._line: deque[tuple[asyncio.Future[Hold], list[Purse], int]] = deque()

    @property
    def spent_usd(self) -> float:
        """What is settled; attempts of which nobody told the price count with the most that they could cost."""
        return usd(self._all.spent)

    @property
    def held_usd(self) -> float:
        """The most that what is in flight may cost."""
        return usd(self._all.held)

    @property
    def usd(self) -> float | None:
        """The bound of everything together."""
        return None if self._total is None else usd(self._total.most)

    @property
    def has_tags(self) -> bool:
        """Some tags have a bound of their own."""
        return bool(self._per_tag)

    def by_tag_usd(self) -> dict[str, float]:
        """What is settled or held of each bound of a tag, by "name=value"."""
        return {tag: usd(purse.spent + purse.held) for tag, purse in self._tags.items()}

    def count_before(self, spent_usd: float, by_tag_usd: Mapping[str, float] | None = None) -> None:
        """So much was spent by an earlier session of the same run."""
        for purse in (self._all, self._total):
            if purse is not None:
                purse.spent += _held(spent_usd)
        for tag, spent in (by_tag_usd or {}).items():
            name, _, value = tag.partition("=")
            if (tagged := self._of_tag(name, value)) is not None:
                tagged.spent += _held(spent)

    def try_hold(self, tags: Mapping[str, str], most_usd: float) -> Hold | None:
        """Hold the most that an attempt can cost; None when it doesn't fit now, or others wait for the same."""
        purses, units = self._purses(tags), _held(most_usd)
        if self._line and self._is_behind(purses):
            return None
        return self._take(purses, units)

    async def hold(self, tags: Mapping[str, str], most_usd: float, *, what: Callable[[], str]) -> Hold:
        """The same, in turn. Raises `BudgetExceeded`, naming `what`, once nothing in flight can free enough."""
        purses, units = self._purses(tags), _held(most_usd)
        self._refuse(purses, units, what)
        held = self.try_hold(tags, most_usd)
        if held is not None:
            return held
        future: asyncio.Future[Hold] = asyncio.get_running_loop().create_future()
        waiter = (future, purses, units)
        self._line.append(waiter)
        if not self._all.held:
            self._came_free()
        try:
            return await future
        except BudgetExceeded:
            self._refuse(purses, units, what)
            raise
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                future.result().free()
            elif waiter in self._line:
                self._line.remove(waiter)
                self._came_free()
            raise

    def close(self) -> None:
        """Nothing is asked any more."""
        if self._day is not None:
            self._day.close()

    def forget_waiters(self) -> None:
        """Their loop is gone."""
        self._line.clear()

    # Parts.

    def _purses(self, tags: Mapping[str, str]) -> list[Purse]:
        purses = [purse for purse in (self._total, self._day) if purse is not None]
        if self._day is not None:
            self._day.renew()
        if self._per_tag:
            purses += [purse for pair in tags.items() if (purse := self._of_tag(*pair)) is not None]
        return purses

    def _of_tag(self, name: str, value: str) -> Purse | None:
        tag = f"{name}={value}"
        found = self._tags.get(tag)
        if found is None:
            most = next((self._per_tag[key] for key in (tag, name, "*") if key in self._per_tag), None)
            if most is None:
                return None
            if len(self._tags) >= _MOST_TAGS:
                raise BudgetExceeded(f"more than {_MOST_TAGS} different tags with a budget each")
            found = self._tags[tag] = Purse(f"the budget of {_dollars(_held(most))} for the tag {tag}", most)
        return found

    def _take(self, purses: list[Purse], units: int) -> Hold | None:
        if not all(purse.fits(units) for purse in purses):
            return None
        for purse in (self._all, *purses):
            purse.held += units
        return Hold(self, [(purse, purse.period) for purse in (self._all, *purses)], units)

    def _is_behind(self, purses: list[Purse]) -> bool:
        return any(purse in waiting for _, waiting, _ in self._line for purse in purses)

    def _refuse(self, purses: list[Purse], units: int, what: Callable[[], str]) -> None:
        for purse in purses:
            if purse.never_fits(units):
                raise BudgetExceeded(
                    f"{purse.name} leaves too little: {purse.told()}, and {what()} may cost up to {_dollars(units)}",
                    "total" if purse is self._total else "day" if purse is self._day else "tag",
                )

    def _came_free(self) -> None:
        """Let in who fits now, in turn for each purse; tell those who never will."""
        if not self._line:
            return
        if self._day is not None:
            self._day.renew()
        waiting, self._line = self._line, deque()
        blocked: list[Purse] = []
        while waiting:
            future, purses, units = waiter = waiting.popleft()
            if future.done():
                continue
            if any(purse.never_fits(units) for purse in purses):
                future.set_exception(BudgetExceeded("the budget is spent"))
                continue
            hold = None if any(purse in blocked for purse in purses) else self._take(purses, units)
            if hold is not None:
                future.set_result(hold)
                continue
            blocked += purses
            self._line.append(waiter)
            if self._total in blocked or self._day in blocked:
                # Everyone else needs a part of the same.
                self._line.extend(waiting)
                break
        if self._line and not self._all.held:
            # The till had less than it said, and here is nobody to wait for.
            waiting, self._line = self._line, deque()
            for future, _, _ in waiting:
                if not future.done():
                    future.set_exception(BudgetExceeded("the budget is spent"))
