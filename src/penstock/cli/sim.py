"""`penstock sim`: fake providers on a port, for tests, benches and examples."""

from __future__ import annotations

import errno
import os
import socket

import click

__all__ = ["command"]

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@click.command("sim")
@click.option("--port", type=click.IntRange(0, 65_535), default=4200, show_default=True, help="0 picks a free one.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; keep it on loopback.")
@click.option("--scenario", metavar="FILE", help="How each model behaves (TOML or JSON); without it, at once.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same schedule.")
def command(port: int, host: str, scenario: str | None, seed: int) -> None:
    """Simulate providers: answers, limits and faults as a scenario tells.

    Prints one JSON line when it is ready. GET /sim/ledger tells every request served.
    """
    from penstock.simulator.serving import serve

    if host not in _LOOPBACK:
        click.echo(f"penstock sim: listening on {host}: whoever reaches it reads the ledger, keys included", err=True)
    try:
        serve(host, port, scenario=scenario, seed=seed, ready=click.echo)
    except OSError as error:
        # A resolver's numbers are its own; a loop puts words of its own around the system's.
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        hint = "; --port 0 picks a free one" if error.errno == errno.EADDRINUSE else ""
        raise click.UsageError(f"cannot listen on {host}:{port}: {why}{hint}") from error
