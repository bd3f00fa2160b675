"""`penstock import-cache`: what another tool has paid for already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

__all__ = ["command"]


@click.command("import-cache")
@click.argument("path", metavar="PATH", type=click.Path(path_type=Path))
@click.option("--namespace", metavar="NAME", help="Whose answers they become. Default: the configuration's.")
@click.option("--store", metavar="STORE", help="In place of the configuration's: sqlite:PATH, redis://HOST/0.")
@click.option("--config", metavar="FILE", help="Default: penstock.toml")
def command(*, path: Path, namespace: str | None, store: str | None, config: str | None) -> None:
    """Take over the answers in PATH: requests-engine's cache folder, or fastllm-kit's."""
    from penstock.batch.display_words import count
    from penstock.cli.cache import with_store
    from penstock.wiring import import_answers

    async def act(opened: Any, settings: Any) -> None:
        taken, skipped = await import_answers(path, opened, namespace or settings.namespace)
        more = f"; {count(skipped)} were failures or no whole answers, and left out" if skipped else ""
        click.echo(f"answers imported: {count(taken)}{more}")

    with_store(store, config, act)
