"""OpenAI's own client gets valid, typed answers and its own typed errors from the simulator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from tests.sdk.given import FUNCTIONS, KEY, MESSAGES, PNG, QUESTION, SCHEMA, always, server, valid

from penstock.simulator.scenario import Scenario

TOOLS: Any = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in FUNCTIONS]


class Town(BaseModel):
    city: str
    people: int


@contextmanager
def asking(scenario: Scenario | str = "") -> Iterator[openai.OpenAI]:
    with server(scenario) as url, openai.OpenAI(base_url=f"{url}/openai/v1", api_key=KEY, max_retries=0) as client:
        yield client


def chat(scenario: Scenario | str = "", **more: Any) -> Any:
    with asking(scenario) as client:
        return valid(client.chat.completions.create(**{"model": "m", "messages": MESSAGES, **more}))


def stream(scenario: Scenario | str = "", **more: Any) -> Any:
    """The whole that the client itself makes of a stream."""
    with asking(scenario) as client:
        options = {"stream_options": {"include_usage": True}, "model": "m", "messages": MESSAGES, **more}
        with client.chat.completions.stream(**options) as events:
            for event in events:
                if event.type == "chunk":
                    valid(event.chunk)
            return events.get_final_completion()


@pytest.mark.parametrize("ask", [chat, stream])
def test_a_question_is_answered(ask: Any) -> None:
    answer = ask()
    assert answer.choices[0].message.content.endswith(QUESTION)
    assert (answer.choices[0].finish_reason, answer.usage.prompt_tokens) == ("stop", 5)


@pytest.mark.parametrize("ask", [chat, stream])
def test_several_tools_are_called_at_once(ask: Any) -> None:
    answer = ask('[models."*"]\ntool_calls = 2', tools=TOOLS, tool_choice="required")
    calls = answer.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == list(FUNCTIONS)
    assert all({"city", "people"} == set(json.loads(call.function.arguments)) for call in calls)
    assert (len({call.id for call in calls}), answer.choices[0].finish_reason) == (2, "tool_calls")


def test_a_result_of_a_tool_is_taken() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    said = [
        *MESSAGES,
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "!"},
    ]
    assert chat(messages=said, tools=TOOLS).choices[0].message.content.endswith(QUESTION)


def test_a_schema_is_kept_to() -> None:
    with asking() as client:
        answer = client.chat.completions.parse(model="m", messages=MESSAGES, response_format=Town)
    assert isinstance(answer.choices[0].message.parsed, Town)


def test_an_image_is_taken() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    answer = chat(messages=[{"role": "user", "content": [{"type": "text", "text": QUESTION}, image]}])
    assert answer.usage.prompt_tokens > 80


@pytest.mark.parametrize("ask", [chat, stream])
def test_reasoning_is_counted(ask: Any) -> None:
    usage = ask('[models."*"]\nreasoning_tokens = 7', reasoning_effort="low").usage
    assert usage.completion_tokens_details.reasoning_tokens == 7
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


ENDINGS = [
    ("length", "", {"max_completion_tokens": 2}, openai.LengthFinishReasonError),
    ("content_filter", always("content_filter"), {}, openai.ContentFilterFinishReasonError),
]


@pytest.mark.parametrize(("finish", "scenario", "more", "error"), ENDINGS)
def test_an_answer_that_is_none_in_full_says_so(finish: str, scenario: Any, more: Any, error: Any) -> None:
    assert chat(scenario, **more).choices[0].finish_reason == finish
    with pytest.raises(error):
        stream(scenario, **more)


@pytest.mark.parametrize("form", ["float", "base64", None])
def test_vectors_come_in_order(form: Any) -> None:
    with asking() as client:
        chosen = {} if form is None else {"encoding_format": form}
        answer = client.embeddings.create(model="m", input=["a", "b"], dimensions=4, **chosen)
    if form != "base64":  # which the client's types don't know
        valid(answer)
    assert [one.index for one in answer.data] == [0, 1]
    assert answer.usage.prompt_tokens == 2


def test_a_text_is_completed() -> None:
    with asking() as client:
        assert valid(client.completions.create(model="m", prompt="Once")).choices[0].text.endswith("Once")
        pieces = client.completions.create(model="m", prompt="Once", stream=True)
        assert "".join(piece.choices[0].text for piece in pieces if piece.choices).endswith("Once")


ERRORS = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    403: openai.PermissionDeniedError,
    404: openai.NotFoundError,
    409: openai.ConflictError,
    422: openai.UnprocessableEntityError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    503: openai.InternalServerError,
    529: openai.InternalServerError,
}


@pytest.mark.parametrize(("status", "error"), ERRORS.items())
@pytest.mark.parametrize("streamed", [False, True])
def test_each_status_is_its_error(status: int, error: type[openai.APIStatusError], streamed: bool) -> None:
    with asking(always("status", status=status)) as client, pytest.raises(error) as raised:
        client.chat.completions.create(model="m", messages=MESSAGES, stream=streamed)
    assert isinstance(raised.value.body, dict)
    assert raised.value.body["message"] in raised.value.message


def test_an_error_in_a_stream_is_raised() -> None:
    with asking(always("stream_error", message="boom")) as client, pytest.raises(openai.APIError, match="boom"):
        list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
