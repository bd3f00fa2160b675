"""OpenAI's own client at a simulator."""

from collections.abc import Awaitable, Callable
from typing import Any

import openai
from tests.simulator.given import KEY, on_loop, serving

from penstock.simulator.scenario import Scenario

__all__ = ["with_client"]


def with_client(act: Callable[[openai.AsyncOpenAI], Awaitable[Any]], scenario: Scenario | str = "") -> Any:
    async def main() -> Any:
        async with serving(scenario) as (_, port):
            url = f"http://127.0.0.1:{port}/openai/v1"
            async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
                return await act(client)

    return on_loop(main())
