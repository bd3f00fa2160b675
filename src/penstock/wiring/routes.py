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

__all__ = ["check_hedge", "check_overrides", "phases", "race_settings", "timeouts_of"]

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
            timeouts=said.timeouts or RouteTimeouts(),
            stream_inside=said.stream_inside,
        )
    )


def check_hedge(selection: Selection, manner: Manner, said: Overrides) -> None:
    """Raises `ConfigError` for a hedge that was asked for over the route and has no second target, or never starts."""
    hedge = said.hedge if manner.hedge is None else manner.hedge
    if hedge is not None:
        deadline_s = _first("deadline_s", selection, manner, said) or manner.else_deadline_s
        _refuse(Said(hedge=hedge, deadline_s=deadline_s, targets=len(selection.targets)))


def _refuse(said: Said) -> None:
    if (found := contradiction(said)) is not None:
        raise ConfigError(": ".join(found))


def _first(setting: str, selection: Selection, manner: Manner, said: Overrides) -> Any:
    """The first of them that says something about the setting."""
    layers = (manner, said, selection.route)
    return next((value for layer in layers if (value := getattr(layer, setting, None)) is not None), None)


def race_settings(selection: Selection, manner: Manner, said: Overrides) -> RaceSettings:
    """How a race over these targets goes. A hedge needs a second one: without it there is none."""
    route = selection.route
    deadline_s = _first("deadline_s", selection, manner, said) or manner.else_deadline_s
    is_batch = manner.patience == "batch"
    timeouts = timeouts_of(selection, manner, said)
    hedge = _first("hedge", selection, manner, said) if len(selection.targets) > 1 else None
    thinks = any(is_reasoning(target.model) for target in selection.targets)
    told = {
        "hedge": hedge,
        "hedge_budget": route.hedge_budget if route else None,
        "min_tokens_per_s": route.min_tokens_per_s if route else None,
        "stream_inside": _first("stream_inside", selection, manner, said) or "auto",
        "on_break": _first("on_break", selection, manner, said),
        "first_token_s": timeouts.first_token,
        "first_token_last_s": _FIRST_TOKEN_OF_REASONING_S if thinks else None,
        "between_tokens_s": timeouts.between_tokens,
    }
    return RaceSettings(
        patience=manner.patience,
        deadline_after_s=None if is_batch else deadline_s,
        deadline_after_send_s=deadline_s if is_batch else None,
        max_attempts=_first("max_attempts", selection, manner, said),
        fallback_on=frozenset(route.fallback_on if route else ()),
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
