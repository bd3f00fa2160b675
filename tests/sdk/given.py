"""The running simulator, as the providers' own clients meet it: over a socket, in another thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
from tests.simulator.given import serving

from penstock.simulator.scenario import Scenario, parse_scenario

__all__ = ["FUNCTIONS", "KEY", "MESSAGES", "PNG", "QUESTION", "SCHEMA", "always", "server", "valid"]

KEY = "sk-test-not-a-key"
QUESTION = "How big is the moon?"
MESSAGES: Any = [{"role": "user", "content": QUESTION}]
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}
FUNCTIONS = ("weather", "time")
"""Names of two functions that take what `SCHEMA` says."""


def always(fault: str, **settings: Any) -> Scenario:
    """Every request meets the fault."""
    return parse_scenario(msgspec.json.encode({"models": {"*": {"faults": [{"fault": fault, **settings}]}}}).decode())


@contextmanager
def server(scenario: Scenario | str = "") -> Iterator[str]:
    """A simulator's address while the context lasts."""
    ready, over = threading.Event(), threading.Event()
    found: list[Any] = []

    async def main() -> None:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with serving(scenario) as (_, port):
            found.extend((port, lambda: loop.call_soon_threadsafe(done.set)))
            ready.set()
            await done.wait()
        over.set()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield f"http://127.0.0.1:{found[0]}"
    finally:
        found[1]()
        assert over.wait(10)
        thread.join(10)


def valid(model: Any) -> Any:
    """`model`, of which the client's own types say that it holds everything and nothing of a wrong kind.

    Clients build what they read without looking at it; here it is looked at.
    """
    type(model).model_validate(model.model_dump(exclude_unset=True, by_alias=True, warnings="none"))
    return model
