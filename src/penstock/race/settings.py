"""How long and how often a race tries."""

from __future__ import annotations

from typing import Literal

import msgspec

from penstock.errors import ErrorKind
from penstock.race.backoff import BASE_S, CAP_S

__all__ = ["RaceSettings"]


class RaceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One route's policy. `Call.deadline_s`, an instant, bounds a call whatever stands here."""

    patience: Literal["interactive", "batch"] = "interactive"
    """`batch`: nobody waits for one answer; what may be tried again is, for ever, spread over minutes."""
    deadline_after_s: float | None = 120.0
    """For an interactive call that brings no deadline: seconds from its arrival. None: no bound."""
    deadline_after_send_s: float | None = None
    """In a batch: seconds from the call's first send, waits for a limit not counted."""
    max_attempts: int | None = None
    """Requests that count: a refusal at a limit is a wait, and a refused key gives way to the next one."""
    fallback_on: frozenset[ErrorKind] = frozenset()
    """Classes that stop at the first target unless named here."""
    limit_patience_s: float = 0.5
    """An interactive call prefers a later target to a longer wait at a limit."""
    hedge: Literal["off", "auto"] | float = "off"
    """A second attempt while the first still runs: never, when the measured latencies say that it pays, or after so
    many seconds."""
    hedge_budget: float = 0.05
    """Hedges for each first attempt, where they are `auto`."""
    stream_inside: Literal["off", "auto", "on"] = "off"
    """Ask for a stream although the caller wants one piece, so that a silent target is seen early. `auto`: when the
    call has a deadline, a hedge or a second target. Embeddings never stream."""
    first_token_s: float | None = None
    """An attempt that is silent for longer fails. None: the next attempt starts beside it after a while that the
    target's own latencies tell, 10 s at most, and the silent one may still answer."""
    first_token_last_s: float = 120.0
    """What `first_token_s` is where nobody set it: the end of an attempt that nothing else ended."""
    between_tokens_s: float | None = 15.0
    """An attempt whose stream pauses for longer fails."""
    min_tokens_per_s: float = 0.0
    """An attempt that streams more slowly, over the last 10 s, fails. 0: no least speed."""
    on_break: Literal["recover", "error"] = "recover"
    """What becomes of a stream that breaks after the caller has some of it."""
    backoff_base_s: float = BASE_S
    backoff_cap_s: float = CAP_S
