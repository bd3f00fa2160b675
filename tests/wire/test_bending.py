"""Answers with what no shape expects: what can be read of them is read, on every wire that reads by shapes."""

import json

import pytest
from tests.wire.anthropic_given import codec as claude
from tests.wire.anthropic_given import sse

from penstock.call import Call
from penstock.catalog import vendor
from penstock.fold import fold
from penstock.http import WireReply
from penstock.testing.exam_codec import read_stream
from penstock.wire.bedrock import BedrockCodec
from penstock.wire.cohere import CohereCodec
from penstock.wire.eventstream import event_frame
from penstock.wire.gemini import GeminiCodec
from penstock.wire.ollama import OllamaCodec
from penstock.wire.openai import OpenAICodec
from penstock.wire.responses import ResponsesCodec

CALL = Call(id="1", model="m", body={"messages": []})
NEW = {"type": "quite_new", "text": {"a": 1}, "name": 5, "citations": {"enabled": True}}
TEXT = {"type": "text", "text": "4"}
CODECS = {
    "anthropic": claude(),
    "bedrock": BedrockCodec(vendor("bedrock"), "https://bedrock.test"),
    "gemini": GeminiCodec(vendor("gemini")),
    "openai": OpenAICodec(vendor("openai")),
    "cohere": CohereCodec(vendor("cohere")),
    "ollama": OllamaCodec(vendor("ollama")),
    "responses": ResponsesCodec(vendor("openai")),
}


def message(*content, usage=None):
    return {"type": "message", "content": list(content), "stop_reason": "end_turn", "usage": usage, "model": "m"}


def whole(wire, said):
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    return CODECS[wire].decode_reply(CALL, WireReply(200, {}, body))


def streamed(wire, data):
    events, error, malformed = read_stream(CODECS[wire], CALL, [data])
    assert (error, malformed) == (None, 0)
    return fold(events)


def test_a_block_of_a_type_to_come_may_hold_anything():
    assert whole("anthropic", message(NEW, TEXT)).text == "4"
    begun = {"type": "message_start", "message": message()}
    blocks = [{"type": "content_block_start", "index": at, "content_block": b} for at, b in enumerate((NEW, TEXT))]
    end = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"}]
    assert streamed("anthropic", sse(begun, *blocks, *end)).text == "4"


def test_arguments_that_are_null_are_none():
    called = {"type": "tool_use", "id": "t", "name": "f", "input": None}
    answer = whole("anthropic", message(called))
    assert answer.message["tool_calls"][0]["function"]["arguments"] == "{}"


def test_counts_may_be_text():
    usage = {"input_tokens": "3", "output_tokens": 2.0}
    assert whole("anthropic", message(TEXT, usage=usage)).usage.total_tokens == 5


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        ("anthropic", b'{"type":"message","content":[{"type":"text","text":"so \\ud83d"}],"x":NaN}'),
        ("bedrock", b'{"output":{"message":{"content":[{"text":"so \\ud83d"}]}},"x":NaN}'),
        ("gemini", b'{"candidates":[{"content":{"parts":[{"text":"so \\ud83d"}]},"avgLogprobs":NaN}]}'),
        ("openai", b'{"choices":[{"message":{"role":"assistant","content":"so \\ud83d"},"logprobs":NaN}]}'),
    ],
)
def test_half_a_surrogate_pair_and_nan_cost_no_answer(wire, body):
    assert whole(wire, body).text == "so �"


@pytest.mark.parametrize(
    ("wire", "said"),
    [
        ("anthropic", message(TEXT)),
        ("bedrock", {"output": {"message": {"content": [{"text": "4"}]}}}),
        ("gemini", {"candidates": [{"content": {"parts": [{"text": "4"}]}}]}),
        ("openai", {"choices": [{"message": {"role": "assistant", "content": "4"}}]}),
    ],
)
def test_a_byte_order_mark_is_passed_over(wire, said):
    assert whole(wire, b"\xef\xbb\xbf" + json.dumps(said).encode()).text == "4"


@pytest.mark.parametrize("wire", CODECS)
def test_an_error_behind_a_byte_order_mark_is_read(wire):
    body = b'\xef\xbb\xbf{"error": {"message": "no such model", "type": "not_found_error"}}'
    assert CODECS[wire].classify(WireReply(404, {}, body)).message == "no such model"


@pytest.mark.parametrize("wire", ["anthropic", "bedrock"])
def test_half_a_surrogate_pair_costs_no_event(wire):
    if wire == "bedrock":
        said = b'{"contentBlockIndex":0,"delta":{"text":"so \\ud83d"}}'
        stop = event_frame("messageStop", b'{"stopReason":"end_turn"}')
        data = event_frame("contentBlockDelta", said) + stop + event_frame("metadata", b"{}")
    else:
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        said = b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"so \\ud83d"}}\n\n'
        end = sse({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, {"type": "message_stop"})
        data = sse({"type": "message_start", "message": message()}, start) + said + end
    assert streamed(wire, data).text == "so �"


ANSWERS = {
    "openai": b'{"choices": [{"message": {"content": "a%b"}, "finish_reason": "stop"}]}',
    "anthropic": b'{"type": "message", "content": [{"type": "text", "text": "a%b"}], "stop_reason": "end_turn"}',
    "bedrock": b'{"output": {"message": {"content": [{"text": "a%b"}]}}, "stopReason": "end_turn"}',
    "gemini": b'{"candidates": [{"content": {"parts": [{"text": "a%b"}]}, "finishReason": "STOP"}]}',
    "cohere": b'{"finish_reason": "COMPLETE", "message": {"content": [{"type": "text", "text": "a%b"}]}}',
    "ollama": b'{"message": {"content": "a%b"}, "done": true, "done_reason": "stop"}',
    "responses": b'{"status": "completed", "output": [{"type": "message", "content": [%b]}]}'
    % b'{"type": "output_text", "text": "a%b"}',
}


@pytest.mark.parametrize("wire", ANSWERS)
def test_a_byte_order_mark_half_a_surrogate_pair_and_nan_cost_no_answer(wire):
    answer = ANSWERS[wire]
    assert whole(wire, b"\xef\xbb\xbf" + answer % b"").text == "a"
    assert whole(wire, answer % b"\\ud83d").text == "a\ufffd"
    assert whole(wire, answer[:-1] % b"" + b', "more": NaN}').text == "a"


EVENTS = {
    "cohere": b"""data: {"type": "content-delta", "delta": {"message": {"content": {"text": "a\\ud83d"}}}}

data: {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}}

""",
    "ollama": b"""{"message": {"content": "a\\ud83d"}, "done": false}
{"message": {"content": ""}, "done": true}
""",
    "responses": b"""data: {"type": "response.output_text.delta", "output_index": 0, "delta": "a\\ud83d"}

data: {"type": "response.completed", "response": {"status": "completed"}}

""",
}


@pytest.mark.parametrize("wire", EVENTS)
def test_nor_in_a_stream(wire):
    assert streamed(wire, b"\xef\xbb\xbf" + EVENTS[wire]).text == "a\ufffd"


def test_vectors_behind_a_byte_order_mark_are_read():
    vectors = Call(id="1", model="m", body={"input": "a"}, kind="embedding")
    body = b'\xef\xbb\xbf{"data": [{"index": 0, "embedding": [1.0]}]}'
    assert list(CODECS["openai"].decode_reply(vectors, WireReply(200, {}, body)).vectors[0]) == [1.0]
