"""A provider of each wire as the simulator serves it on real sockets, and a client of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from penstock import AsyncClient
from penstock.simulator.answering import Simulator
from penstock.simulator.scenario import parse_scenario
from penstock.simulator.server import start_server

KEY = "sk-test-not-a-key"
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Spoken(NamedTuple):
    """A target of one wire, and where the simulator serves it."""

    target: str
    path: str
    settings: Mapping[str, Any] = MappingProxyType({})
    tools: bool = True
    """A call of a tool can be demanded."""
    embeds: str = ""
    """A model that embeds; "" for a wire without."""

    @property
    def provider(self) -> str:
        return self.target.partition("/")[0]

    @property
    def model(self) -> str:
        return self.target.partition("/")[2]

    def __str__(self) -> str:
        return self.target.replace("/", "-")


@asynccontextmanager
async def served(spoken: Spoken, **behaviour: Any) -> AsyncIterator[tuple[AsyncClient, Simulator]]:
    """A client whose provider behaves as `behaviour` says; `keys` are those that it takes."""
    keys = behaviour.pop("keys", None)
    scenario: dict[str, Any] = {"models": {"*": behaviour}}
    if keys is not None:
        scenario["keys"] = keys
    simulator = Simulator(parse_scenario(json.dumps(scenario)), time.monotonic)
    server, connections = await start_server(simulator)
    base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}{spoken.path}"
    settings = {"base_url": base_url, "api_key": KEY, **spoken.settings}
    try:
        async with AsyncClient(
            spoken.target, config={"providers": {spoken.provider: settings}}, deadline=20, stream_inside="off"
        ) as client:
            yield client, simulator
    finally:
        server.close()
        for connection in list(connections):
            connection.abort()
        await asyncio.sleep(0)
