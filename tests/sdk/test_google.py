"""Google's own client gets valid, typed answers and its own typed errors from the simulator."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel
from tests.sdk.given import FUNCTIONS, KEY, PNG, QUESTION, SCHEMA, always, server, valid

from penstock.simulator.scenario import Scenario

DECLARED = [types.FunctionDeclaration(name=name, parameters_json_schema=SCHEMA) for name in FUNCTIONS]
TOOLS = [types.Tool(function_declarations=DECLARED)]
ANY = types.ToolConfig(function_calling_config=types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY))
OFF = types.AutomaticFunctionCallingConfig(disable=True)


class Town(BaseModel):
    city: str
    people: int


@contextmanager
def asking(scenario: Scenario | str = "") -> Iterator[genai.Client]:
    with server(scenario) as url:
        client = genai.Client(api_key=KEY, vertexai=False, http_options=types.HttpOptions(base_url=f"{url}/gemini"))
        try:
            yield client
        finally:
            client.close()


def whole(scenario: Scenario | str = "", contents: Any = QUESTION, **config: Any) -> list[Any]:
    with asking(scenario) as client:
        made = types.GenerateContentConfig(**config)
        return [valid(client.models.generate_content(model="m", contents=contents, config=made))]


def stream(scenario: Scenario | str = "", contents: Any = QUESTION, **config: Any) -> list[Any]:
    with asking(scenario) as client:
        made = types.GenerateContentConfig(**config)
        pieces = client.models.generate_content_stream(model="m", contents=contents, config=made)
        return [valid(piece) for piece in pieces]


def parts(pieces: list[Any]) -> list[types.Part]:
    contents = [piece.candidates[0].content for piece in pieces if piece.candidates]
    return [part for content in contents if content is not None for part in content.parts or ()]


def text(pieces: list[Any]) -> str:
    return "".join(part.text for part in parts(pieces) if part.text and not part.thought)


def ending(pieces: list[Any]) -> Any:
    return pieces[-1].candidates[0].finish_reason


@pytest.mark.parametrize("ask", [whole, stream])
def test_a_question_is_answered(ask: Any) -> None:
    pieces = ask(system_instruction="Be short.", temperature=0.5)
    assert text(pieces).endswith(QUESTION)
    assert ending(pieces) is types.FinishReason.STOP
    usage = pieces[-1].usage_metadata
    assert usage.total_token_count == usage.prompt_token_count + usage.candidates_token_count


@pytest.mark.parametrize("ask", [whole, stream])
def test_several_functions_are_called_at_once(ask: Any) -> None:
    pieces = ask('[models."*"]\ntool_calls = 2', tools=TOOLS, tool_config=ANY, automatic_function_calling=OFF)
    calls = [part.function_call for part in parts(pieces) if part.function_call]
    assert [call.name for call in calls] == list(FUNCTIONS)
    assert all({"city", "people"} == set(call.args or ()) for call in calls)


def test_a_result_of_a_function_is_taken() -> None:
    contents = [
        types.Content(role="user", parts=[types.Part(text=QUESTION)]),
        types.Content(role="model", parts=[types.Part.from_function_call(name="weather", args={})]),
        types.Content(role="user", parts=[types.Part.from_function_response(name="weather", response={"sky": "grey"})]),
    ]
    assert ending(whole(contents=contents, tools=TOOLS)) is types.FinishReason.STOP


def test_a_schema_is_kept_to() -> None:
    (answer,) = whole(response_mime_type="application/json", response_schema=Town)
    assert isinstance(answer.parsed, Town)


def test_an_image_is_taken() -> None:
    image = types.Part.from_bytes(data=base64.b64decode(PNG), mime_type="image/png")
    (answer,) = whole(contents=[image, QUESTION])
    assert answer.usage_metadata.prompt_token_count > 80


@pytest.mark.parametrize("ask", [whole, stream])
def test_thoughts_come_before_the_answer(ask: Any) -> None:
    pieces = ask('[models."*"]\nreasoning_tokens = 7', thinking_config=types.ThinkingConfig(include_thoughts=True))
    thoughts = [part.text or "" for part in parts(pieces) if part.thought]
    assert len("".join(thoughts)) == 28
    assert text(pieces).startswith("sim:")
    assert pieces[-1].usage_metadata.thoughts_token_count == 7


@pytest.mark.parametrize("ask", [whole, stream])
def test_an_answer_cut_short_says_so(ask: Any) -> None:
    assert ending(ask(max_output_tokens=2)) is types.FinishReason.MAX_TOKENS


@pytest.mark.parametrize("ask", [whole, stream])
def test_a_filtered_answer_says_so(ask: Any) -> None:
    assert ending(ask(always("content_filter"))) is types.FinishReason.SAFETY


def test_vectors_come_in_order() -> None:
    with asking() as client:
        config = types.EmbedContentConfig(output_dimensionality=4)
        both = valid(client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"], config=config))
        last = client.models.embed_content(model="gemini-embedding-001", contents="b", config=config)
    assert [len(one.values) for one in both.embeddings] == [4, 4]
    assert both.embeddings[1].values == last.embeddings[0].values


ERRORS = {
    400: (errors.ClientError, "INVALID_ARGUMENT"),
    401: (errors.ClientError, "UNAUTHENTICATED"),
    403: (errors.ClientError, "PERMISSION_DENIED"),
    404: (errors.ClientError, "NOT_FOUND"),
    429: (errors.ClientError, "RESOURCE_EXHAUSTED"),
    500: (errors.ServerError, "INTERNAL"),
    503: (errors.ServerError, "UNAVAILABLE"),
    529: (errors.ServerError, "UNKNOWN"),
}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("ask", [whole, stream])
def test_each_status_is_its_error(status: int, ask: Any) -> None:
    error, word = ERRORS[status]
    with pytest.raises(error) as raised:
        ask(always("status", status=status))
    assert (raised.value.code, raised.value.status) == (status, word)


def test_an_error_in_a_stream_is_raised() -> None:
    with pytest.raises(errors.ServerError, match="boom"):
        stream(always("stream_error", message="boom"))


def test_vertex_is_asked_at_its_own_address() -> None:
    with server() as url:
        options = types.HttpOptions(base_url=f"{url}/vertex")
        client = genai.Client(vertexai=True, api_key=KEY, http_options=options)
        try:
            answer = valid(client.models.generate_content(model="m", contents=QUESTION))
        finally:
            client.close()
    assert answer.text.endswith(QUESTION)
