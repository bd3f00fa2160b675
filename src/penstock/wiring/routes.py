"""What holds for one call: its own word, else the client's or the command's, else the route's, else the default."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from penstock.catalog import is_reasoning
from penstock.config import RouteTimeouts, Said, Selection, contradiction
from penstock.errors import ConfigError
from penstock.http import Timeouts
from penstock.race import RaceSettings
from penstock.wiring.settings import Manner, Overrides

__all__ = ["check_overrides", "check_policy", "phases", "race_settings", "timeouts_of"]

_FIRST_TOKEN_OF_REASONING_S = 300.0
_PHASES = tuple(phase.name for phase in fields(RouteTimeouts))


def check_overrides(said: Overrides) -> None:
    """Raises `ConfigError` for what can't be meant, alone or together."""
    if said.base_url is not None and not said.base_url.startswith(("http://", "https://")):
        raise ConfigError(f'base_url: expected an address such as "http://127.0.0.1:8000/v1", got "{said.base_url}"')
    _refuse(
        Said(
            deadline_s=said.deadline_s,
            hedge=said.hedge,
            # Alone it may be meant for a route's hedge, or for one call's.
            hedge_budget=None if said.hedge is None else said.hedge_budget,
            timeouts=said.timeouts or RouteTimeouts(),
            min_tokens_per_s=said.min_tokens_per_s,
            max_attempts=said.max_attempts,
            fallback_on=said.fallback_on,
            stream_inside=said.stream_inside,
        )
    )


def check_policy(selection: Selection, manner: Manner, said: Overrides) -> None:
    """Holds a hedge and a fallback against all that bounds them, the defaults too.

    Raises `ConfigError` for one that was asked for over the route and has no second target or attempt; and for a hedge
    that never starts. A route's own may be cut off by what is said over the route: that was asked for.
    """
    route, count = selection.route, len(selection.targets)
    most = _first("max_attempts", selection, manner, said)
    if said.fallback_on and manner.hedge is None:  # else it is a single call that asks, for its hedge alone
        _refuse(Said(fallback_on=said.fallback_on, targets=count, max_attempts=most))
    hedge = said.hedge if manner.hedge is None else manner.hedge
    deadline_s = _first("deadline_s", selection, manner, said)
    total_s = timeouts_of(selection, manner, said).total
    if hedge is not None:
        _refuse(Said(hedge=hedge, targets=count, max_attempts=most))
    elif route is not None and (deadline_s, total_s) == (route.deadline_s, route.timeouts.total):
        hedge = route.hedge
    if isinstance(hedge, float):
        _refuse_endless(hedge, deadline_s, "deadline", manner.else_deadline_s)
        _refuse_endless(hedge, total_s, "timeouts.total", Timeouts().total)


def _refuse_endless(hedge_s: float, bound_s: float | None, name: str, default_s: float | None) -> None:
    bound_s, name = (default_s, f"the default {name}") if bound_s is None else (bound_s, name)
    if bound_s is not None and hedge_s >= bound_s:
        raise ConfigError(f"hedge: a delay of {hedge_s:g} s isn't shorter than {name}, {bound_s:g} s: it never starts")


def _refuse(said: Said) -> None:
    if (found := contradiction(said)) is not None:
        raise ConfigError(": ".join(found))


def _first(setting: str, selection: Selection, manner: Manner, said: Overrides) -> Any:
    """The first of them that says something about the setting."""
    layers = (manner, said, selection.route)
    return next((value for layer in layers if (value := getattr(layer, setting, None)) is not None), None)


def race_settings(selection: Selection, manner: Manner, said: Overrides) -> RaceSettings:
    """How a race over these targets goes. A hedge needs a second one: without it there is none."""
    own_s = _first("deadline_s", selection, manner, said)
    deadline_s = own_s or manner.else_deadline_s
    is_batch = manner.patience == "batch"
    timeouts = timeouts_of(selection, manner, said)
    hedge = _first("hedge", selection, manner, said) if len(selection.targets) > 1 else None
    thinks = any(is_reasoning(target.model) for target in selection.targets)
    told = {
        "hedge": hedge,
        "hedge_budget": _first("hedge_budget", selection, manner, said),
        "min_tokens_per_s": _first("min_tokens_per_s", selection, manner, said),
        "stream_inside": _first("stream_inside", selection, manner, said) or "auto",
        "on_break": _first("on_break", selection, manner, said),
        "first_token_s": timeouts.first_token,
        "first_token_last_s": _FIRST_TOKEN_OF_REASONING_S if thinks else None,
        "between_tokens_s": timeouts.between_tokens,
    }
    seen_in_streams = (told["min_tokens_per_s"], timeouts.first_token, timeouts.between_tokens)
    if is_batch and len(selection.targets) == 1 and told["stream_inside"] == "auto" and own_s is None:
        # Nobody asked for that deadline, and a stream costs several times what an answer in one piece does.
        told["stream_inside"] = "auto" if any(seen_in_streams) else "off"
    return RaceSettings(
        patience=manner.patience,
        deadline_after_s=None if is_batch else deadline_s,
        deadline_after_send_s=deadline_s if is_batch else None,
        max_attempts=_first("max_attempts", selection, manner, said),
        fallback_on=frozenset(_first("fallback_on", selection, manner, said) or ()),
        **{name: value for name, value in told.items() if value is not None},
    )


def timeouts_of(selection: Selection, manner: Manner, said: Overrides) -> RouteTimeouts:
    """Each phase by itself, from whoever says something about it."""
    layers = (manner.timeouts, said.timeouts, selection.route.timeouts if selection.route else None)
    return RouteTimeouts(
        *(
            next((value for layer in layers if layer and (value := getattr(layer, phase)) is not None), None)
            for phase in _PHASES
        )
    )


def phases(timeouts: RouteTimeouts) -> Timeouts:
    """What a connection bounds itself. First tokens and stalls are the race's: it sees tokens, not bytes."""
    default = Timeouts()
    connect, total = timeouts.connect or default.connect, timeouts.total or default.total
    return Timeouts(connect=connect, first_byte=None, between_bytes=None, total=total)
