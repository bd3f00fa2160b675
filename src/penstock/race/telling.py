"""Who is told what a race does: an observer, and the log `penstock.race`. Never a prompt, never a key."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from functools import partial
from typing import Protocol

from penstock.call import Attempt, Call
from penstock.errors import CallError, Unanswered

__all__ = ["Observer", "Teller"]

_log = logging.getLogger("penstock.race")
_debugs = partial(_log.isEnabledFor, logging.DEBUG)


def _always() -> bool:
    return True


class Observer(Protocol):
    """Is told what a race does, as it does it. Its methods return at once and never raise."""

    def attempt_started(self, call: Call, attempt: Attempt) -> None: ...

    def attempt_failed(self, call: Call, attempt: Attempt, error: CallError) -> None: ...

    def answered(self, call: Call, attempt: Attempt) -> None: ...

    def gave_up(self, call: Call, error: Unanswered) -> None: ...

    def waiting(self, call: Call, target: str | None, until_s: float) -> None:
        """At the limit of `target` until it lets the call in (`until_s` is inf), or between two attempts."""
        ...


class Teller:
    """Tells the observer, if there is one, and the log."""

    __slots__ = ("_observe", "listens")

    def __init__(self, observe: Observer | None) -> None:
        self._observe = observe
        # Asked for each call: the log itself, without a step between.
        self.listens: Callable[[], bool] = _debugs if observe is None else _always
        """Someone wants to know about attempts that go well."""

    def attempt_started(self, call: Call, attempt: Attempt) -> None:
        if self._observe is not None:
            self._observe.attempt_started(call, attempt)
        _log.debug("request %s: attempt %s at %s", call.id, attempt.id, attempt.target)

    def attempt_failed(self, call: Call, attempt: Attempt, error: CallError) -> None:
        if self._observe is not None:
            self._observe.attempt_failed(call, attempt, error)
        _log.info("request %s: attempt %s failed: %s", call.id, attempt.id, error)

    def answered(self, call: Call, attempt: Attempt) -> None:
        if self._observe is not None:
            self._observe.answered(call, attempt)
        _log.debug("request %s: attempt %s answered after %.3f s", call.id, attempt.id, attempt.ended_s)

    def gave_up(self, call: Call, error: Unanswered) -> None:
        if self._observe is not None:
            self._observe.gave_up(call, error)
        _log.info("request %s: given up after %d attempts: %s", call.id, error.requests_sent, error)

    def waiting(self, call: Call, target: str | None, until_s: float) -> None:
        if self._observe is not None:
            self._observe.waiting(call, target, until_s)
        if target is None:
            _log.debug("request %s: waits until %.3f", call.id, until_s)
        else:
            assert until_s == math.inf
            _log.debug("request %s: waits at the limit of %s", call.id, target)
