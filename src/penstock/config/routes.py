"""A route's settings: each in its own form, and all of them held against each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import chain

import msgspec

from penstock.config.guarding import read_guards
from penstock.config.prompting import check_targets, read_target_prompts
from penstock.config.schema import Hedge, OnBreak, RouteConfig, RouteTimeouts, StreamInside
from penstock.config.values import (
    Reader,
    Where,
    read_duration,
    read_fraction,
    read_one_of,
    read_positive_int,
    read_rate,
    read_strs,
    read_table,
)
from penstock.errors import VERDICTS, ConfigError, ErrorKind

__all__ = [
    "Said",
    "contradiction",
    "read_fallback_on",
    "read_hedge",
    "read_on_break",
    "read_route",
    "read_stream_inside",
    "read_timeouts",
]

_SWITCHES = {False: "off", True: "on"}


def read_hedge(value: object, where: Where) -> Hedge:
    """ "off", "auto" or a delay; true is "auto" and false "off"."""
    if isinstance(value, bool):
        return "auto" if value else "off"
    if value == "off" or value == "auto":
        return value
    try:
        return read_duration(value, where)
    except ConfigError:
        raise where.expected('"off", "auto" or a delay above 0 such as "2s"', value) from None


def read_stream_inside(value: object, where: Where) -> StreamInside:
    """ "off", "auto" or "on"; true is "on" and false "off"."""
    word = _SWITCHES[value] if isinstance(value, bool) else value
    return read_one_of(("auto", "off", "on"))(word, where)  # type: ignore[no-any-return]


def read_on_break(value: object, where: Where) -> OnBreak:
    """ "recover" or "error"."""
    return read_one_of(("error", "recover"))(value, where)  # type: ignore[no-any-return]


def read_timeouts(value: object, where: Where) -> RouteTimeouts:
    """A table of seconds for each phase of an attempt."""
    return RouteTimeouts(**read_table(value, _TIMEOUTS, where))


def read_fallback_on(value: object, where: Where) -> tuple[str, ...]:
    """The classes of errors that lead to the next target although they stop at the first one unless told."""
    stopping = [kind for kind, verdict in VERDICTS.items() if verdict.other_target == "when_told"]
    return tuple(read_one_of(stopping)(name, where) for name in read_strs(value, where)) if value != [] else ()


def _read_targets(value: object, where: Where) -> tuple[str, ...]:
    targets = read_strs(value, where)
    for place, target in enumerate(targets):
        if target in targets[:place]:
            raise where.error(f'"{target}" is named twice; each target is tried again as often as that makes sense')
    return targets


_TIMEOUTS: dict[str, Reader] = dict.fromkeys(("connect", "first_token", "between_tokens", "total"), read_duration)
_ROUTE: dict[str, Reader] = {
    "targets": _read_targets,
    "deadline": read_duration,
    "hedge": read_hedge,
    "hedge_budget": read_fraction,
    "timeouts": read_timeouts,
    "min_tokens_per_s": read_rate,
    "max_attempts": read_positive_int,
    "fallback_on": read_fallback_on,
    "stream_inside": read_stream_inside,
    "on_break": read_on_break,
    "prompts": read_target_prompts,
    "guards": read_guards,
}


def read_route(name: str, table: object, where: Where) -> RouteConfig:
    """One `[routes.NAME]` table. Raises `ConfigError` for what can't be meant, alone or together."""
    if not name or "/" in name:
        raise where.error("a route's name has no slash: a target has one")
    read = read_table(table, _ROUTE, where)
    if "targets" not in read:
        raise where.error('a route needs targets, such as targets = ["openai/gpt-4o-mini"]')
    route = RouteConfig(name, deadline_s=read.pop("deadline", None), **read)
    check_targets(route.prompts, route.targets, where.at("prompts"))
    said = Said(
        deadline_s=route.deadline_s,
        hedge=route.hedge,
        hedge_budget=route.hedge_budget,
        timeouts=route.timeouts,
        min_tokens_per_s=route.min_tokens_per_s,
        max_attempts=route.max_attempts,
        fallback_on=route.fallback_on,
        stream_inside=route.stream_inside,
        targets=len(route.targets),
    )
    if (found := contradiction(said)) is not None:
        setting, text = found
        raise where.at(setting).error(text)
    return route


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that will hold together; None where nothing was said."""

    deadline_s: float | None = None
    hedge: Hedge | None = None
    hedge_budget: float | None = None
    timeouts: RouteTimeouts = RouteTimeouts()
    min_tokens_per_s: float | None = None
    max_attempts: int | None = None
    fallback_on: Collection[ErrorKind] | None = None
    stream_inside: StreamInside | None = None
    targets: int | None = None
    """How many there are; None when that isn't known yet."""


def contradiction(said: Said) -> tuple[str, str] | None:
    """The first setting that can't be meant beside the others, and why; None when all is well."""
    return next(chain.from_iterable(rule(said) for rule in _RULES), None)


def _durations(said: Said) -> Iterator[tuple[str, str]]:
    """What can never be reached: a bound behind another that always comes first."""
    times = said.timeouts
    total, deadline = ("timeouts.total", times.total), ("deadline", said.deadline_s)
    for bound in (total, deadline):
        for phase in ("connect", "first_token", "between_tokens"):
            yield from _behind(f"timeouts.{phase}", getattr(times, phase), *bound)


def _behind(setting: str, seconds: float | None, other: str, bound_s: float | None) -> Iterator[tuple[str, str]]:
    if seconds is not None and bound_s is not None and seconds > bound_s:
        yield setting, f"{seconds:g} s is longer than {other}, {bound_s:g} s, and could never be reached"


def _hedge(said: Said) -> Iterator[tuple[str, str]]:
    hedge = said.hedge
    if said.hedge_budget is not None and hedge != "auto":
        now = "off" if hedge in (None, "off") else f"a fixed {hedge:g} s"
        yield "hedge_budget", f'it bounds hedge = "auto", and hedge is {now}'
    if hedge is None or hedge == "off":
        return
    if said.targets is not None and said.targets < 2:
        yield "hedge", "a hedge needs a second target, and there is one; add a target, or take hedge out"
    if said.max_attempts == 1:
        yield "hedge", "a hedge is a second attempt, and max_attempts is 1; take one of them out"
    if isinstance(hedge, float):
        for other, bound_s in (("deadline", said.deadline_s), ("timeouts.total", said.timeouts.total)):
            if bound_s is not None and hedge >= bound_s:
                yield "hedge", f"a delay of {hedge:g} s isn't shorter than {other}, {bound_s:g} s: it never starts"


def _stream_inside(said: Said) -> Iterator[tuple[str, str]]:
    if said.stream_inside != "off":
        return
    seen_in_streams = (
        ("timeouts.first_token", said.timeouts.first_token),
        ("timeouts.between_tokens", said.timeouts.between_tokens),
        ("min_tokens_per_s", said.min_tokens_per_s),
    )
    for other, value in seen_in_streams:
        if value:
            yield "stream_inside", f'"off" can\'t be together with {other}: only in a stream is it seen; use "auto"'


def _fallback(said: Said) -> Iterator[tuple[str, str]]:
    if not said.fallback_on:
        return
    if said.targets is not None and said.targets < 2:
        yield "fallback_on", "a fallback needs a second target, and there is one; add a target, or take fallback_on out"
    if said.max_attempts == 1:
        yield "fallback_on", "a fallback is a second attempt, and max_attempts is 1; take one of them out"


_RULES: tuple[Callable[[Said], Iterator[tuple[str, str]]], ...] = (
    _durations,
    _hedge,
    _stream_inside,
    _fallback,
)
