"""The exam for codecs, passed by every vendor; and an exam that can be failed."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.call import Call, Completion, Event, TextDelta
from penstock.catalog import providers, vendor
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.testing.exam_codec import check_mutated, check_reply, check_stream, exercise_codec, sample_completion
from penstock.wire.openai import OpenAICodec
from penstock.wire.openai.stream import StreamDecoder


@pytest.mark.parametrize("name", sorted(providers()))
def test_every_vendor_passes_the_exam(name):
    exercise_codec(OpenAICodec(vendor(name)), seed=7, rounds=6)


class Forgetful(OpenAICodec):
    """Loses the last character of every answer."""

    def decode_reply(self, call: Call, reply: WireReply) -> Completion:
        completion = super().decode_reply(call, reply)
        for choice in completion.choices:
            choice.message["content"] = (choice.message["content"] or "")[:-1]
        return completion


class HastyDecoder(StreamDecoder):
    """Drops what the network cut in two."""

    def feed(self, data: bytes) -> list[Event]:
        return super().feed(data) if data.endswith(b"\n\n") else []


class Hasty(OpenAICodec):
    """Its decoder is."""

    def decoder(self, call: Call) -> StreamDecoder:
        return HastyDecoder(call.kind, self.vendor)


class Crashing(OpenAICodec):
    """Lets a foreign error out."""

    def classify(self, reply: WireReply) -> CallError:
        return CallError("server_error", msgspec.json.decode(reply.body)["error"]["message"])


@pytest.mark.parametrize(
    ("codec", "error"), [(Forgetful, AssertionError), (Hasty, AssertionError), (Crashing, Exception)]
)
def test_a_codec_that_breaks_a_promise_fails(codec, error):
    with pytest.raises(error):
        exercise_codec(codec(vendor("openai")), rounds=4)


@given(seed=st.integers(), kind=st.sampled_from(["chat", "completion", "embedding"]))
def test_any_answer_survives_the_wire_whole_and_streamed(seed, kind):
    codec, call = OpenAICodec(vendor("openai")), Call(id="1", model="m", body={}, kind=kind)
    completion = sample_completion(random.Random(seed), kind, "m")
    check_reply(codec, call, completion)
    if kind != "embedding":
        check_stream(codec, call, completion)


@given(data=st.binary(max_size=200), kind=st.sampled_from(["chat", "completion", "embedding"]))
def test_noise_raises_nothing_but_call_errors(data, kind):
    check_mutated(OpenAICodec(vendor("xai")), Call(id="1", model="m", body={}, kind=kind), data)


NAMES = [
    *("choices", "message", "delta", "content", "tool_calls", "function", "arguments", "index", "usage", "error"),
    *("data", "embedding", "prompt_tokens", "code", "detail", "metadata", "details", "finish_reason", "text"),
    *("reasoning", "type", "x_groq", "logprobs", "base_resp"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


@given(value=JSON, kind=st.sampled_from(["chat", "completion", "embedding"]))
def test_json_of_any_shape_raises_nothing_but_call_errors(value, kind):
    codec, call = OpenAICodec(vendor("mistral")), Call(id="1", model="m", body={}, kind=kind)
    body = msgspec.json.encode(value)
    check_mutated(codec, call, body)
    check_mutated(codec, call, b"data: " + body + b"\n\n")
    check_mutated(codec, call, b'{"choices":[{"message":%b,"finish_reason":%b}]}' % (body, body))
    check_mutated(codec, call, b'data: {"choices":[{"delta":%b}],"usage":%b}\n\n' % (body, body))
    check_mutated(codec, call, b'{"error":%b}' % body)


def test_one_text_delta_is_one_chunk():
    encoder = OpenAICodec(vendor("openai")).encoder(Call(id="1", model="m", body={}), model="m", id="c")
    encoder.feed([TextDelta("a")])
    assert encoder.feed([TextDelta("b")]).count(b"data: ") == 1
