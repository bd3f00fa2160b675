"""From what a caller wrote as a model to targets: `provider/model`, a list of them, a route, or a bare name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from penstock.config.schema import Config, RouteConfig
from penstock.config.suggest import nearest
from penstock.errors import ConfigError

__all__ = ["Selection", "TargetName", "resolve", "taken_for"]


@dataclass(frozen=True, slots=True)
class TargetName:
    """A provider and its own model id; `str()` is what answers and reports call it."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Selection:
    """Targets in order of preference, and the route that named them, None when the caller did."""

    targets: tuple[TargetName, ...]
    route: RouteConfig | None = None


def resolve(config: Config, models: str | Sequence[str] | None, known: Collection[str]) -> Selection:
    """The targets of a model, a list of models (order is preference), a route, or None for the route `default`.

    `known` are the providers that have a catalog entry; configured ones are known too. A name whose first part is
    no known provider is the default provider's model; without one, a name without a slash is OpenAI's. Raises
    `ConfigError` with suggestions.
    """
    if models is None or (not isinstance(models, str) and not models):
        if route := config.routes.get("default"):
            return _of_route(config, route, known)
        raise ConfigError('no model: name one such as "openai/gpt-4o-mini", or set targets under [routes.default]')
    names = [models] if isinstance(models, str) else models
    if not isinstance(names, list | tuple):
        raise ConfigError(f"a model is text, or a list of it, not {models!r}")
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ConfigError(f'a model is text such as "openai/gpt-4o-mini", not {name!r}')
    if len(names) == 1 and (route := config.routes.get(names[0])):
        return _of_route(config, route, known)
    for name in names:
        if name in config.routes:
            raise ConfigError(f'"{name}" is a route: name it alone, or list targets only')
    return Selection(_different(config, names, known))


def taken_for(config: Config, models: str | Sequence[str] | None, target: TargetName) -> str:
    """How a bare name became this target, for whoever may have meant a route; "" where nobody can have."""
    names = [models] if isinstance(models, str) else models or ()
    if not config.routes or target.model not in names:
        return ""
    routes = ", ".join(sorted(config.routes))
    near = nearest(target.model, config.routes, most=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return f'there is no route "{target.model}" (routes: {routes}{hint}), so it is a model of {target.provider}: '


def _different(config: Config, names: Sequence[str], known: Collection[str]) -> tuple[TargetName, ...]:
    """The target of each name. Raises `ConfigError` when two are the same one."""
    named: dict[TargetName, str] = {}
    for name in names:
        target = _target(config, name, known)
        if target in named:
            raise ConfigError(_same(named[target], name, target))
        named[target] = name
    return tuple(named)


def _same(one: str, other: str, target: TargetName) -> str:
    if one == other:
        return f'"{one}" is named twice; each target is tried again as often as that makes sense'
    return f'"{one}" and "{other}" are the same target, {target}'


def _of_route(config: Config, route: RouteConfig, known: Collection[str]) -> Selection:
    place = f"{config.source}: [routes.{route.name}] targets"
    try:
        return Selection(_different(config, route.targets, known), route)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def _target(config: Config, name: str, known: Collection[str]) -> TargetName:
    provider, slash, model = name.partition("/")
    if slash and model and (provider in known or provider in config.providers):
        return TargetName(provider, model)
    if config.default_provider is not None:
        return TargetName(_default_provider(config, known), name)
    if not slash and not {name} & {*known, *config.providers}:
        return TargetName("openai", name)
    raise ConfigError(_unknown(config, name, provider, known))


def _default_provider(config: Config, known: Collection[str]) -> str:
    name = config.default_provider or ""
    if name not in known and name not in config.providers:
        near = nearest(name, {*known, *config.providers})
        hint = f'; did you mean "{near[0]}"?' if near else f"; add [providers.{name}] with its base_url"
        raise ConfigError(f'{config.source}: default_provider: unknown provider "{name}"{hint}')
    return name


def _unknown(config: Config, name: str, provider: str, known: Collection[str]) -> str:
    if provider in known or provider in config.providers:
        return f'"{name}" names no model: write "{provider}/MODEL"'
    near = nearest(provider, {*known, *config.providers, *config.routes})
    if near:
        return f'unknown provider "{provider}" in "{name}"; did you mean {" or ".join(near)}?'
    return (
        f'unknown provider "{provider}" in "{name}"; known: {", ".join(sorted({*known, *config.providers}))}. A server '
        f"of your own needs [providers.{provider}] with its base_url; a default_provider takes such names whole"
    )
