"""The error of a guard that refuses."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.call import Attempt, Finding
from penstock.errors import GuardRefused

__all__ = ["refusal"]


def refusal(
    message: str, findings: Sequence[Finding], *, attempts: Sequence[Attempt] = (), requests_sent: int | None = None
) -> GuardRefused:
    """What is raised; without attempts nothing was sent."""
    error = GuardRefused(message, attempts, None, requests_sent)
    error.guards = tuple(findings)
    return error
