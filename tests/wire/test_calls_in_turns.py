"""Fragments of two calls that come in turns, an id behind its call's beginning: every wire says both calls whole."""

import pytest

from penstock.call import Call, Finished, Started, ToolDelta, Usage, UsageUpdate
from penstock.catalog import vendor
from penstock.fold import fold
from penstock.testing.exam_codec import read_stream
from penstock.wire.anthropic import AnthropicCodec
from penstock.wire.bedrock import BedrockCodec
from penstock.wire.cohere import CohereCodec
from penstock.wire.gemini import GeminiCodec
from penstock.wire.ollama import OllamaCodec
from penstock.wire.openai import OpenAICodec
from penstock.wire.responses import ResponsesCodec

CODECS = {
    "openai": OpenAICodec(vendor("openai")),
    "mistral": OpenAICodec(vendor("mistral")),
    "anthropic": AnthropicCodec(vendor("anthropic")),
    "bedrock": BedrockCodec(vendor("bedrock"), "https://bedrock.invalid"),
    "gemini": GeminiCodec(vendor("gemini")),
    "cohere": CohereCodec(vendor("cohere")),
    "ollama": OllamaCodec(vendor("ollama")),
    "responses": ResponsesCodec(vendor("openai")),
}
CALL = Call(id="1", model="m", body={"messages": [{"role": "user", "content": "?"}]}, stream=True)
EVENTS = [
    Started("m", "i"),
    ToolDelta(0, "a", "f", '{"x"'),
    ToolDelta(1, "", "g", "{"),
    ToolDelta(0, "", "", ":1}"),
    ToolDelta(1, "call_1", "", "}"),
    Finished("tool_calls", "tool_calls"),
    UsageUpdate(Usage(1, 2)),
]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
def test_both_calls_arrive_whole(codec):
    encoder = codec.encoder(CALL, model="m", id="i")
    data = b"".join([encoder.feed([event]) for event in EVENTS]) + encoder.end()
    events, error, malformed = read_stream(codec, CALL, [data])
    calls = fold(events).message["tool_calls"]
    assert (error, malformed) == (None, 0)
    assert [(call["id"], *call["function"].values()) for call in calls] == [
        ("a", "f", '{"x":1}'),
        ("call_1", "g", "{}"),
    ]
