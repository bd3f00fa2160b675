"""What a call leaves is freed at once: a circle in each would be the garbage collector's work, at 13 us a call."""

from __future__ import annotations

import gc

import pytest

from penstock import AsyncClient
from penstock.testing import run


@pytest.mark.parametrize("how", ["whole", "streamed"])
def test_a_call_leaves_nothing_for_the_collector(how: str) -> None:
    async def ask(client: AsyncClient) -> None:
        if how == "whole":
            await client.generate("How deep is the water?")
            return
        async with client.stream("How deep is the water?") as stream:
            async for _ in stream:
                pass

    async def main() -> int:
        async with AsyncClient("sim/fast") as client:
            for _ in range(20):
                await ask(client)
            gc.collect()
            gc.disable()
            try:
                for _ in range(20):
                    await ask(client)
                return gc.collect()
            finally:
                gc.enable()

    assert run(main) < 20
