"""The server half: what a client of the Messages API asks, and how it is answered in Anthropic's own shape."""

import json

import pytest
from tests.wire.anthropic_given import BASES, asking, codec, streamed

from penstock.call import (
    Choice,
    Completion,
    Finished,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    Usage,
    UsageUpdate,
)
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.wire.anthropic.words import encrypted_thought, signed_thought

URL = "https://api.example.org/v1/messages"
LEAST = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "?"}]}


def heard(**said):
    return codec().decode_request(WireRequest("POST", URL, {}, json.dumps({**LEAST, **said}).encode()))


@pytest.mark.parametrize(
    ("said", "body"),
    [
        ({"stop_sequences": ["END"]}, {"stop": ["END"]}),
        ({"metadata": {"user_id": "u"}}, {"user": "u"}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, {"reasoning_effort": "low"}),
        ({"thinking": {"type": "enabled", "budget_tokens": 60_000}}, {"reasoning_effort": "xhigh"}),
        ({"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, {"reasoning_effort": "low"}),
        ({"tool_choice": {"type": "any", "disable_parallel_tool_use": True}}, {"parallel_tool_calls": False}),
        (
            {"tool_choice": {"type": "tool", "name": "f"}},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        ({"tool_choice": {"type": "none"}}, {"tool_choice": "none"}),
        ({"top_k": 5, "container": "c"}, {"top_k": 5, "container": "c"}),
        (
            {"tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}]},
            {
                "tools": [
                    {
                        "type": "function",
                        "function": {"name": "f", "description": "d", "parameters": {"type": "object"}},
                    }
                ]
            },
        ),
        (
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
            {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        ),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "structured_answer", "schema": {"type": "object"}, "strict": True},
                }
            },
        ),
    ],
    ids=lambda value: next(iter(value)),
)
def test_parameters_are_read_in_openais_words(said, body):
    call = heard(**said)
    assert {name: call.body.get(name) for name in body} == body


def test_results_of_tools_are_messages_of_their_own():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    results = [
        {"type": "tool_result", "tool_use_id": "t1", "content": "Sun", "is_error": True},
        {"type": "tool_result", "tool_use_id": "t2", "content": [{"type": "text", "text": "x"}, image]},
        {"type": "tool_result", "tool_use_id": "t3"},
        {"type": "text", "text": "And now?"},
    ]
    assert heard(messages=[{"role": "user", "content": results}]).body["messages"] == [
        {"role": "tool", "tool_call_id": "t1", "content": "Sun", "is_error": True},
        {
            "role": "tool",
            "tool_call_id": "t2",
            "content": [
                {"type": "text", "text": "x"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {"role": "tool", "tool_call_id": "t3", "content": ""},
        {"role": "user", "content": "And now?"},
    ]


def test_a_last_message_of_the_assistant_is_to_be_continued():
    assert heard(messages=[*LEAST["messages"], {"role": "assistant", "content": "1 2"}]).prefill is True
    assert heard().prefill is False


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater"),
        ({"max_tokens": True}, "max_tokens"),
        ({"model": None}, "model: Field required"),
        ({"messages": None}, "messages: Field required"),
        ({"messages": []}, "at least one message"),
        ({"messages": [{"role": "system", "content": "x"}]}, "Unexpected role"),
        ({"messages": [{"role": "user"}]}, "content: Field required"),
        ({"stream": "yes"}, "valid boolean"),
        ({"tools": {}}, "tools"),
        ({"tool_choice": {"type": "perhaps"}}, "tool_choice"),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "budget_tokens"),
    ],
)
def test_a_malformed_request_is_refused_in_anthropics_words(said, why):
    with pytest.raises(CallError, match=why) as raised:
        heard(**said)
    reply = codec().encode_error(raised.value)
    assert reply.status == 400
    assert json.loads(reply.body)["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [("POST", "https://api.example.org/v1/messages/batches", 404), ("GET", URL, 405)],
)
def test_other_paths_and_methods_are_refused(method, url, status):
    with pytest.raises(CallError) as raised:
        codec().decode_request(WireRequest(method, url, {}, b"{}"))
    assert codec().encode_error(raised.value).status == status


@pytest.mark.parametrize("form", sorted(BASES))
def test_a_models_name_survives_its_place_in_the_url(form):
    name = "us.anthropic.claude-x@2025:0/é"
    request = codec(form).encode_request(asking(), name, stream=True)
    assert request.url.isascii()
    assert codec(form).decode_request(request).model == name


def test_an_answer_says_what_a_message_of_anthropic_says():
    thought = [signed_thought(0, "2+2", "c2ln"), encrypted_thought(1, "eA==")]
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a":  1}'}}
    message = {"role": "assistant", "content": "4", "reasoning_details": thought, "tool_calls": [call]}
    usage = Usage(17, 7, 5, 3, 2)
    completion = Completion(choices=(Choice(message, "tool_calls"),), usage=usage, model="m", id="msg_1")
    reply = codec().encode_reply(completion)
    said = json.loads(reply.body)
    assert [block["type"] for block in said["content"]] == ["thinking", "redacted_thinking", "text", "tool_use"]
    assert (said["type"], said["role"], said["stop_reason"]) == ("message", "assistant", "tool_use")
    assert said["usage"]["input_tokens"] == 10
    assert b'{"a":  1}' in reply.body
    assert codec().decode_reply(asking(), reply).usage == usage


def test_arguments_that_are_no_object_are_wrapped_in_one():
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}
    completion = Completion(choices=(Choice({"role": "assistant", "tool_calls": [call]}, "length"),))
    said = json.loads(codec().encode_reply(completion).body)
    assert said["content"][0]["input"] == {"INVALID_JSON": '{"a": '}
    assert said["stop_reason"] == "max_tokens"


def stream_of(*events) -> bytes:
    encoder = codec().encoder(asking(), model="m", id="msg_1")
    return encoder.feed(list(events)) + encoder.end()


def kinds_in(stream: bytes) -> list[str]:
    return [line.removeprefix(b"event: ").decode() for line in stream.split(b"\n") if line.startswith(b"event: ")]


def test_a_stream_has_a_beginning_blocks_and_an_end():
    stream = stream_of(UsageUpdate(Usage(5, 1)), Started("m"), ReasoningDelta("2+2"), TextDelta("4"), Finished("stop"))
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    assert kinds_in(stream) == ["message_start", *block, *block, "message_delta", "message_stop"]
    assert b'"input_tokens":5' in stream.split(b"\n\n")[0]


def test_a_stream_that_said_nothing_still_begins_and_ends():
    assert kinds_in(stream_of(Started("m"), Finished("length"))) == ["message_start", "message_delta", "message_stop"]


def test_signed_thoughts_survive_a_stream():
    thoughts = [signed_thought(0, "2+2", "c2ln"), encrypted_thought(1, "eA==")]
    parts = [PartDelta({"reasoning_details": [thought]}) for thought in thoughts]
    said_before = streamed(stream_of(Started("m"), ReasoningDelta("2+2"), *parts, TextDelta("4"), Finished("stop")))
    said_whole = streamed(stream_of(Started("m"), *parts, TextDelta("4"), Finished("stop")))
    assert said_before.message == said_whole.message
    assert said_before.message["reasoning_details"] == thoughts
    assert said_before.message["reasoning_content"] == "2+2"


def test_a_refusal_is_told_in_the_stop_details():
    answer = streamed(stream_of(Started("m"), RefusalDelta("Not "), RefusalDelta("this."), Finished("stop")))
    assert (answer.message["refusal"], answer.finish) == ("Not this.", "content_filter")


def test_only_the_first_choice_is_said():
    answer = streamed(
        stream_of(Started("m"), TextDelta("a"), TextDelta("b", 1), Finished("stop"), Finished("length", None, 1))
    )
    assert (answer.text, answer.finish) == ("a", "stop")
