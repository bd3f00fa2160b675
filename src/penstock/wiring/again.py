"""How answers that aren't as expected are asked for again: the race's own bounds hold for all of it."""

from __future__ import annotations

from penstock.clock import Clock
from penstock.policies.again import AskAgain
from penstock.race import RaceSettings

__all__ = ["ask_again"]


def ask_again(settings: RaceSettings, clock: Clock) -> AskAgain:
    """The layer over a race with these settings."""
    return AskAgain(
        clock,
        deadline_after_s=settings.deadline_after_s,
        deadline_after_send_s=settings.deadline_after_send_s,
        max_attempts=settings.max_attempts,
    )
