"""`penstock cache`: what the response cache holds, and how to make it smaller or empty."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import click

__all__ = ["CACHE_OPTIONS", "command", "with_store"]

CACHE_OPTIONS = (
    click.option("--store", metavar="STORE", help="In place of the configuration's: sqlite:PATH, redis://HOST/0."),
    click.option("--config", metavar="FILE", help="Default: penstock.toml"),
)


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(CACHE_OPTIONS):
        command = option(command)
    return command


@click.group("cache")
def command() -> None:
    """The response cache."""


@command.command("stats")
@_options
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def stats(*, store: str | None, config: str | None, as_json: bool) -> None:
    """What it holds, and where it is."""
    import time

    import msgspec

    from penstock.batch.display_words import amount, count, span

    async def tell(opened: Any, settings: Any) -> None:
        found = await opened.stats()
        if as_json:
            click.echo(msgspec.json.encode(found))
            return
        rows = [("where", found.where), ("answers", "unknown" if found.entries is None else count(found.entries))]
        if found.size_bytes is not None:
            rows.append(("size", f"{amount(found.size_bytes)}B"))
        if questions := _question_files(settings):
            size = sum(path.stat().st_size for path in questions)
            rows.append(("asked", f"{amount(size)}B of questions, to tell those that mean the same"))
        if found.oldest_s is not None:
            rows.append(("oldest", f"{span(max(0.0, time.time() - found.oldest_s))} ago"))
        for name, text in rows:
            click.echo(f"{name:<9}{text}")

    with_store(store, config, tell, makes=False)


@command.command("prune")
@_options
def prune(*, store: str | None, config: str | None) -> None:
    """Drop what is too old or too much, and give the room back."""

    async def act(opened: Any, _settings: Any) -> None:
        from penstock.batch.display_words import count

        click.echo(f"answers dropped: {count(await opened.prune())}")

    with_store(store, config, act, makes=False)


@command.command("clear")
@_options
def clear(*, store: str | None, config: str | None) -> None:
    """Drop everything."""

    async def act(opened: Any, settings: Any) -> None:
        from penstock.batch.display_words import count

        for path in _question_files(settings):
            path.unlink(missing_ok=True)
        click.echo(f"answers dropped: {count(await opened.clear())}")

    with_store(store, config, act, makes=False)


def _question_files(settings: Any) -> Any:
    import os

    from penstock.wiring.semantic import question_files

    return question_files(settings.store, os.environ)


def with_store(
    url: str | None, config: str | None, act: Callable[[Any, Any], Awaitable[None]], *, makes: bool = True
) -> None:
    """Do something with the configuration's store, or with the one at `url`, which `makes` may create.

    Raises `ConfigError`.
    """
    import os
    from dataclasses import replace

    from penstock.config import CacheConfig, load_config
    from penstock.errors import ConfigError
    from penstock.stores import StoreError, check_url, store_path
    from penstock.wiring import open_configured

    settings = load_config(config, for_command=True).cache or CacheConfig()
    if url is not None:
        try:
            check_url(url)
        except ConfigError as error:
            raise ConfigError(f"--store: {error}") from None
        path = store_path(url, os.environ)
        if path is not None and not makes and not path.exists():
            raise ConfigError(f"--store: {path}: no such file")
        settings = replace(settings, store=url)
    if settings.store in ("off", "memory"):
        why = "is off" if settings.store == "off" else "lives in each process's own memory"
        raise ConfigError(f"the cache {why}; name another with --store, such as --store sqlite")

    async def run() -> None:
        opened = open_configured(settings)
        try:
            await act(opened, settings)
        finally:
            await opened.aclose()

    try:
        asyncio.run(run())
    except StoreError as error:
        raise ConfigError(str(error)) from error
