"""Ollama's wire keeps what every codec promises."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.ollama_given import ASKED, CODEC

from penstock.call import Choice, Completion, Usage
from penstock.testing import exercise_codec
from penstock.testing.exam_codec import check_chunking, check_mutated, check_reply, check_stream


@pytest.mark.parametrize("kind", ["chat", "completion", "embedding"])
def test_it_passes_the_exam(kind):
    exercise_codec(CODEC, kinds=(kind,), model="llama3.2", most_choices=1)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@st.composite
def completions(draw):
    message = {"role": "assistant", "content": draw(TEXTS) or "x"}
    if thought := draw(TEXTS):
        message["reasoning_content"] = thought
    calls = draw(st.lists(TEXTS, max_size=3))
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{at}", "type": "function", "function": {"name": "f", "arguments": json.dumps({"x": one})}}
            for at, one in enumerate(calls)
        ]
    finish = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))
    counts = [draw(st.integers(0, 9999)) for _ in range(5)]
    return Completion(choices=(Choice(message, finish),), usage=Usage(*counts), model="m", id="i")


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
