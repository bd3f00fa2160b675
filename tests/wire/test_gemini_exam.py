"""The exam for codecs, on both platforms; noise; and every stream at every split."""

import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.gemini_given import GEMINI, VERTEX, answer, frames

from penstock.call import Call
from penstock.testing.exam_codec import (
    check_chunking,
    check_mutated,
    check_reply,
    check_stream,
    exercise_codec,
    sample_completion,
)

CODECS = [GEMINI, VERTEX]
KINDS = ["chat", "embedding"]


@pytest.mark.parametrize("codec", CODECS, ids=["gemini", "vertex"])
def test_the_exam_is_passed(codec):
    exercise_codec(codec, kinds=("chat", "embedding"), seed=11, rounds=12)


@given(seed=st.integers(), kind=st.sampled_from(KINDS), codec=st.sampled_from(CODECS))
def test_any_answer_survives_the_wire_whole_and_streamed(seed, kind, codec):
    call = Call(id="1", model="m", body={}, kind=kind)
    completion = sample_completion(random.Random(seed), kind, "m")
    check_reply(codec, call, completion)
    if kind == "chat":
        check_stream(codec, call, completion)


@given(data=st.binary(max_size=200), kind=st.sampled_from(KINDS))
def test_noise_raises_nothing_but_call_errors(data, kind):
    check_mutated(GEMINI, Call(id="1", model="m", body={}, kind=kind), data)


NAMES = [
    *("candidates", "content", "parts", "text", "thought", "thoughtSignature", "functionCall", "name", "args", "id"),
    *("inlineData", "mimeType", "data", "finishReason", "index", "usageMetadata", "promptTokenCount", "partMetadata"),
    *("promptFeedback", "blockReason", "error", "code", "message", "status", "details", "retryDelay", "violations"),
    *("logprobsResult", "chosenCandidates", "topCandidates", "groundingMetadata", "groundingChunks", "web"),
    *("embedding", "embeddings", "values", "predictions", "statistics", "token_count", "createTime", "modelVersion"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


@given(value=JSON, kind=st.sampled_from(KINDS))
def test_json_of_any_shape_raises_nothing_but_call_errors(value, kind):
    call = Call(id="1", model="m", body={}, kind=kind)
    body = msgspec.json.encode(value)
    check_mutated(GEMINI, call, body)
    check_mutated(GEMINI, call, b"data: " + body + b"\r\n\r\n")
    check_mutated(GEMINI, call, b'{"candidates":[%b],"usageMetadata":%b}' % (body, body))
    check_mutated(GEMINI, call, b'{"candidates":[{"content":{"parts":[%b]},"logprobsResult":%b}]}' % (body, body))
    check_mutated(GEMINI, call, b'data: {"candidates":[{"content":{"parts":[%b]}}]}\r\n\r\n' % body)
    check_mutated(GEMINI, call, b'{"error":%b}' % body)
    check_mutated(GEMINI, call, b'{"error":{"details":[%b]},"promptFeedback":%b}' % (body, body))
    check_mutated(GEMINI, call, b'{"embeddings":[%b],"predictions":%b}' % (body, body))


STREAMS = {
    "thoughts, text and the end": frames(
        answer({"text": "hm é漢🙂", "thought": True}, finish=None),
        answer({"text": "wörld\u2028"}, finish=None),
        answer({"text": "", "thoughtSignature": "c2ln"}, usageMetadata={"promptTokenCount": 3}),
    ),
    "an error between the events": frames(answer({"text": "half"}, finish=None))
    + b'{\r\n  "error": {\r\n    "code": 503,\r\n    "message": "busy",\r\n    "status": "UNAVAILABLE"\r\n  }\r\n}\r\n',
    "an array": b'[{\n  "candidates": [{"content": {"parts": [{"text": "a"}]}}]\n}\n,\r\n{"candidates": '
    b'[{"content": {"parts": [{"text": "b"}]}, "finishReason": "STOP"}]}\n]',
    "cut in the middle": frames(answer({"text": "half"}, finish=None)) + b'data: {"candidates": [{"content"',
}


@pytest.mark.parametrize("data", STREAMS.values(), ids=STREAMS)
def test_no_split_changes_what_a_stream_says(data):
    call = Call(id="1", model="m", body={}, stream=True)
    for cut in range(1, len(data)):
        check_chunking(GEMINI, call, data, [cut])
    check_chunking(GEMINI, call, data, range(len(data)))
