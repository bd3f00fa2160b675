"""AWS's own client gets valid, typed answers and its own typed errors from the simulator's Bedrock."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EventStreamError
from tests.sdk.given import FUNCTIONS, PNG, QUESTION, SCHEMA, always, server

from penstock.simulator.scenario import Scenario

MESSAGES: Any = [{"role": "user", "content": [{"text": QUESTION}]}]
TOOLS: Any = [{"toolSpec": {"name": name, "inputSchema": {"json": SCHEMA}}} for name in FUNCTIONS]
MODEL = "us.amazon.nova-micro-v1:0"
ONCE = Config(retries={"max_attempts": 0})
SESSION = boto3.Session(aws_access_key_id="AKIDTEST", aws_secret_access_key="no", region_name="us-east-1")


@contextmanager
def asking(scenario: Scenario | str = "") -> Iterator[Any]:
    with server(scenario) as url:
        client = SESSION.client("bedrock-runtime", endpoint_url=f"{url}/bedrock", config=ONCE)
        try:
            yield client
        finally:
            client.close()


def whole(scenario: Scenario | str = "", **more: Any) -> dict[str, Any]:
    with asking(scenario) as client:
        return dict(client.converse(**{"modelId": MODEL, "messages": MESSAGES, **more}))


def stream(scenario: Scenario | str = "", **more: Any) -> dict[str, Any]:
    """A stream's events, put together into what `converse` would have said."""
    blocks: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {}
    with asking(scenario) as client:
        events = client.converse_stream(**{"modelId": MODEL, "messages": MESSAGES, **more})["stream"]
        with closing(events):
            for event in events:
                ((kind, said),) = event.items()
                if kind == "contentBlockStart":
                    blocks[said["contentBlockIndex"]] = {"toolUse": {**said["start"]["toolUse"], "input": ""}}
                elif kind == "contentBlockDelta":
                    _grow(blocks.setdefault(said["contentBlockIndex"], {}), said["delta"])
                elif kind in ("messageStop", "metadata"):
                    answer |= said
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    content = [block for _, block in sorted(blocks.items())]
    return {**answer, "output": {"message": {"role": "assistant", "content": content}}}


def _grow(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if "toolUse" in delta:
        block["toolUse"]["input"] += delta["toolUse"]["input"]
    elif "reasoningContent" in delta:
        thought = block.setdefault("reasoningContent", {}).setdefault("reasoningText", {"text": ""})
        thought["text"] += delta["reasoningContent"].get("text", "")
    else:
        block["text"] = block.get("text", "") + delta["text"]


def content(answer: dict[str, Any], kind: str) -> list[Any]:
    return [block[kind] for block in answer["output"]["message"]["content"] if kind in block]


@pytest.mark.parametrize("ask", [whole, stream])
def test_a_question_is_answered(ask: Any) -> None:
    answer = ask(system=[{"text": "Be short."}], inferenceConfig={"maxTokens": 500, "temperature": 0.5})
    assert content(answer, "text")[0].endswith(QUESTION)
    usage = answer["usage"]
    assert usage["totalTokens"] == usage["inputTokens"] + usage["outputTokens"] > 10
    assert answer["stopReason"] == "end_turn"


@pytest.mark.parametrize("ask", [whole, stream])
def test_several_tools_are_called_at_once(ask: Any) -> None:
    answer = ask('[models."*"]\ntool_calls = 2', toolConfig={"tools": TOOLS, "toolChoice": {"any": {}}})
    calls = content(answer, "toolUse")
    assert [call["name"] for call in calls] == list(FUNCTIONS)
    assert all({"city", "people"} == set(call["input"]) for call in calls)
    assert (len({call["toolUseId"] for call in calls}), answer["stopReason"]) == (2, "tool_use")


def test_a_result_of_a_tool_is_taken() -> None:
    call = {"toolUse": {"toolUseId": "c", "name": "weather", "input": {}}}
    result = {"toolResult": {"toolUseId": "c", "content": [{"json": {"sky": "grey"}}]}}
    asked = [*MESSAGES, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    assert whole(messages=asked, toolConfig={"tools": TOOLS})["stopReason"] == "end_turn"


def test_a_schema_is_kept_to() -> None:
    structure = {"jsonSchema": {"schema": json.dumps(SCHEMA), "name": "town"}}
    answer = whole(outputConfig={"textFormat": {"type": "json_schema", "structure": structure}})
    assert set(json.loads(content(answer, "text")[0])) == {"city", "people"}


def test_an_image_is_taken() -> None:
    image = {"image": {"format": "png", "source": {"bytes": base64.b64decode(PNG)}}}
    answer = whole(messages=[{"role": "user", "content": [image, {"text": QUESTION}]}])
    assert answer["usage"]["inputTokens"] > 80


@pytest.mark.parametrize("ask", [whole, stream])
def test_thoughts_come_before_the_answer(ask: Any) -> None:
    answer = ask('[models."*"]\nreasoning_tokens = 7')
    assert [next(iter(block)) for block in answer["output"]["message"]["content"]] == ["reasoningContent", "text"]
    assert len(content(answer, "reasoningContent")[0]["reasoningText"]["text"]) == 28


@pytest.mark.parametrize("ask", [whole, stream])
def test_an_answer_cut_short_says_so(ask: Any) -> None:
    assert ask(inferenceConfig={"maxTokens": 2})["stopReason"] == "max_tokens"


@pytest.mark.parametrize("ask", [whole, stream])
def test_a_filtered_answer_says_so(ask: Any) -> None:
    assert ask(always("content_filter"))["stopReason"] == "content_filtered"


def test_vectors_come_for_each_input() -> None:
    with asking() as client:
        titan = client.invoke_model(
            modelId="amazon.titan-embed-text-v2:0", body=json.dumps({"inputText": "a", "dimensions": 256})
        )
        told = json.loads(titan["body"].read())
        body = json.dumps({"texts": ["a", "b"], "input_type": "search_query"})
        cohere = json.loads(client.invoke_model(modelId="cohere.embed-english-v3", body=body)["body"].read())
    assert (len(told["embedding"]), told["inputTextTokenCount"]) == (256, 1)
    assert len(cohere["embeddings"]) == 2


ERRORS = {
    400: "ValidationException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


@pytest.mark.parametrize("status", ERRORS)
@pytest.mark.parametrize("ask", [whole, stream])
def test_each_status_is_its_exception(status: int, ask: Any) -> None:
    with pytest.raises(ClientError) as raised:
        ask(always("status", status=status))
    assert type(raised.value).__name__ == ERRORS[status]
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def test_a_key_that_is_refused_is_told_as_aws_tells_it() -> None:
    with pytest.raises(ClientError) as raised:
        whole('keys = ["another"]')
    assert raised.value.response["Error"]["Code"] == "UnrecognizedClientException"


def test_an_error_in_a_stream_is_raised() -> None:
    with pytest.raises(EventStreamError, match="boom"):
        stream(always("stream_error", message="boom"))


def test_claude_is_invoked_with_its_own_body() -> None:
    body = json.dumps(
        {
            "anthropic_version": "bedrock-2023-05-31",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": QUESTION}],
        }
    )
    with asking() as client:
        told = json.loads(client.invoke_model(modelId="anthropic.claude-sim-v1:0", body=body)["body"].read())
        pieces = client.invoke_model_with_response_stream(modelId="anthropic.claude-sim-v1:0", body=body)["body"]
        events = [json.loads(piece["chunk"]["bytes"]) for piece in pieces]
    text = "".join(event["delta"].get("text", "") for event in events if event["type"] == "content_block_delta")
    assert text == told["content"][0]["text"]
