"""Answers drawn at random for the exams of the wires, and what each of them must come through."""

import json

import pytest
from hypothesis import strategies as st

from penstock.call import Choice, Completion, Usage
from penstock.errors import CallError
from penstock.testing.exam_codec import check_chunking, check_mutated, check_stream

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
CUTS = st.lists(st.integers(0, 2000), max_size=8)


@st.composite
def usages(draw):
    return Usage(*[draw(st.integers(0, 9999)) for _ in range(5)])


@st.composite
def completions(draw, arguments=TEXTS.map(lambda text: {"x": text}), usage=usages(), prefix="call", id_="i"):  # noqa: B008
    """One choice with text, perhaps thoughts and calls of tools."""
    message = {"role": "assistant", "content": draw(TEXTS) or "x"}
    if thought := draw(TEXTS):
        message["reasoning_content"] = thought
    calls = draw(st.lists(arguments, max_size=3))
    if calls:
        message["tool_calls"] = [
            {"id": f"{prefix}_{at}", "type": "function", "function": {"name": "f", "arguments": json.dumps(one)}}
            for at, one in enumerate(calls)
        ]
    finish = "tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))
    return Completion(choices=(Choice(message, finish),), usage=draw(usage), model="m", id=id_)


def json_of(names, words):
    """Any small JSON, with a wire's own names and words in it."""
    return st.recursive(
        st.none() | st.booleans() | st.integers(0, 5000) | st.sampled_from(words) | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=6),
        max_leaves=25,
    )


def check_split_and_damaged(codec, asked, completion, *, cuts, at, byte):
    """Any split gives the same, and one wrong byte makes nothing but call errors."""
    data = check_stream(codec, asked, completion)
    check_chunking(codec, asked, data, cuts)
    check_mutated(codec, asked, data[:at] + bytes([byte]) + data[at + 1 :])
    body = codec.encode_reply(completion).body
    check_mutated(codec, asked, body[:at] + bytes([byte]) + body[at + 1 :])


def check_refused(codec, request, status):
    """The server half can't read it, and says so with this status."""
    with pytest.raises(CallError) as caught:
        codec.decode_request(request)
    assert (caught.value.kind, caught.value.status) == ("bad_request", status)
