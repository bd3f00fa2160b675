"""Sound, and what a provider's cache keeps for an hour: counted apart on each wire that tells, and told on."""

import msgspec
import pytest
from tests.wire import anthropic_given, cohere_given, gemini_given, ollama_given, responses_given

from penstock.call import Call, Choice, Completion, Usage, UsageUpdate
from penstock.catalog import Vendor, vendor
from penstock.http import WireReply
from penstock.testing.exam_codec import check_reply, check_stream, read_stream
from penstock.wire.bedrock import BedrockCodec
from penstock.wire.openai import OpenAICodec

CALL = Call(id="1", model="m", body={"messages": [{"role": "user", "content": "?"}]})
HOUR = Usage(2000, 30, 100, 5, 900, 600)
SOUND = Usage(2000, 30, 100, 5, 0, 0, 800, 12, 40)
WIRES = [
    ("openai", HOUR),
    ("openai", SOUND),
    ("responses", HOUR),
    ("responses", SOUND),
    ("anthropic", HOUR),
    ("bedrock", HOUR),
    ("gemini", SOUND),
    ("cohere", HOUR),
    ("cohere", SOUND),
    ("ollama", HOUR),
    ("ollama", SOUND),
]


CODECS = {
    "openai": OpenAICodec(vendor("openai")),
    "responses": responses_given.codec(),
    "anthropic": anthropic_given.codec(),
    "bedrock": BedrockCodec(Vendor(name="bedrock", title="Amazon Bedrock"), "https://bedrock.test"),
    "gemini": gemini_given.GEMINI,
    "cohere": cohere_given.CODEC,
    "ollama": ollama_given.CODEC,
}


def told(one, body, **of):
    reply = WireReply(200, {}, msgspec.json.encode(body))
    return one.decode_reply(of.get("call", CALL), reply).usage


@pytest.mark.parametrize(("name", "usage"), WIRES)
def test_they_are_told_on_whole_and_streamed(name, usage):
    answer = Completion(
        choices=(Choice({"role": "assistant", "content": "x"}, "stop"),), usage=usage, model="m", id="i"
    )
    check_reply(CODECS[name], CALL, answer)
    check_stream(CODECS[name], CALL, answer)
    assert CODECS[name].decode_reply(CALL, CODECS[name].encode_reply(answer)).usage == usage


def test_openai_tells_sound_apart():
    message = {"role": "assistant", "content": "x"}
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 80},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 40},
    }
    body = {"choices": [{"message": message, "finish_reason": "stop", "index": 0}], "usage": usage}
    assert told(CODECS["openai"], body) == Usage(100, 50, audio_input_tokens=80, audio_output_tokens=40)


LASTING = {
    "input_tokens": 10,
    "output_tokens": 1,
    "cache_read_input_tokens": 5,
    "cache_creation_input_tokens": 900,
    "cache_creation": {"ephemeral_5m_input_tokens": 300, "ephemeral_1h_input_tokens": 600},
}


def test_anthropic_tells_what_it_keeps_for_an_hour():
    body = {"type": "message", "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn", "usage": LASTING}
    assert told(anthropic_given.codec(), body) == Usage(915, 1, 5, 0, 900, 600)


@pytest.mark.parametrize("last", [{"output_tokens": 7}, {**LASTING, "output_tokens": 7, "cache_creation": None}])
def test_a_stream_of_anthropic_keeps_what_its_end_doesnt_repeat(last):
    stream = anthropic_given.sse(
        {"type": "message_start", "message": {"id": "i", "model": "m", "usage": LASTING}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last},
        {"type": "message_stop"},
    )
    assert anthropic_given.streamed(stream).usage == Usage(915, 7, 5, 0, 900, 600)


def test_bedrock_tells_what_it_keeps_for_an_hour():
    usage = {
        "inputTokens": 10,
        "outputTokens": 1,
        "totalTokens": 916,
        "cacheReadInputTokens": 5,
        "cacheWriteInputTokens": 900,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 600}, {"ttl": "5m", "inputTokens": 300}],
    }
    message = {"role": "assistant", "content": [{"text": "x"}]}
    body = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}
    assert told(CODECS["bedrock"], body) == Usage(915, 1, 5, 0, 900, 600)


def counts(**by_modality):
    return [{"modality": name, "tokenCount": count} for name, count in by_modality.items()]


METADATA = {
    "promptTokenCount": 100,
    "candidatesTokenCount": 30,
    "cachedContentTokenCount": 50,
    "toolUsePromptTokenCount": 20,
    "promptTokensDetails": counts(TEXT=20, AUDIO=80),
    "cacheTokensDetails": counts(AUDIO=40, TEXT=10),
    "candidatesTokensDetails": counts(AUDIO=25, TEXT=5),
    "toolUsePromptTokensDetails": counts(AUDIO=20),
}


def test_gemini_tells_sound_apart():
    body = gemini_given.answer({"text": "x"}, usageMetadata=METADATA)
    assert told(gemini_given.GEMINI, body) == Usage(120, 30, 50, 0, 0, 0, 100, 25, 40)


@pytest.mark.parametrize(
    "details", [None, {}, "AUDIO", [None, {"modality": "AUDIO"}], [{"modality": "AUDIO", "tokenCount": "x"}]]
)
def test_details_that_nobody_can_read_count_for_nothing(details):
    body = gemini_given.answer({"text": "x"}, usageMetadata={"promptTokenCount": 9, "promptTokensDetails": details})
    assert told(gemini_given.GEMINI, body) == Usage(9, 0)


def test_an_unfinished_stream_of_gemini_has_told_of_the_sound():
    pieces = [{**gemini_given.answer({"text": "x"}, finish=None), "usageMetadata": METADATA} for _ in range(6)]
    events, _, _ = read_stream(
        gemini_given.GEMINI, CALL, [b"data: %b\n\n" % msgspec.json.encode(one) for one in pieces]
    )
    usages = [event.usage for event in events if isinstance(event, UsageUpdate)]
    assert usages
    assert all(usage.audio_input_tokens == 100 for usage in usages)
