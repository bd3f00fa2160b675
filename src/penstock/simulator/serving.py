"""The simulator as a process: it listens, says so in one line, and ends when it is told to."""

from __future__ import annotations

import asyncio
import secrets
import signal
import sys
import time
from collections.abc import Callable

import msgspec

from penstock.simulator.answering import Simulator
from penstock.simulator.ledger import Ledger
from penstock.simulator.scenario import Scenario, load_scenario
from penstock.simulator.server import start_server

__all__ = ["serve"]


def serve(host: str, port: int, *, scenario: str | None, seed: int, ready: Callable[[str], None]) -> None:
    """Serve the scenario in a file until SIGTERM or Ctrl-C; port 0 picks a free one.

    `ready` gets one JSON line once it listens. Raises `ConfigError` for a scenario that is none, `OSError` when it
    can't listen.
    """
    behaviour = load_scenario(scenario) if scenario is not None else Scenario()
    # Two simulators, one after the other, must not give the same id to two answers.
    simulator = Simulator(behaviour, time.monotonic, seed=seed, ledger=Ledger(secrets.token_hex(4)))
    main = _serve(simulator, host, port=port, ready=ready)
    if sys.platform == "win32":
        asyncio.run(main)
    else:
        import uvloop

        uvloop.run(main)


async def _serve(simulator: Simulator, host: str, *, port: int, ready: Callable[[str], None]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    if sys.platform != "win32":
        # Loops have no signal handlers there; Ctrl-C ends the process as it always does.
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
    server, connections = await start_server(simulator, host, port=port)
    bound = server.sockets[0].getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    ready(msgspec.json.encode({"ready": True, "url": f"http://{shown}:{bound}", "port": bound}).decode())
    await stop.wait()
    server.close()
    for connection in list(connections):
        connection.abort()
