"""The simulator is what OpenAI's own client expects: answers, streams, errors by class."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from tests.simulator.given import KEY, faulty
from tests.simulator.openai_given import with_client

from penstock.simulator.scenario import Scenario

MESSAGES: Any = [{"role": "user", "content": "How big is the moon?"}]


def test_a_chat_is_answered() -> None:
    answer = with_client(lambda client: client.chat.completions.create(model="m", messages=MESSAGES))
    assert answer.choices[0].message.content.endswith("How big is the moon?")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id == f"req-{answer.id}"


def test_a_stream_says_the_same_as_the_whole() -> None:
    async def act(client: openai.AsyncOpenAI) -> tuple[str | None, str, Any]:
        whole = await client.chat.completions.create(model="m", messages=MESSAGES)
        chunks = [
            chunk
            async for chunk in await client.chat.completions.create(
                model="m", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
            )
        ]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        return whole.choices[0].message.content, text, (whole.usage, chunks[-1].usage)

    whole, streamed, (usage, last) = with_client(act)
    assert whole == streamed
    assert usage == last


def test_embeddings_come_for_each_input() -> None:
    answer = with_client(lambda client: client.embeddings.create(model="m", input=["a", "b"], dimensions=16))
    assert [(item.index, len(item.embedding)) for item in answer.data] == [(0, 16), (1, 16)]


def test_a_text_completion_is_answered() -> None:
    answer = with_client(lambda client: client.completions.create(model="m", prompt="Once upon a time"))
    assert answer.choices[0].text.endswith("Once upon a time")


def test_models_are_listed_and_shown() -> None:
    async def act(client: openai.AsyncOpenAI) -> tuple[list[str], str]:
        listed = [model.id async for model in await client.models.list()]
        return listed, (await client.models.retrieve("fast")).id

    listed, shown = with_client(act, '[models.mine]\n[models."glob-*"]')
    assert listed[0] == "mine"
    assert {"fast", "typical"} <= set(listed)
    assert "glob-*" not in listed
    assert shown == "fast"


@pytest.mark.parametrize(
    ("scenario", "error"),
    [
        (faulty("status", status=429), openai.RateLimitError),
        (faulty("status", status=500), openai.InternalServerError),
        (faulty("status", status=404), openai.NotFoundError),
        (faulty("html"), openai.InternalServerError),
        (faulty("reset"), openai.APIConnectionError),
        ('keys = ["sk-good"]', openai.AuthenticationError),
        (f'out_of_quota = ["{KEY}"]', openai.RateLimitError),
        ("[models.m]\ncontext_tokens = 2", openai.BadRequestError),
        ("[models.m]\nlimits = { tpm = 5 }", openai.RateLimitError),
    ],
)
def test_an_error_has_its_class(scenario: Scenario | str, error: type[Exception]) -> None:
    async def act(client: openai.AsyncOpenAI) -> None:
        with pytest.raises(error):
            await client.chat.completions.create(model="m", messages=MESSAGES)

    with_client(act, scenario)


@pytest.mark.parametrize(
    ("scenario", "code"),
    [
        (f'out_of_quota = ["{KEY}"]', "insufficient_quota"),
        ("[models.m]\ncontext_tokens = 2", "context_length_exceeded"),
        ('keys = ["sk-good"]', "invalid_api_key"),
        ("[models.m]\nlimits = { tpm = 5 }", "rate_limit_exceeded"),
    ],
)
def test_an_error_has_its_code(scenario: str, code: str) -> None:
    async def act(client: openai.AsyncOpenAI) -> str | None:
        with pytest.raises(openai.APIStatusError) as raised:
            await client.chat.completions.create(model="m", messages=MESSAGES)
        return raised.value.code

    assert with_client(act, scenario) == code


def test_a_stream_error_reaches_the_client() -> None:
    async def act(client: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.APIError, match="boom"):
            async for _ in await client.chat.completions.create(model="m", messages=MESSAGES, stream=True):
                pass

    with_client(act, faulty("stream_error", message="boom"))


def test_a_tool_call_streams_its_arguments() -> None:
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": {"type": "string"}}}}}

    async def act(client: openai.AsyncOpenAI) -> list[Any]:
        stream = await client.chat.completions.create(
            model="m", messages=MESSAGES, tools=[tool], tool_choice="required", stream=True
        )
        return [chunk.choices[0] async for chunk in stream if chunk.choices]

    choices = with_client(act)
    fragments = [call for choice in choices for call in choice.delta.tool_calls or ()]
    assert fragments[0].function.name == "f"
    assert "".join(call.function.arguments for call in fragments).startswith('{"a":"sim:')
    assert choices[-1].finish_reason == "tool_calls"
