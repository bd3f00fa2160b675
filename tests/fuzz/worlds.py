"""A schedule as a value: hosts and how they behave, routes, callers and when they leave. A seed decides all of it."""

from __future__ import annotations

import dataclasses
import math
import random
from dataclasses import dataclass, field
from typing import Any

from tests.fuzz.callers import Caller, draw_callers
from tests.fuzz.hosts import Host, draw_host

from penstock.errors import VERDICTS

__all__ = ["Route", "World", "draw_world"]

# Two that continue an assistant's message, each asked in its own way, and one of which nobody knows that it does.
_NAMES = ("alpha", "groq", "vllm")
_CROWDED = {"tail": ["slow_tail"], "out": ["out"]}
"""What is wrong with every host that a crowd asks."""
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
    # Many callers, for what only shows in numbers: budgets, breakers, learnt latencies.
    crowd = rng.choice(("mixed", "tail", "out")) if rng.random() < 0.05 else ""
    count = 1 if rng.random() < 0.2 else rng.choice((2, 2, 3))
    # A quiet world is one in which the engine has nothing to excuse itself with.
    trouble = rng.choice((0.0, 0.4, 0.8, 1.0))
    moods = _CROWDED.get(crowd)
    hosts = {name: draw_host(rng, name, trouble=trouble, moods=moods) for name in rng.sample(_NAMES, count)}
    routes = {name: _draw_route(rng, name, hosts) for name in ("default", "other")[: rng.choice((1, 1, 2))]}
    if crowd == "tail":
        routes = {name: _eager(route) for name, route in routes.items()}
    callers = draw_callers(rng, list(routes), crowd=bool(crowd))
    jumps = ((round(rng.uniform(0.0, 20.0), 2), rng.choice((0.3, 5.0, 60.0, 3600.0))),) if rng.random() < 0.06 else ()
    rotations = tuple(
        (round(rng.uniform(0.0, 10.0), 1), name) for name, host in hosts.items() if host.keys and rng.random() < 0.3
    )
    return World(seed, hosts, routes, callers, jumps, rotations)


def _eager(route: Route) -> Route:
    """One that hedges as often as it may, and may rarely."""
    if len(route.targets) < 2:
        return route
    extra = {"timeouts": {}, "hedge": "auto", "hedge_budget": 0.02}
    most = None if route.max_attempts == 1 else route.max_attempts
    return dataclasses.replace(route, deadline_s=30.0, max_attempts=most, extra=extra)


def _draw_route(rng: random.Random, name: str, hosts: dict[str, Host]) -> Route:
    targets = [f"{host}/{model}" for host in hosts for model in ("one", "two")[: rng.choice((1, 1, 1, 2))]]
    rng.shuffle(targets)
    targets = targets[: rng.choice((1, 2, 3, 3))]
    deadline_s = rng.choice((None, 0.5, 2.0, 10.0, 30.0))
    most = rng.choice((None, None, None, 1, 2, 5))
    told = tuple(kind for kind in _STOPPING if rng.random() < 0.3)
    extra = _draw_racing(rng, deadline_s, len(targets))
    if most == 1:
        extra = {key: value for key, value in extra.items() if key not in ("hedge", "hedge_budget")}
    fallback_on = told if len(targets) > 1 and most != 1 else ()
    return Route(name, tuple(targets), deadline_s, max_attempts=most, fallback_on=fallback_on, extra=extra)


def _draw_racing(rng: random.Random, deadline_s: float | None, targets: int) -> dict[str, Any]:
    """Timeouts and hedges that don't contradict each other."""
    total_s = rng.choice((None, None, 3.0, 20.0))
    times = {
        "first_token": rng.choice((None, None, 1.0, 2.5)),
        "between_tokens": rng.choice((None, None, 1.0, 2.5)),
        "total": total_s,
    }
    hedge = rng.choice(("off", "auto", "auto", 0.3, 1.5))
    inside = rng.choice((None, "off", "auto", "on"))
    rate = rng.choice((0, 0, 0, 15))
    longest_s = min(deadline_s or math.inf, total_s or math.inf)
    if targets < 2 or (isinstance(hedge, float) and hedge >= longest_s):
        hedge = "off"
    if inside == "off":
        times["first_token"], times["between_tokens"], rate = None, None, 0
    for phase in ("first_token", "between_tokens"):
        if (times[phase] or 0.0) > longest_s:
            times[phase] = None
    drawn: dict[str, Any] = {
        "timeouts": {key: f"{value}s" for key, value in times.items() if value is not None},
        "hedge": f"{hedge}s" if isinstance(hedge, float) else hedge,
        "stream_inside": inside,
        "min_tokens_per_s": rate or None,
        "on_break": rng.choice((None, "recover", "recover", "error")),
        "hedge_budget": rng.choice((None, None, 0.02, 0.3)) if hedge == "auto" else None,
    }
    return {key: value for key, value in drawn.items() if value is not None}
