"""A schedule as a value: hosts and how they behave, routes, callers and when they leave. A seed decides all of it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.callers import Caller, draw_callers
from tests.fuzz.hosts import Host, draw_host

from penstock.config import parse_config
from penstock.errors import VERDICTS, ConfigError

__all__ = ["Route", "World", "draw_world"]

_NAMES = ("alpha", "beta", "gamma")
_STOPPING = sorted(kind for kind, verdict in VERDICTS.items() if verdict.other_target == "when_told")


@dataclass(frozen=True)
class Route:
    """One `[routes.NAME]` table and what the judge has to know of it."""

    name: str
    targets: tuple[str, ...]
    deadline_s: float | None
    max_attempts: int | None
    fallback_on: tuple[str, ...]
    extra: dict[str, Any] = field(default_factory=dict)
    """Its other keys, as they stand in a configuration."""

    def table(self) -> dict[str, Any]:
        table: dict[str, Any] = {"targets": list(self.targets), **self.extra}
        if self.deadline_s is not None:
            table["deadline"] = f"{self.deadline_s}s"
        if self.max_attempts is not None:
            table["max_attempts"] = self.max_attempts
        if self.fallback_on:
            table["fallback_on"] = list(self.fallback_on)
        return table


@dataclass(frozen=True)
class World:
    """Everything that happens, and nothing that the engine decides."""

    seed: int
    hosts: dict[str, Host]
    routes: dict[str, Route]
    callers: tuple[Caller, ...]
    jumps: tuple[tuple[float, float], ...]
    """The clock leaps ahead: at which instant, by how many seconds."""
    rotations: tuple[tuple[float, str], ...]
    """At which instant a provider's keys are replaced by the good ones."""

    def config(self) -> dict[str, Any]:
        return {
            "providers": {host.name: host.table() for host in self.hosts.values()},
            "routes": {route.name: route.table() for route in self.routes.values()},
        }


def draw_world(seed: int) -> World:
    """The schedule of a seed; the same one everywhere and always, as long as nobody changes this package."""
    # A string is hashed alike by every process.
    rng = random.Random(f"penstock {seed}")
    crowd = rng.random() < 0.02
    count = 1 if rng.random() < 0.2 else rng.choice((2, 2, 3))
    # A quiet world is one in which the engine has nothing to excuse itself with.
    trouble = rng.choice((0.0, 0.4, 0.8, 1.0))
    hosts = {name: draw_host(rng, name, trouble=trouble) for name in _NAMES[:count]}
    routes = {name: _draw_route(rng, name, hosts) for name in ("default", "other")[: rng.choice((1, 1, 2))]}
    callers = draw_callers(rng, list(routes), crowd=crowd)
    jumps = ((round(rng.uniform(0.0, 20.0), 2), rng.choice((0.3, 5.0, 60.0, 3600.0))),) if rng.random() < 0.06 else ()
    rotations = tuple(
        (round(rng.uniform(0.0, 10.0), 1), name) for name, host in hosts.items() if host.keys and rng.random() < 0.3
    )
    return World(seed, hosts, routes, callers, jumps, rotations)


def _draw_route(rng: random.Random, name: str, hosts: dict[str, Host]) -> Route:
    targets = [f"{host}/{model}" for host in hosts for model in ("one", "two")[: rng.choice((1, 1, 1, 2))]]
    rng.shuffle(targets)
    deadline_s = rng.choice((None, 0.5, 2.0, 10.0, 30.0))
    return Route(
        name,
        tuple(targets[: rng.choice((1, 2, 3, 3))]),
        deadline_s,
        max_attempts=rng.choice((None, None, None, 1, 2, 5)),
        fallback_on=tuple(kind for kind in _STOPPING if rng.random() < 0.3),
        extra=_known_only({**_draw_timeouts(rng), **_draw_racing(rng)}),
    )


def _draw_timeouts(rng: random.Random) -> dict[str, Any]:
    drawn = {
        "first_token": rng.choice((None, None, "1s", "5s")),
        "between_tokens": rng.choice((None, None, "1s", "5s")),
        "total": rng.choice((None, None, "3s", "20s")),
    }
    return {"timeouts": {key: value for key, value in drawn.items() if value is not None}}


def _draw_racing(rng: random.Random) -> dict[str, Any]:
    drawn: dict[str, Any] = {
        "hedge": rng.choice(("off", "off", "auto", "auto", "0.3s", "2s")),
        "stream_inside": rng.choice((None, "off", "auto", "on")),
        "on_break": rng.choice((None, "recover", "recover", "error")),
        "min_tokens_per_s": rng.choice((None, None, None, 20)),
    }
    return {key: value for key, value in drawn.items() if value is not None}


_refused: dict[tuple[str, str], bool] = {}


def _known_only(table: dict[str, Any]) -> dict[str, Any]:
    """Without the settings that this version of penstock refuses."""
    return {key: value for key, value in table.items() if not _is_refused(key, value)}


def _is_refused(key: str, value: Any) -> bool:
    place = (key, repr(value))
    if place not in _refused:
        route = {"targets": ["sim/fast", "sim/typical"], key: value}
        try:
            parse_config({"routes": {"default": route}}, environ={})
            _refused[place] = False
        except ConfigError:
            _refused[place] = True
    return _refused[place]
