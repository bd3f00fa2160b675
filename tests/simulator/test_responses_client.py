"""The simulated Responses API is what OpenAI's own client expects: answers, streams, parsed values, errors by class."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from pydantic import BaseModel
from tests.simulator.given import KEY, faulty, on_loop, serving
from tests.simulator.openai_given import with_client

from penstock.simulator.scenario import parse_scenario

QUESTION = "How big is the moon?"
WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}


class Size(BaseModel):
    body: str
    kilometres: int


def test_a_question_is_answered() -> None:
    answer = with_client(lambda client: client.responses.create(model="m", input=QUESTION, instructions="Be brief."))
    assert answer.output_text.endswith(QUESTION)
    assert (answer.object, answer.status, answer.model) == ("response", "completed", "m")
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens
    assert answer._request_id == f"req-{answer.id}"


def test_a_list_of_items_is_read() -> None:
    items: Any = [
        {"role": "user", "content": [{"type": "input_text", "text": "Weather in Kyiv?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2VjcmV0"},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "Sunny"},
        {"role": "user", "content": QUESTION},
    ]
    answer = with_client(lambda client: client.responses.create(model="m", input=items, tools=[WEATHER]))
    assert answer.output_text.endswith(QUESTION)
    assert answer.tools[0].name == "weather"


def test_a_stream_says_the_same_as_the_whole() -> None:
    async def act(client: openai.AsyncOpenAI) -> None:
        whole = await client.responses.create(model="m", input=QUESTION)
        async with client.responses.stream(model="m", input=QUESTION) as stream:
            events = [event async for event in stream]
            last = await stream.get_final_response()
        said = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        assert said == last.output_text == whole.output_text
        assert last.usage == whole.usage
        assert [event.sequence_number for event in events] == list(range(len(events)))
        assert (events[0].type, events[-1].type) == ("response.created", "response.completed")

    with_client(act)


def test_a_tool_is_called() -> None:
    asked: Any = {"model": "m", "input": "Weather in Kyiv?", "tools": [WEATHER], "tool_choice": "required"}

    async def act(client: openai.AsyncOpenAI) -> None:
        whole = await client.responses.create(**asked)
        async with client.responses.stream(**asked) as stream:
            streamed = await stream.get_final_response()
        for answer in (whole, streamed):
            (call,) = [item for item in answer.output if item.type == "function_call"]
            assert (call.name, call.status) == ("weather", "completed")
            assert call.call_id
            assert '"city"' in call.arguments

    with_client(act)


def test_thoughts_come_first_and_may_be_sent_back() -> None:
    async def act(client: openai.AsyncOpenAI) -> None:
        whole = await client.responses.create(model="m", input=QUESTION)
        async with client.responses.stream(model="m", input=QUESTION) as stream:
            events = [event async for event in stream]
            streamed = await stream.get_final_response()
        for answer in (whole, streamed):
            thought, said = answer.output
            assert (thought.type, said.type) == ("reasoning", "message")
            assert answer.usage.output_tokens_details.reasoning_tokens == 12
        told = "".join(event.delta for event in events if event.type == "response.reasoning_summary_text.delta")
        assert told == streamed.output[0].summary[0].text == whole.output[0].summary[0].text
        turns: Any = [{"role": "user", "content": "?"}, *whole.output, {"role": "user", "content": QUESTION}]
        assert (await client.responses.create(model="m", input=turns)).output_text.endswith(QUESTION)

    with_client(act, '[models."*"]\nreasoning_tokens = 12')


def test_an_answer_is_parsed() -> None:
    async def act(client: openai.AsyncOpenAI) -> None:
        whole = await client.responses.parse(model="m", input=QUESTION, text_format=Size)
        async with client.responses.stream(model="m", input=QUESTION, text_format=Size) as stream:
            streamed = await stream.get_final_response()
        assert isinstance(whole.output_parsed, Size)
        assert streamed.output_parsed == whole.output_parsed

    with_client(act)


def test_an_answer_is_cut_short() -> None:
    answer = with_client(
        lambda client: client.responses.create(model="m", input=QUESTION, max_output_tokens=16),
        '[models."*"]\noutput_tokens = 40',
    )
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage.output_tokens == 16


@pytest.mark.parametrize(
    ("scenario", "error", "code"),
    [
        ('keys = ["another"]', openai.AuthenticationError, "invalid_api_key"),
        ('[models."*"]\nlimits = { rpm = 2 }', openai.RateLimitError, "rate_limit_exceeded"),
        ('[models."*"]\nfaults = [{ fault = "status", status = 500 }]', openai.InternalServerError, None),
    ],
)
def test_refusals_have_openais_words(scenario: str, error: type[openai.APIStatusError], code: str | None) -> None:
    async def act(client: openai.AsyncOpenAI) -> Any:
        with pytest.raises(error) as caught:
            for _ in range(5):
                await client.responses.create(model="m", input=QUESTION)
        return caught.value

    assert with_client(act, parse_scenario(scenario)).code == code


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_not_found"),
        ({"background": True}, "unsupported_parameter"),
        ({"input": [{"type": "item_reference", "id": "rs_1"}]}, "item_not_found"),
        ({"input": []}, "invalid_type"),
    ],
)
def test_what_would_need_a_memory_is_refused(asked: Any, code: str) -> None:
    async def act(client: openai.AsyncOpenAI) -> Any:
        with pytest.raises(openai.APIStatusError) as caught:
            await client.responses.create(**{"model": "m", "input": QUESTION, **asked})
        return caught.value

    assert with_client(act).code == code


def test_an_error_in_a_stream_is_raised() -> None:
    async def act(client: openai.AsyncOpenAI) -> None:
        with pytest.raises(openai.APIError):
            async for _ in await client.responses.create(model="m", input=QUESTION, stream=True):
                pass

    with_client(act, faulty("stream_error"))


def test_a_deployment_of_azure_is_asked_under_v1() -> None:
    async def main() -> Any:
        async with serving("") as (simulator, port):
            url = f"http://127.0.0.1:{port}/azure/openai/v1"
            async with openai.AsyncOpenAI(base_url=url, api_key=KEY, max_retries=0) as client:
                answer = await client.responses.create(model="mine", input=QUESTION)
            (entry,) = simulator.ledger.rows()
            assert (entry["model"], entry["key"]) == ("mine", KEY)
            return answer

    assert on_loop(main()).output_text.endswith(QUESTION)
