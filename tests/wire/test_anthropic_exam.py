"""The exam for codecs in each place, and the way of any call and answer through the server half and back."""

import json
import random
from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.anthropic_given import BASES, asking, codec
from tests.wire.exam import json_of

from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.testing.exam_codec import (
    check_chunking,
    check_mutated,
    check_reply,
    check_stream,
    events_of,
    exercise_codec,
    read_stream,
    sample_completion,
)
from penstock.wire.anthropic.messages import tool_id
from penstock.wire.calls import with_ids

FORMS = sorted(BASES)
IDS = st.text("abcXYZ019_-", min_size=1, max_size=12)
TEXTS = st.text(max_size=30)
SAID = st.text(min_size=1, max_size=30)
OBJECTS = st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.booleans() | st.text(max_size=5), max_size=3)
CALLS = st.builds(
    lambda id_, given_: {
        "id": id_,
        "type": "function",
        "function": {"name": "f", "arguments": msgspec.json.encode(given_).decode()},
    },
    IDS,
    OBJECTS,
)
PARTS = st.lists(
    st.builds(lambda text: {"type": "text", "text": text}, SAID)
    | st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}})
    | st.just({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}})
    | st.just({"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}})
    | st.just({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}),
    min_size=1,
    max_size=3,
)


@st.composite
def conversations(draw):
    """Turns as OpenAI's clients write them: every call of a tool is answered, and the user speaks last."""
    messages = [{"role": "system", "content": draw(SAID)}] if draw(st.booleans()) else []
    asks = SAID | PARTS
    for _ in range(draw(st.integers(0, 2))):
        messages.append({"role": "user", "content": draw(asks)})
        asks = SAID | PARTS
        calls = draw(st.lists(CALLS, max_size=2))
        if calls:
            messages.append({"role": "assistant", "content": draw(st.none() | SAID), "tool_calls": calls})
            asks = SAID  # it shares a turn with the results, where a list of one text can't be told from a text
            messages += [{"role": "tool", "tool_call_id": call["id"], "content": draw(TEXTS)} for call in calls]
        else:
            messages.append({"role": "assistant", "content": draw(SAID)})
    return [*messages, {"role": "user", "content": draw(asks)}]


BODIES = st.fixed_dictionaries(
    {"messages": conversations(), "max_tokens": st.integers(1, 9000)},
    optional={
        "temperature": st.sampled_from([0, 0.5, 1]),
        "top_p": st.just(0.9),
        "stop": st.lists(SAID, min_size=1, max_size=2),
        "user": IDS,
        "service_tier": st.sampled_from(["auto", "default"]),
        "response_format": st.just({"type": "json_object"}),
        "container": st.just("an unknown parameter"),
    },
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("model", ["claude-sonnet-5", "us.anthropic.claude-3-haiku-20240307-v1:0"])
def test_every_form_passes_the_exam(form, model):
    exercise_codec(codec(form), kinds=("chat",), model=model, seed=7, rounds=5, most_choices=1)


@given(body=BODIES, form=st.sampled_from(FORMS), stream=st.booleans())
def test_any_call_arrives_as_it_was_made(body, form, stream):
    there = codec(form)
    heard = there.decode_request(there.encode_request(asking(**body), "claude-x:1", stream=stream))
    assert (heard.model, heard.stream, heard.kind) == ("claude-x:1", stream, "chat")
    assert {name: heard.body.get(name) for name in body} == {**body, "messages": with_ids(body["messages"], tool_id)}


@given(seed=st.integers(), form=st.sampled_from(FORMS))
def test_any_answer_survives_the_wire_whole_and_streamed(seed, form):
    completion = sample_completion(random.Random(seed), "chat", "m", most_choices=1)
    check_reply(codec(form), asking(), completion)
    check_stream(codec(form), asking(), completion)


@given(seed=st.integers(), data=st.data(), form=st.sampled_from(FORMS))
def test_a_stream_means_the_same_in_any_pieces(seed, data, form):
    completion = sample_completion(random.Random(seed), "chat", "m", most_choices=1)
    stream = check_stream(codec(form), asking(), completion)
    check_chunking(codec(form), asking(), stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=9)))


@given(data=st.binary(max_size=200), form=st.sampled_from(FORMS))
def test_noise_raises_nothing_but_call_errors(data, form):
    check_mutated(codec(form), asking(), data)
    with suppress(CallError):
        codec(form).decode_request(WireRequest("POST", BASES[form] + "/v1/messages", {}, data))


NAMES = [
    *("type", "index", "delta", "content_block", "message", "usage", "error", "content", "text", "thinking", "id"),
    *("partial_json", "signature", "stop_reason", "stop_details", "input", "name", "citations", "citation", "data"),
    *("input_tokens", "output_tokens", "output_tokens_details", "details", "error_code", "model", "messages", "system"),
    *("tools", "tool_choice", "max_tokens", "role", "source", "tool_use_id", "stream", "output_config", "format"),
]
WORDS = [
    *("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "text"),
    *("text_delta", "input_json_delta", "tool_use", "tool_result", "thinking", "error", "user", "assistant", "image"),
    *("message", "redacted_thinking", "document", "base64", "enabled", "adaptive", "json_schema", "overloaded_error"),
]
JSON = json_of(NAMES, WORDS)


@given(events=st.lists(JSON, max_size=5))
def test_any_json_is_an_answer_or_a_call_error(events):
    for event in events:
        check_mutated(codec(), asking(response_format={"type": "json_object"}), json.dumps(event).encode())
    stream = b"".join([b"data: %b\n\n" % json.dumps(event).encode() for event in events])
    check_mutated(codec(), asking(), stream)


@given(body=JSON, messages=JSON, rest=st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4))
def test_any_json_is_a_request_or_a_call_error(body, messages, rest):
    for said in (body, {**rest, "model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": messages}]}):
        with suppress(CallError):
            heard = codec().decode_request(WireRequest("POST", "http://x/v1/messages", {}, json.dumps(said).encode()))
            codec().encode_request(heard, "m", stream=False)


ASKED = [
    *("role", "content", "tool_calls", "tool_call_id", "function", "arguments", "name", "type", "text", "image_url"),
    *("url", "file", "file_data", "file_id", "refusal", "reasoning_details", "format", "signature", "parameters"),
    *("cache_control", "schema", "json_schema", "strict", "properties", "items", "anyOf", "effort", "max_tokens", "id"),
]
SETTINGS = [
    *("tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "reasoning", "thinking"),
    *("output_config", "stop", "user", "metadata", "service_tier", "n", "logit_bias", "anthropic_beta", "max_tokens"),
    *("temperature", "functions", "audio", "modalities", "safety_identifier"),
]
ROLES = st.sampled_from(["user", "assistant", "system", "tool", "function", "text", "image_url", "file", "json_schema"])
NEUTRAL = st.recursive(
    st.none() | st.booleans() | st.integers(0, 5000) | ROLES | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(ASKED), inner, max_size=5),
    max_leaves=20,
)
MESSAGES = st.lists(
    st.fixed_dictionaries({"role": ROLES}, optional=dict.fromkeys(ASKED[1:10], NEUTRAL)), min_size=1, max_size=3
)


@given(messages=MESSAGES | NEUTRAL, settings=st.dictionaries(st.sampled_from(SETTINGS), NEUTRAL, max_size=4))
def test_any_call_is_said_or_refused(messages, settings):
    for form in FORMS:
        for prefill in (False, True):
            with suppress(CallError):
                call = asking(**{**settings, "messages": messages, "prefill": prefill})
                codec(form).encode_request(call, "claude-sonnet-4-5", stream=True)
                codec(form).decoder(call)


def test_fragments_of_calls_may_take_turns():
    completion = sample_completion(random.Random(0), "chat", "m", most_choices=1)
    calls = [{"id": f"t{n}", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}} for n in (0, 1)]
    completion.choices[0].message.update(content="", tool_calls=calls)
    events = events_of(completion)
    tools = [event for event in events if type(event).__name__ == "ToolDelta"]
    turns = [one for pair in zip(tools[: len(tools) // 2], tools[len(tools) // 2 :], strict=True) for one in pair]
    encoder = codec().encoder(asking(), model="m", id="1")
    data = encoder.feed([*events[: events.index(tools[0])], *turns, *events[events.index(tools[-1]) + 1 :]])
    heard, error, _ = read_stream(codec(), asking(), [data + encoder.end()])
    assert error is None
    said = ["".join(e.arguments for e in heard if type(e).__name__ == "ToolDelta" and e.index == n) for n in (0, 1)]
    assert said == ['{"a": 1}', '{"a": 1}']
