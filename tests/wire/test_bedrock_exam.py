"""Bedrock's wire keeps what every codec promises."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.call import Call, Choice, Completion, Usage
from penstock.catalog import Vendor
from penstock.testing import exercise_codec
from penstock.testing.exam_codec import check_chunking, check_mutated, check_reply, check_stream
from penstock.wire.bedrock import BedrockCodec

CODEC = BedrockCodec(Vendor(name="bedrock", title="Amazon Bedrock"), "https://bedrock.test")
ASKED = Call(id="", model="m", body={"messages": [{"role": "user", "content": "?"}]})


@pytest.mark.parametrize(
    ("kind", "model"), [("chat", "us.amazon.nova-lite-v1:0"), ("embedding", "cohere.embed-english-v3")]
)
def test_it_passes_the_exam(kind, model):
    exercise_codec(CODEC, kinds=(kind,), model=model, most_choices=1)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
OBJECTS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.integers() | TEXTS, max_size=3
)


@st.composite
def completions(draw):
    message = {"role": "assistant", "content": draw(TEXTS) or "x"}
    if thought := draw(TEXTS):
        message["reasoning_content"] = thought
    calls = draw(st.lists(OBJECTS, max_size=3))
    if calls:
        message["tool_calls"] = [
            {"id": f"tooluse_{at}", "type": "function", "function": {"name": "f", "arguments": json.dumps(one)}}
            for at, one in enumerate(calls)
        ]
    finish = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))
    given_, cached, kept = (draw(st.integers(0, 9999)) for _ in range(3))
    usage = Usage(given_ + cached + kept, draw(st.integers(0, 9999)), cached, draw(st.integers(0, 99)), kept)
    return Completion(choices=(Choice(message, finish),), usage=usage, model="m")


@given(completions())
def test_what_is_written_is_read_back(completion):
    check_reply(CODEC, ASKED, completion)
    check_stream(CODEC, ASKED, completion)


@given(completions(), st.lists(st.integers(0, 2000), max_size=8), st.integers(0, 3000), st.integers(0, 255))
def test_any_split_gives_the_same_and_any_damage_only_call_errors(completion, cuts, at, byte):
    data = check_stream(CODEC, ASKED, completion)
    check_chunking(CODEC, ASKED, data, cuts)
    check_mutated(CODEC, ASKED, data[:at] + bytes([byte]) + data[at + 1 :])
    body = CODEC.encode_reply(completion).body
    check_mutated(CODEC, ASKED, body[:at] + bytes([byte]) + body[at + 1 :])
