"""The guards of a route or a client, as layers over everything that keeps or costs something."""

from __future__ import annotations

from typing import Any

from penstock.clock import Clock
from penstock.config import Selection
from penstock.guards import Guards, Redaction, Screening
from penstock.handler import Handler
from penstock.wiring.routes import race_settings
from penstock.wiring.settings import Manner, Overrides

__all__ = ["guarded", "guards_text"]


def _guards(selection: Selection, said: Overrides) -> Guards | None:
    """The client's, over the route's. None where there are none: then there is no layer."""
    own = selection.route.guards if selection.route is not None else None
    return own if said.guards is None else said.guards.over(own)


def guarded(inner: Handler, selection: Selection, manner: Manner, said: Overrides, *, clock: Clock) -> Handler:
    """The handler behind its guards: checks outermost, then screening, then redaction; behind them the cache."""
    guards = _guards(selection, said)
    if guards is None:
        return inner
    # Imported where they are used: their patterns take their time.
    if isinstance(guards.redact, Redaction):
        from penstock.guards.redacting import Redact

        inner = Redact(guards.redact)(inner)
    if isinstance(guards.injection, Screening) and (guards.injection.action != "off" or guards.injection.delimit):
        from penstock.guards.screening import Screen

        inner = Screen(guards.injection)(inner)
    if guards.checks:
        from penstock.guards.checking import Checked

        deadline_after_s = race_settings(selection, manner, said).deadline_after_s
        inner = Checked(guards.checks, clock, deadline_after_s)(inner)
    return inner


def guards_text(selection: Selection, said: Overrides) -> str:
    """Lines for people that stand above the cache, from the outermost guard on; "" without one."""
    guards = _guards(selection, said)
    if guards is None:
        return ""
    parts: list[str] = []
    for check in guards.checks or ():
        parts.append(f"check {check.name}: {check.action}, holds {check.held} of a stream")
    screening: Any = guards.injection
    if isinstance(screening, Screening):
        delimits = f", delimits {' and '.join(screening.delimit)} messages" if screening.delimit else ""
        parts.append(f"injection: {screening.action} from {screening.threshold:g}, looks at {screening.look}{delimits}")
    if isinstance(guards.redact, Redaction):
        redact = guards.redact
        parts.append(f"redact: prompts {redact.prompts}, answers {redact.answers}: {', '.join(redact.kinds)}")
    return "".join(f"guard {part}\n" for part in parts)
