"""What is said with a request or with a client, read: each option checked, and what a client asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from penstock.call import CacheMode, Kind
from penstock.client.forms import read_form
from penstock.client.parameters import check_parameter
from penstock.client.vocabulary import ChatOptions, ClientOptions, CompletionOptions, EmbeddingOptions
from penstock.config import (
    Config,
    Hedge,
    RouteTimeouts,
    Said,
    StreamInside,
    contradiction,
    load_config,
    read_budget,
    read_cache,
    read_cache_mode,
    read_duration,
    read_fallback_on,
    read_guards,
    read_hedge,
    read_limits,
    read_on_break,
    read_stream_inside,
    read_timeouts,
)
from penstock.config.suggest import did_you_mean, nearest
from penstock.config.values import Where, read_fraction, read_positive_int, read_rate, read_str
from penstock.errors import ConfigError
from penstock.schema import Form, Tool
from penstock.stores import Store
from penstock.wiring import Engine, Models, Overrides, build

__all__ = ["Asking", "client_engine", "read_options"]

_ENVELOPE = frozenset(
    (
        *("cache", "deadline", "extra", "hedge", "model", "reasks", "sample", "schema", "system", "tags", "timeouts"),
        "variables",
    )
)
"""Options that are no part of a body."""
_KNOWN: dict[Kind, frozenset[str]] = {
    "chat": frozenset(ChatOptions.__annotations__),
    "completion": frozenset(CompletionOptions.__annotations__),
    "embedding": frozenset(EmbeddingOptions.__annotations__),
}


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a request, read. `params` go into the body."""

    model: Models = None
    system: str | None = None
    deadline_s: float | None = None
    hedge: Hedge | None = None
    timeouts: RouteTimeouts | None = None
    tags: dict[str, str] = {}
    params: dict[str, Any] = {}
    cache: CacheMode | None = None
    sample: str = ""
    variables: dict[str, Any] | None = None
    form: Form | None = None
    reasks: int | None = None
    functions: tuple[Tool, ...] = ()
    """Those of the tools that are functions."""

    def under(self, own: Asking) -> Asking:
        """These options where `own`, a single request's, say nothing."""
        return Asking(
            model=self.model if own.model is None else own.model,
            system=self.system if own.system is None else own.system,
            deadline_s=self.deadline_s if own.deadline_s is None else own.deadline_s,
            hedge=self.hedge if own.hedge is None else own.hedge,
            timeouts=self.timeouts if own.timeouts is None else own.timeouts,
            tags={**self.tags, **own.tags},
            params={**self.params, **own.params},
            cache=self.cache if own.cache is None else own.cache,
            sample=own.sample or self.sample,
            variables=self.variables if own.variables is None else own.variables,
            form=self.form if own.form is None and "response_format" not in own.params else own.form,
            reasks=self.reasks if own.reasks is None else own.reasks,
            functions=own.functions if "tools" in own.params else self.functions,
        )


def read_options(kind: Kind, options: Mapping[str, Any]) -> Asking:
    """The options, checked. Raises `TypeError` that names the nearest known one, `ConfigError` for a bad value."""
    known = _KNOWN[kind]
    for name, value in options.items():
        if name not in known:
            raise TypeError(_unknown(name, known))
        if value is not None:
            check_parameter(name, value)
    params = {name: value for name, value in options.items() if value is not None and name not in _ENVELOPE}
    params.update(options.get("extra") or {})
    form, functions = read_form(options, params)
    policy = _read_policy(options)
    said = Said(**{name: value for name, value in policy.items() if value is not None})
    if (found := contradiction(said)) is not None:
        raise ConfigError(": ".join(found))
    return Asking(
        model=options.get("model"),
        system=options.get("system"),
        **policy,
        tags=_read_tags(options.get("tags") or {}),
        params=params,
        cache=_read(options, "cache", read_cache_mode),
        sample=_read_sample(options.get("sample")),
        variables=_read_variables(options.get("variables")),
        form=form,
        reasks=options.get("reasks"),
        functions=functions,
    )


_ELSEWHERE = {
    "stream": "stream(...) gives the answer as it is written",
    "max_steps": "converse(...) takes it",
    "max_cost": "converse(...) takes it",
}


def _unknown(name: str, known: frozenset[str]) -> str:
    if name in ClientOptions.__annotations__:
        return f"{name}: a setting of the client or of a route, not of one request: Client(..., {name}=...)"
    if name in _ELSEWHERE:
        return f'unknown option "{name}"; {_ELSEWHERE[name]}'
    near = nearest(name, known, most=1)
    hint = f'; did you mean "{near[0]}"?' if near else "."
    return f'unknown option "{name}"{hint} What only a provider knows goes in extra={{"{name}": ...}}'


def _read_tags(tags: object) -> dict[str, str]:
    if isinstance(tags, Mapping) and all(isinstance(text, str) for pair in tags.items() for text in pair):
        return dict(tags)
    raise ConfigError(f'tags: expected names and values such as {{"team": "search"}}, got {tags!r}')


def _read_timeouts(timeouts: object, where: Where) -> RouteTimeouts:
    if not isinstance(timeouts, Mapping):
        raise where.expected('a table such as {"first_token": 8, "total": "1m"}', timeouts)
    return read_timeouts(timeouts, where)


def _read_hedge(hedge: object, where: Where) -> Hedge:
    """Unlike in a file, where a switch is a usual thing to write, True would be a number of seconds here."""
    if isinstance(hedge, bool):
        raise where.expected('"off", "auto" or a delay such as "2s"', hedge)
    return read_hedge(hedge, where)


def _read_stream_inside(word: object, where: Where) -> StreamInside:
    if isinstance(word, bool):
        raise where.expected('"auto", "on" or "off"', word)
    return read_stream_inside(word, where)


def _read_policy(options: Mapping[str, Any]) -> dict[str, Any]:
    """`deadline_s`, `hedge` and `timeouts`, None where nothing was said."""
    forms: tuple[tuple[str, str, Callable[[Any, Where], Any]], ...] = (
        ("deadline", "deadline_s", read_duration),
        ("hedge", "hedge", _read_hedge),
        ("timeouts", "timeouts", _read_timeouts),
    )
    return {field: _read(options, name, form) for name, field, form in forms}


def _read(options: Mapping[str, Any], name: str, form: Callable[[Any, Where], Any]) -> Any:
    value = options.get(name)
    return None if value is None else form(value, Where(name))


def _read_sample(sample: object) -> str:
    if sample is None or sample == 0:
        return ""
    if isinstance(sample, str) or (isinstance(sample, int) and not isinstance(sample, bool)):
        return str(sample)
    raise ConfigError(f"sample: expected a number or text, got {sample!r:.80}")


def _read_variables(variables: object) -> dict[str, Any] | None:
    if variables is None:
        return None
    if isinstance(variables, Mapping) and all(isinstance(name, str) for name in variables):
        return dict(variables)
    raise ConfigError(f'variables: expected names and values such as {{"text": "..."}}, got {variables!r:.80}')


def _with_cache(config: Config, cache: Any) -> tuple[Config, CacheMode | None, Store | None]:
    """What a client says about its cache: the configuration with it, the mode, and the store that was handed in."""
    if cache is None:
        return config, None, None
    if isinstance(cache, Mapping):
        return replace(config, cache=read_cache(cache, Where("cache"))), None, None
    if isinstance(cache, str) and (":" in cache or cache in ("memory", "sqlite")):
        return replace(config, cache=read_cache({"store": cache}, Where("cache"))), None, None
    if isinstance(cache, str | bool):
        mode: CacheMode = read_cache_mode(cache, Where("cache"), or_store=True)
        if mode != "off" and config.cache is not None and config.cache.store == "off":
            raise ConfigError(f'cache: "{mode}", but {config.source}: [cache] store is "off"')
        return config, mode, None
    lacking = [name for name in ("get", "put", "flush") if not callable(getattr(cache, name, None))]
    if lacking:
        form = '"on", "off", "read", "write", a table as [cache], or a store with get, put and flush'
        raise ConfigError(f"cache: expected {form}, got {cache!r:.80}")
    return config, None, cache


def client_engine(targets: tuple[object, ...], options: ClientOptions) -> tuple[Models, Engine, int | None]:
    """What a client asks, the engine that answers, and the most requests at once, None where nothing was said.

    Raises `ConfigError` for what can't be meant, `TypeError` for an unknown option.
    """
    for name in options:
        if name not in ClientOptions.__annotations__:
            raise TypeError(_unknown_of_client(name))
    named = tuple(map(_named, targets))
    config, mode, store = _with_cache(load_config(options.get("config")), options.get("cache"))
    route = _read(options, "route", read_str)
    if named and route is not None:
        raise ConfigError("targets and a route exclude each other: a route brings its own targets")
    said = read_limits(options.get("limits") or {}, Where("limits"))
    engine = build(
        config,
        overrides=Overrides(
            cache=mode,
            store=store,
            base_url=_read(options, "base_url", read_str),
            rpm=said.rpm,
            tpm=said.tpm,
            concurrency=said.concurrency,
            **_read_policy(options),
            budget=_read(options, "budget", read_budget),
            guards=_read(options, "guards", read_guards),
            hedge_budget=_read(options, "hedge_budget", read_fraction),
            min_tokens_per_s=_read(options, "min_tokens_per_s", read_rate),
            max_attempts=_read(options, "max_attempts", read_positive_int),
            fallback_on=_read(options, "fallback_on", read_fallback_on),
            stream_inside=_read(options, "stream_inside", _read_stream_inside),
            on_break=_read(options, "on_break", read_on_break),
        ),
    )
    models: Models = _route_of(engine, route) if route is not None else named or None
    if models is not None or "default" in engine.config.routes:
        engine.check(models)
    return models, engine, said.concurrency


def _route_of(engine: Engine, route: str) -> str:
    if route not in engine.config.routes:
        place = engine.config.source or "no configuration"
        raise ConfigError(f'{place}: no route "{route}"{did_you_mean(route, engine.config.routes)}')
    return route


def _named(target: object) -> str:
    if isinstance(target, str):
        return target
    form = 'each target is text of its own, Client("openai/gpt-4o-mini", "together/...")'
    raise ConfigError(f"{form}, got {target!r:.80}")


def _unknown_of_client(name: str) -> str:
    if name in ChatOptions.__annotations__:
        return f"{name}: said with each request, not with the client: client.generate(prompt, {name}=...)"
    return f'unknown option "{name}"{did_you_mean(name, ClientOptions.__annotations__)}'
