"""Worlds made by hand, for what a random one showed once."""

from __future__ import annotations

from typing import Any

from tests.fuzz.callers import Caller
from tests.fuzz.hosts import CALM_S, MODELS, Host
from tests.fuzz.worlds import Route, World

from penstock.simulator.scenario import Behaviour, Scenario

__all__ = ["a_caller", "a_host", "a_route", "a_world"]


def a_host(name: str, *, limits: dict[str, int] | None = None, **behaviour: Any) -> Host:
    """One that behaves alike for all of its models, and always."""
    scenario = Scenario(models={"*": Behaviour(**behaviour)})
    return Host(
        name,
        phases=((0.0, scenario),),
        deaf=(),
        dialect="",
        output_tokens=dict.fromkeys(MODELS, behaviour.get("output_tokens")),
        keys=(),
        good_keys=(),
        limits=limits or {},
        is_limited=bool(limits),
        refuses_tokens="tpm" in (limits or {}),
        lazy_close=False,
        is_sound=not behaviour.get("faults") and not limits,
        answers_within_s=CALM_S,
    )


def a_route(*targets: str, max_attempts: int | None = None, fallback_on: tuple[str, ...] = (), **extra: Any) -> Route:
    return Route("default", targets, 30.0, max_attempts, fallback_on, extra={"timeouts": {}, **extra})


def a_caller(number: int = 0, *, body: dict[str, Any] | None = None, **fields: Any) -> Caller:
    """One who asks for a chat's answer in one piece at once, and waits for it."""
    plain: dict[str, Any] = {
        "at_s": 0.0,
        "route": "default",
        "kind": "chat",
        "stream": False,
        "deadline_s": None,
        "manner": None,
        "priority": 0,
        "leaves": "",
        "leaves_after_s": 0.0,
        "closes_after": None,
        "pause_s": 0.0,
        "hands_over": False,
    }
    asked = {"messages": [{"role": "user", "content": f"#{number} how far is the sea"}], **(body or {})}
    return Caller(number=number, body=asked, **{**plain, **fields})


def a_world(route: Route, *hosts: Host, callers: tuple[Caller, ...]) -> World:
    return World(1, {host.name: host for host in hosts}, {"default": route}, callers, jumps=(), rotations=())
