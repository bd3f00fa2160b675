"""The exam for codecs, and the way of any call and answer through the server half and back."""

import json
import random
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.exam import json_of
from tests.wire.responses_given import BASE, asking, codec

from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.testing.exam_codec import (
    check_chunking,
    check_mutated,
    check_reply,
    check_stream,
    exercise_codec,
    sample_completion,
)
from penstock.wire.calls import with_ids

IDS = st.text("abcXYZ019_-", min_size=1, max_size=12)
SAID = st.text(min_size=1, max_size=30)
PARTS = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, SAID)
    | st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}})
    | st.just({"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}})
    | st.just({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}})
    | st.just({"type": "file", "file": {"file_data": "https://example.org/a.pdf"}})
    | st.just({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}),
    min_size=1,
    max_size=3,
)
CALLS = st.builds(
    lambda id_, arguments: {
        "id": id_,
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps(arguments)},
    },
    IDS,
    st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=5), max_size=3),
)


def thoughts(said):
    """The details of thoughts, one for each text: encrypted, with its id."""
    named = {"type": "reasoning.encrypted", "format": "openai-responses-v1"}
    return [{**named, "index": index, "id": f"rs_{index}", "data": text} for index, text in enumerate(said)]


@st.composite
def conversations(draw):
    """Turns as OpenAI's clients write them: every call of a tool is answered, and the user speaks last."""
    messages = [{"role": draw(st.sampled_from(["system", "developer"])), "content": draw(SAID)}]
    for _ in range(draw(st.integers(0, 2))):
        messages.append({"role": "user", "content": draw(SAID | PARTS)})
        calls = draw(st.lists(CALLS, max_size=2))
        answer = {"role": "assistant", "content": draw(st.none() | SAID) if calls else draw(SAID)}
        if calls:
            answer["tool_calls"] = calls
        details = thoughts(draw(st.lists(SAID, max_size=2)))
        if details:
            answer["reasoning_details"] = details
        messages.append(answer)
        messages += [{"role": "tool", "tool_call_id": call["id"], "content": draw(SAID | PARTS)} for call in calls]
    return [*messages, {"role": "user", "content": draw(SAID | PARTS)}]


TOOLS = st.just([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}])
SCHEMA = {"name": "s", "schema": {"type": "object"}, "strict": True}
BODIES = st.fixed_dictionaries(
    {"messages": conversations()},
    optional={
        "max_completion_tokens": st.integers(1, 9000),
        "temperature": st.sampled_from([0, 0.5, 1]),
        "top_p": st.just(0.9),
        "stop": st.lists(SAID, min_size=1, max_size=2),
        "user": IDS,
        "tools": TOOLS,
        "tool_choice": st.sampled_from(["auto", "required", {"type": "function", "function": {"name": "f"}}]),
        "parallel_tool_calls": st.booleans(),
        "reasoning_effort": st.sampled_from(["minimal", "high"]),
        "reasoning": st.just({"summary": "auto"}),
        "verbosity": st.just("low"),
        "response_format": st.sampled_from([{"type": "json_object"}, {"type": "json_schema", "json_schema": SCHEMA}]),
        "logprobs": st.just(True),
        "metadata": st.just({"a": "b"}),
        "store": st.just(True),
        "max_tool_calls": st.just(3),
        "brand_new": st.just("an unknown parameter"),
    },
)


@pytest.mark.parametrize("model", ["gpt-4o-mini", "gpt-5"])
def test_it_passes_the_exam(model):
    exercise_codec(codec(), kinds=("chat",), model=model, seed=7, rounds=15, most_choices=1)


@given(body=BODIES, model=st.sampled_from(["m:1", "gpt-5"]), stream=st.booleans())
def test_any_call_arrives_as_it_was_made(body, model, stream):
    heard = codec().decode_request(codec().encode_request(asking(**body), model, stream=stream))
    assert (heard.model, heard.stream, heard.kind) == (model, stream, "chat")
    assert {name: heard.body.get(name) for name in body} == {**body, "messages": with_ids(body["messages"])}


@given(seed=st.integers())
def test_any_answer_survives_the_wire_whole_and_streamed(seed):
    completion = sample_completion(random.Random(seed), "chat", "m", most_choices=1)
    check_reply(codec(), asking(), completion)
    check_stream(codec(), asking(), completion)


@given(seed=st.integers(), data=st.data())
def test_a_stream_means_the_same_in_any_pieces(seed, data):
    completion = sample_completion(random.Random(seed), "chat", "m", most_choices=1)
    stream = check_stream(codec(), asking(), completion)
    check_chunking(codec(), asking(), stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=9)))


@given(data=st.binary(max_size=200))
def test_noise_raises_nothing_but_call_errors(data):
    check_mutated(codec(), asking(), data)
    with suppress(CallError):
        codec().decode_request(WireRequest("POST", f"{BASE}/responses", {}, data))


NAMES = [
    *("type", "delta", "output_index", "item_id", "item", "response", "output", "error", "content", "text", "id"),
    *("refusal", "summary", "encrypted_content", "call_id", "name", "arguments", "input", "status", "usage", "result"),
    *("incomplete_details", "reason", "logprobs", "annotations", "annotation", "input_tokens", "output_tokens"),
    *("output_tokens_details", "reasoning_tokens", "total_tokens", "model", "created_at", "summary_index", "code"),
    *("role", "tools", "tool_choice", "format", "reasoning", "effort", "include", "instructions", "image_url"),
]
WORDS = [
    *("response.created", "response.output_item.added", "response.output_item.done", "response.output_text.delta"),
    *("response.function_call_arguments.delta", "response.function_call_arguments.done", "response.refusal.delta"),
    *("response.reasoning_text.delta", "response.reasoning_summary_text.delta", "response.completed", "error"),
    *("response.output_text.annotation.added", "response.incomplete", "response.failed", "response.in_progress"),
    *("message", "function_call", "custom_tool_call", "reasoning", "output_text", "refusal", "summary_text"),
    *("image_generation_call", "function_call_output", "input_text", "input_image", "input_file", "url_citation"),
    *("completed", "incomplete", "failed", "user", "assistant", "system", "json_schema", "function", "allowed_tools"),
]
JSON = json_of(NAMES, WORDS)


@given(events=st.lists(JSON, max_size=5))
def test_any_json_is_an_answer_or_a_call_error(events):
    for event in events:
        check_mutated(codec(), asking(), json.dumps(event).encode())
        check_mutated(codec(), asking(), json.dumps({"output": events, "response": event}).encode())
    stream = b"".join([b"data: %b\n\n" % json.dumps(event).encode() for event in events])
    check_mutated(codec(), asking(), stream)
    check_chunking(codec(), asking(), stream, range(0, len(stream), 7))


@given(body=JSON, asked=JSON, rest=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4))
def test_any_json_is_a_request_or_a_call_error(body, asked, rest):
    for said in (body, {**rest, "model": "m", "input": asked}, {**rest, "model": "m", "input": [asked]}):
        with suppress(CallError):
            heard = codec().decode_request(WireRequest("POST", f"{BASE}/responses", {}, json.dumps(said).encode()))
            codec().encode_request(heard, "m", stream=False)


ASKED = [
    *("role", "content", "tool_calls", "tool_call_id", "function", "custom", "arguments", "name", "type", "text"),
    *("image_url", "url", "file", "file_data", "refusal", "reasoning_details", "format", "index", "data", "id"),
    *("position", "json_schema", "allowed_tools", "tools", "user_location", "approximate", "effort"),
]
SETTINGS = [
    *("tools", "tool_choice", "response_format", "reasoning_effort", "reasoning", "text", "verbosity", "include"),
    *("stop", "n", "logit_bias", "max_tokens", "functions", "audio", "modalities", "web_search_options", "logprobs"),
    *("stream_options", "store", "seed"),
]
KINDS = st.sampled_from(["user", "assistant", "system", "tool", "function", "custom", "text", "image_url", "file"])
NEUTRAL = st.recursive(
    st.none() | st.booleans() | st.integers(0, 5000) | KINDS | st.just("openai-responses-v1") | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(ASKED), inner, max_size=5),
    max_leaves=20,
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": KINDS}, optional=dict.fromkeys(ASKED[1:16], NEUTRAL)), min_size=1, max_size=3
)


@given(messages=MESSAGES | NEUTRAL, settings=st.dictionaries(st.sampled_from(SETTINGS), NEUTRAL, max_size=4))
def test_any_call_is_said_or_refused(messages, settings):
    with suppress(CallError):
        codec().encode_request(asking(**{**settings, "messages": messages}), "gpt-5", stream=True)
