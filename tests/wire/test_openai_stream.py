"""Streams of every vendor become the same events, however the network cuts them."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.call import (
    Call,
    Event,
    Finished,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    Usage,
    UsageUpdate,
)
from penstock.catalog import vendor
from penstock.errors import CallError
from penstock.testing.exam_codec import check_chunking, check_mutated, read_stream
from penstock.wire.openai import OpenAICodec

CASES = json.loads((Path(__file__).parent / "data" / "streams.json").read_text())
CODEC = OpenAICodec(vendor("openai"))
MAKES = {
    "started": Started,
    "text": TextDelta,
    "reasoning": ReasoningDelta,
    "refusal": RefusalDelta,
    "tool": ToolDelta,
    "finished": Finished,
    "usage": lambda *counts: UsageUpdate(Usage(*counts)),
}


def event_of(said: list) -> Event:
    name, *fields = said
    if name in ("text", "reasoning", "refusal") and len(fields) == 2:
        return MAKES[name](fields[0], choice=fields[1])
    return MAKES[name](*fields)


def given_stream(case) -> tuple[OpenAICodec, Call, bytes]:
    chunks = [c if isinstance(c, str) else f"data: {json.dumps(c, ensure_ascii=False)}\n\n" for c in case["chunks"]]
    call = Call(id="1", model="m", body={}, kind=case.get("kind", "chat"), stream=True)
    return OpenAICodec(vendor(case.get("vendor", "openai"))), call, "".join(chunks).encode()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_stream_becomes_these_events(case):
    codec, call, data = given_stream(case)
    events, error, malformed = read_stream(codec, call, [data])
    assert events == [event_of(said) for said in case["events"]]
    assert (error.kind if error else None) == case.get("error")
    assert malformed == case.get("malformed", 0)
    if error is not None:
        assert error.partial == case.get("partial", "")
        assert case.get("says", "") in error.message


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_stream_read_byte_by_byte_is_the_same_stream(case):
    codec, call, data = given_stream(case)
    check_chunking(codec, call, data, range(len(data)))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_line_ends_make_no_difference(case):
    codec, call, data = given_stream(case)
    plain = read_stream(codec, call, [data.replace(b"\r\n", b"\n")])
    crlf = read_stream(codec, call, [data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")])
    assert crlf[0] == plain[0]


@given(case=st.sampled_from(CASES), data=st.data())
def test_a_stream_cut_anywhere_is_the_same_stream(case, data):
    codec, call, stream = given_stream(case)
    check_chunking(codec, call, stream, data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))


@given(case=st.sampled_from(CASES), data=st.data())
def test_damage_raises_nothing_but_call_errors(case, data):
    codec, call, stream = given_stream(case)
    at = data.draw(st.integers(0, len(stream)))
    until = data.draw(st.integers(at, len(stream)))
    check_mutated(codec, call, stream[:at] + data.draw(st.binary(max_size=4)) + stream[until:])


def test_every_prefix_of_a_stream_is_cut_or_whole():
    codec, call, data = given_stream(CASES[0])
    finish = data.index(b'"stop"') + len(b'"stop"}],"usage":null}'.replace(b'":', b'": ').replace(b',"', b', "'))
    for end in range(len(data)):
        _, error, _ = read_stream(codec, call, [data[:end]])
        assert (error is None) == (end >= finish), data[:end][-40:]


def test_what_precedes_an_error_is_delivered_first():
    decoder = CODEC.decoder(Call(id="1", model="m", body={}))
    chunk = b'data: {"model":"m","choices":[{"delta":{"content":"half"}}]}\n\n'
    events = decoder.feed(chunk + b'data: {"error":{"message":"boom"}}\n\n')
    assert events[-1] == TextDelta("half")
    assert decoder.done
    with pytest.raises(CallError, match="boom"):
        decoder.feed(b"")


def test_an_error_alone_is_raised_at_once():
    decoder = CODEC.decoder(Call(id="1", model="m", body={}))
    with pytest.raises(CallError, match="boom"):
        decoder.feed(b'data: {"error":{"message":"boom"}}\n\n')


def test_the_terminator_says_that_nothing_more_will_come():
    decoder = CODEC.decoder(Call(id="1", model="m", body={}))
    decoder.feed(b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n')
    assert not decoder.done
    decoder.feed(b"data: [DONE]\n\n")
    assert decoder.done


def test_log_probabilities_travel_with_their_text():
    decoder = CODEC.decoder(Call(id="1", model="m", body={}))
    said = {"content": [{"token": "a", "logprob": -0.5}]}
    chunk = {"choices": [{"delta": {"content": "a"}, "logprobs": said, "finish_reason": "stop"}]}
    assert TextDelta("a", 0, said) in decoder.feed(b"data: " + json.dumps(chunk).encode() + b"\n\n")
