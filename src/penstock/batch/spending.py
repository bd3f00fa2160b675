"""What a run has spent over all its sessions: kept in its journal, counted against its budget."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.batch.journal import Journal
from penstock.call import Call, Reply
from penstock.handler import Handler
from penstock.wiring import Engine

__all__ = ["SPENT", "Spending", "tagged"]

SPENT = "spent"
"""Under this name the journal keeps the dollars, whether every price was known, and the dollars of each tag."""


class Spending:
    """One session's spending, and what went before it."""

    def __init__(self, engine: Engine, journal: Journal | None) -> None:
        self._engine = engine
        before = journal.info().get(SPENT) if journal is not None else None
        self._before_usd: float
        self._was_known: bool
        self._before_usd, self._was_known, *more = before or (0.0, True)
        if engine.money.budget is not None:
            engine.money.budget.count_before(self._before_usd, *more)
        self._noted = self.so_far()

    def has_grown(self) -> bool:
        """With a budget, more is spent or held than at the last look: the journal should know before a crash."""
        now = self.so_far()
        if self._engine.money.budget is None or now[0] <= self._noted[0]:
            return False
        self._noted = now
        return True

    def so_far(self) -> tuple[float, bool]:
        """US dollars of the whole run, as a budget counts them, and whether every price was known.

        With a budget what is in flight counts with the most that it can cost: after a crash nobody can tell less.
        """
        budget, stats = self._engine.money.budget, self._engine.race_stats
        is_known = self._was_known and stats.cost_usd is not None
        if budget is not None:
            return budget.spent_usd + budget.held_usd, is_known
        return self._before_usd + stats.known_cost_usd, is_known

    def to_keep(self) -> tuple[Any, ...]:
        """The same for the journal, with what is spent of each tag's budget."""
        budget = self._engine.money.budget
        return self.so_far() if budget is None or not budget.has_tags else (*self.so_far(), budget.by_tag_usd())


def tagged(handler: Handler, engine: Engine) -> Handler:
    """The handler for rows whose `metadata` are their tags, where a budget asks for them."""
    budget = engine.money.budget
    if budget is None or not budget.has_tags:
        return handler

    async def handle(call: Call) -> Reply:
        said = call.body.get("metadata")
        if not isinstance(said, dict):
            return await handler(call)
        tags = {str(name): value for name, value in said.items() if isinstance(value, str)}
        return await handler(msgspec.structs.replace(call, tags=tags))

    return handle
