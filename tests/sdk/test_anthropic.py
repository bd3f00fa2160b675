"""Anthropic's own client gets valid, typed answers and its own typed errors from the simulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import pytest
from pydantic import BaseModel
from tests.sdk.given import FUNCTIONS, KEY, MESSAGES, PNG, QUESTION, SCHEMA, always, server, valid

from penstock.simulator.scenario import Scenario

TOOLS: Any = [{"name": name, "input_schema": SCHEMA} for name in FUNCTIONS]
ASKED: dict[str, Any] = {"model": "claude-sim", "max_tokens": 500, "messages": MESSAGES}


class Town(BaseModel):
    city: str
    people: int


@contextmanager
def asking(scenario: Scenario | str = "") -> Iterator[anthropic.Anthropic]:
    with (
        server(scenario) as url,
        anthropic.Anthropic(base_url=f"{url}/anthropic", api_key=KEY, max_retries=0) as client,
    ):
        yield client


def message(scenario: Scenario | str = "", **more: Any) -> Any:
    with asking(scenario) as client:
        return valid(client.messages.create(**{**ASKED, **more}))


def stream(scenario: Scenario | str = "", **more: Any) -> Any:
    """The whole that the client itself makes of a stream."""
    with asking(scenario) as client:
        for event in client.messages.create(**{**ASKED, **more}, stream=True):
            valid(event)
        with client.messages.stream(**{**ASKED, **more}) as events:
            return valid(events.get_final_message())


def said(answer: Any, kind: str) -> list[Any]:
    return [block for block in answer.content if block.type == kind]


@pytest.mark.parametrize("ask", [message, stream])
def test_a_question_is_answered(ask: Any) -> None:
    answer = ask(system="Be short.")
    assert said(answer, "text")[0].text.endswith(QUESTION)
    assert answer.stop_reason == "end_turn"
    assert min(answer.usage.input_tokens, answer.usage.output_tokens) > 0


@pytest.mark.parametrize("ask", [message, stream])
def test_several_tools_are_called_at_once(ask: Any) -> None:
    answer = ask('[models."*"]\ntool_calls = 2', tools=TOOLS, tool_choice={"type": "any"})
    calls = said(answer, "tool_use")
    assert [call.name for call in calls] == list(FUNCTIONS)
    assert all({"city", "people"} == set(call.input) for call in calls)
    assert (len({call.id for call in calls}), answer.stop_reason) == (2, "tool_use")


def test_a_result_of_a_tool_is_taken() -> None:
    call = {"type": "tool_use", "id": "c", "name": "weather", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "rain"}]}
    asked = [*MESSAGES, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    assert message(messages=asked, tools=TOOLS).stop_reason == "end_turn"


def test_a_schema_is_kept_to() -> None:
    with asking() as client:
        answer = client.messages.parse(**ASKED, output_format=Town)
    assert isinstance(answer.parsed_output, Town)


def test_an_image_and_a_document_are_taken() -> None:
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
    paper = {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}}
    content = [picture, paper, {"type": "text", "text": QUESTION}]
    assert message(messages=[{"role": "user", "content": content}]).usage.input_tokens > 160


@pytest.mark.parametrize("ask", [message, stream])
def test_thoughts_come_before_the_answer(ask: Any) -> None:
    budget = {"type": "enabled", "budget_tokens": 1024}
    answer = ask('[models."*"]\nreasoning_tokens = 7', thinking=budget, max_tokens=2000)
    assert [block.type for block in answer.content] == ["thinking", "text"]
    assert len(answer.content[0].thinking) == 28


@pytest.mark.parametrize("ask", [message, stream])
def test_an_answer_cut_short_says_so(ask: Any) -> None:
    assert ask(max_tokens=2).stop_reason == "max_tokens"


@pytest.mark.parametrize("ask", [message, stream])
def test_a_filtered_answer_says_so(ask: Any) -> None:
    assert ask(always("content_filter")).stop_reason == "refusal"


ERRORS = {
    400: anthropic.BadRequestError,
    401: anthropic.AuthenticationError,
    403: anthropic.PermissionDeniedError,
    404: anthropic.NotFoundError,
    413: anthropic.APIStatusError,
    429: anthropic.RateLimitError,
    500: anthropic.InternalServerError,
    503: anthropic.InternalServerError,
    529: anthropic.InternalServerError,
}
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


@pytest.mark.parametrize(("status", "error"), ERRORS.items())
@pytest.mark.parametrize("streamed", [False, True])
def test_each_status_is_its_error(status: int, error: type[anthropic.APIStatusError], streamed: bool) -> None:
    with asking(always("status", status=status)) as client, pytest.raises(error) as raised:
        client.messages.create(**ASKED, stream=streamed)
    body: Any = raised.value.body
    assert (raised.value.status_code, body["type"]) == (status, "error")
    assert body["error"]["type"] == TYPES.get(status, "api_error")


def test_an_error_in_a_stream_is_raised() -> None:
    with (
        asking(always("stream_error", message="boom")) as client,
        pytest.raises(anthropic.APIStatusError, match="boom"),
        client.messages.stream(**ASKED) as events,
    ):
        events.until_done()


def test_models_are_listed() -> None:
    with asking("[models.mine]") as client:
        assert "mine" in [valid(model).id for model in client.models.list()]


def test_claude_on_bedrock_and_vertex_is_the_same() -> None:
    with server() as url:
        bedrock = anthropic.AnthropicBedrock(
            base_url=f"{url}/bedrock", aws_access_key="AK", aws_secret_key="no", aws_region="us-east-1", max_retries=0
        )
        vertex = anthropic.AnthropicVertex(
            base_url=f"{url}/vertex/v1", access_token="no", project_id="p", region="us-east5", max_retries=0
        )
        with bedrock, vertex:
            for client, model in ((bedrock, "anthropic.claude-sim-v1:0"), (vertex, "claude-sim@20250929")):
                whole = valid(client.messages.create(**{**ASKED, "model": model}))
                with client.messages.stream(**{**ASKED, "model": model}) as events:
                    assert events.get_final_message().content[0].text == whole.content[0].text
