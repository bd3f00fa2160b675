"""Marks of a prompt's cached beginning: kept where they are used, left out with a warning where they are refused."""

import json
import logging

import pytest

from penstock.call import Call
from penstock.catalog import vendor
from penstock.wire import dropping
from penstock.wire.anthropic import AnthropicCodec
from penstock.wire.bedrock import BedrockCodec
from penstock.wire.cohere import CohereCodec
from penstock.wire.gemini import GeminiCodec
from penstock.wire.ollama import OllamaCodec
from penstock.wire.openai import OpenAICodec
from penstock.wire.responses import ResponsesCodec

BASE = "https://api.example.org"
MARK = {"type": "ephemeral"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
REFUSE = ("openai", "azure", "groq", "mistral", "cerebras", "fireworks", "perplexity", "deepseek", "xai", "together")
"""Some of them answer 400 to a mark, the others do nothing with it: all cache by themselves."""

PLACES = {
    "a part": {"messages": [{"role": "user", "content": [{"type": "text", "text": "t", "cache_control": MARK}]}]},
    "a message": {
        "messages": [{"role": "system", "content": "s", "cache_control": MARK}, {"role": "user", "content": "?"}]
    },
    "a part of a result": {
        "messages": [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {
                "role": "tool",
                "tool_call_id": "call_1",
                "content": [{"type": "text", "text": "r", "cache_control": MARK}],
            },
        ]
    },
    "a call": {
        "messages": [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": None, "tool_calls": [{**CALL, "cache_control": MARK}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "r"},
        ]
    },
    "a tool": {"messages": [{"role": "user", "content": "?"}], "tools": [{**TOOL, "cache_control": MARK}]},
    "a function": {
        "messages": [{"role": "user", "content": "?"}],
        "tools": [{**TOOL, "function": {**TOOL["function"], "cache_control": MARK}}],
    },
}
each_place = pytest.mark.parametrize("body", PLACES.values(), ids=PLACES)


def sent(codec, body, caplog, model="m"):
    dropping._said.clear()
    before = json.dumps(body)
    with caplog.at_level(logging.WARNING, logger="penstock.wire"):
        request = codec.encode_request(Call(id="1", model=model, body=body), model, stream=False)
    assert json.dumps(body) == before, "the caller's own body stays as it is"
    return request.body.decode(), [
        record.getMessage() for record in caplog.records if "cache_control" in record.getMessage()
    ]


@each_place
@pytest.mark.parametrize("name", REFUSE)
def test_who_refuses_or_ignores_marks_is_sent_none(name, body, caplog):
    said, warned = sent(OpenAICodec(vendor(name), BASE), body, caplog)
    assert "cache_control" not in said
    assert len(warned) == 1


@each_place
@pytest.mark.parametrize("name", ["openai", "azure", "groq"])
def test_the_responses_api_is_sent_none(name, body, caplog):
    said, warned = sent(ResponsesCodec(vendor(name), BASE), body, caplog)
    assert "cache_control" not in said
    assert len(warned) == 1


@each_place
@pytest.mark.parametrize(
    "codec",
    [GeminiCodec(vendor("gemini"), BASE), CohereCodec(vendor("cohere"), BASE), OllamaCodec(vendor("ollama"), BASE)],
    ids=["gemini", "cohere", "ollama"],
)
def test_wires_without_marks_say_that_they_are_left_out(codec, body, caplog):
    said, warned = sent(codec, body, caplog)
    assert "cache_control" not in said
    assert len(warned) == 1


@each_place
@pytest.mark.parametrize("name", ["openrouter", "custom", "vllm"])
def test_who_may_use_them_gets_them(name, body, caplog):
    said, warned = sent(OpenAICodec(vendor(name), BASE), body, caplog)
    assert "cache_control" in said
    assert not warned


@each_place
def test_anthropic_and_converse_use_them(body, caplog):
    said, _ = sent(AnthropicCodec(vendor("anthropic"), BASE), body, caplog, "claude-sonnet-4-5")
    assert said.count("cache_control") == 1
    said, _ = sent(BedrockCodec(vendor("bedrock"), BASE), body, caplog, "amazon.nova-pro-v1:0")
    assert said.count("cachePoint") == 1
