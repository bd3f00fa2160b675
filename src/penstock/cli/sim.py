"""`penstock sim`: fake providers on a port, for tests, benches and examples."""

from __future__ import annotations

import secrets
import time

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
    from penstock.simulator.answering import Simulator
    from penstock.simulator.ledger import Ledger
    from penstock.simulator.scenario import Scenario, load_scenario
    from penstock.simulator.server import run_server

    behaviour = load_scenario(scenario) if scenario is not None else Scenario()
    if host not in _LOOPBACK:
        click.echo(
            f"penstock sim: listening on {host}: whoever reaches it can read the ledger, keys included", err=True
        )
    # Two simulators, one after the other, must not give the same id to two answers.
    simulator = Simulator(behaviour, time.monotonic, seed=seed, ledger=Ledger(secrets.token_hex(4)))
    try:
        run_server(simulator, host, port=port, ready=click.echo)
    except OSError as error:
        raise click.UsageError(f"cannot listen on {host}:{port}: {error}") from error
