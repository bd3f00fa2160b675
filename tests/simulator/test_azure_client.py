"""The simulated Azure is what OpenAI's own client for it expects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from tests.simulator.given import KEY, on_loop, serving

from penstock.simulator.scenario import Scenario, parse_scenario

MESSAGES: Any = [{"role": "user", "content": "How big is the moon?"}]


def with_client(act: Callable[[openai.AsyncAzureOpenAI], Awaitable[Any]], scenario: Scenario | str = "") -> Any:
    async def main() -> Any:
        async with (
            serving(scenario) as (_, port),
            openai.AsyncAzureOpenAI(
                azure_endpoint=f"http://127.0.0.1:{port}/azure", api_key=KEY, api_version="2024-10-21", max_retries=0
            ) as client,
        ):
            return await act(client)

    return on_loop(main())


def test_a_deployment_answers_under_its_name() -> None:
    answer = with_client(lambda client: client.chat.completions.create(model="mine", messages=MESSAGES))
    assert answer.choices[0].message.content.endswith("How big is the moon?")
    assert answer.model == "mine"


def test_a_stream_is_told() -> None:
    async def act(client: openai.AsyncAzureOpenAI) -> str:
        stream = await client.chat.completions.create(model="mine", messages=MESSAGES, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    assert with_client(act).endswith("How big is the moon?")


@pytest.mark.parametrize(
    ("scenario", "error", "code"),
    [
        ('keys = ["another"]', openai.AuthenticationError, "401"),
        ('[models."*"]\nlimits = { rpm = 2 }', openai.RateLimitError, "RateLimitReached"),
        ('[models."*"]\nfaults = [{ fault = "status", status = 500 }]', openai.InternalServerError, "500"),
    ],
)
def test_refusals_have_azures_codes(scenario: str, error: type[openai.APIStatusError], code: str) -> None:
    async def act(client: openai.AsyncAzureOpenAI) -> Any:
        with pytest.raises(error) as caught:
            for _ in range(70):
                await client.chat.completions.create(model="mine", messages=MESSAGES)
        return caught.value

    refused = with_client(act, parse_scenario(scenario))
    assert refused.code == code
    if code == "RateLimitReached":
        assert int(refused.response.headers["retry-after"]) > 0
        assert refused.response.headers["x-ratelimit-reset-requests"].isdigit()
