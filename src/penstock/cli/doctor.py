"""`penstock doctor`: checks each configured provider with a tiny request, or draws the engine."""

from __future__ import annotations

import time
from typing import Any

import click

__all__ = ["command"]

_EXIT_NOT_WELL = 1
_EXIT_USAGE = 2
_DEADLINE_S = 30.0
_TINY = {"messages": [{"role": "user", "content": "Say ok."}], "max_tokens": 16}


@click.command("doctor")
@click.option("-m", "--model", "models", multiple=True, help="A target or route to check; repeatable.")
@click.option("--tree", is_flag=True, help="Draw what a call goes through, and ask nothing.")
@click.option("--base-url", help="Send to this server instead of the provider's own.")
@click.option("--config", metavar="FILE", help="Default: penstock.toml")
@click.pass_context
def command(
    ctx: click.Context, /, models: tuple[str, ...], tree: bool, base_url: str | None, config: str | None
) -> None:
    """Check each configured provider with a tiny request.

    Asked are the targets of every route and of -m; of other providers that are configured or have a key, the list of
    their models. --tree draws what a call of each goes through instead: the race and its settings, and for each
    target its breaker, its limits, its address and where its keys are.
    """
    import asyncio

    from penstock.config import load_config
    from penstock.errors import ConfigError
    from penstock.wiring import Overrides, build

    loaded = load_config(config, for_command=True)
    once = Overrides(base_url=base_url, deadline_s=_DEADLINE_S, max_attempts=1)
    overrides = Overrides(base_url=base_url) if tree else once
    engine = build(loaded, overrides=overrides)
    selections = [*models, *(() if models else loaded.routes)]
    if tree:
        ctx.exit(_draw(engine, selections))
    providers = [] if models else _others(engine, selections)
    if not selections and not providers:
        raise ConfigError("nothing to check: no key was found and nothing is configured; penstock providers says more")
    ctx.exit(asyncio.run(_check(engine, selections, providers)))


def _draw(engine: Any, selections: list[str]) -> int:
    """Every selection's engine; one that can't be is told instead, and makes a usage error of it."""
    from penstock.errors import ConfigError

    if not selections:
        raise ConfigError("nothing to draw: name a model with -m, or set a route in penstock.toml")
    bad = 0
    for place, name in enumerate(selections):
        if place:
            click.echo()
        try:
            click.echo(engine.tree(name))
        except ConfigError as error:
            bad += _tell(name, str(error))
    return _EXIT_USAGE if bad else 0


def _others(engine: Any, selections: list[str]) -> list[str]:
    """Providers that are configured or have a key, and that no route asks."""
    from penstock.errors import ConfigError
    from penstock.wiring import known_providers

    asked: set[str] = set()
    for name in selections:
        try:
            asked.update(target.provider for target in engine.check(name).targets)
        except ConfigError:
            continue  # the route's own check says so
    found = []
    for name in known_providers(engine.config):
        try:
            has_key = bool(engine.plan(name).keys)
        except ConfigError:
            has_key = True  # a reference that leads nowhere is to be told
        if name not in asked and (has_key or name in engine.config.providers):
            found.append(name)
    return found


async def _check(engine: Any, selections: list[str], providers: list[str]) -> int:
    from penstock.errors import ConfigError

    bad = 0
    asked: set[str] = set()
    try:
        for name in selections:
            try:
                targets = [str(target) for target in engine.check(name).targets]
            except ConfigError as error:
                bad += _tell(name, str(error))
                continue
            for target in targets:
                if target not in asked:
                    asked.add(target)
                    bad += await _ask(engine, target)
        for name in providers:
            bad += await _list(engine, name)
    finally:
        await engine.aclose()
    return _EXIT_NOT_WELL if bad else 0


async def _ask(engine: Any, target: str) -> int:
    from penstock.call import Call
    from penstock.errors import PenstockError

    began_s = time.monotonic()
    try:
        await engine.handler(target)(Call(id="doctor", model=target, body=_TINY))
    except PenstockError as error:
        return _tell(target, str(error))
    return _tell(target, None, f"{time.monotonic() - began_s:.2f} s")


async def _list(engine: Any, provider: str) -> int:
    from penstock.errors import ConfigError, PenstockError

    try:
        if not engine.plan(provider).vendor.models_path:
            engine.check(f"{provider}/-")
            click.echo(f"?    {provider}  not asked: it lists no models here; check one with -m {provider}/MODEL")
            return 0
    except ConfigError as error:
        return _tell(provider, str(error))
    try:
        models = await engine.list_models(provider)
    except PenstockError as error:
        return _tell(provider, str(error))
    return _tell(provider, None, f"{len(models)} models")


def _tell(name: str, trouble: str | None, detail: str = "") -> int:
    """One line for one check; 1 when it isn't well."""
    from penstock.observers.logging import masked

    if trouble is None:
        click.echo(f"ok   {name}  {detail}")
        return 0
    text = trouble if trouble.startswith(name) else f"{name}: {trouble}"
    click.echo(masked(f"FAIL {text}"))
    return 1
