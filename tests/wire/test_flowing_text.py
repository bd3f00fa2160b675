"""After a piece of text the next event is tried as one: whatever it is instead, nothing of it is lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from penstock.call import Call, Event, PartDelta, ReasoningDelta, TextDelta, ToolDelta, Usage, UsageUpdate
from penstock.catalog import vendor
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.wire.anthropic import AnthropicCodec
from penstock.wire.codec import Codec, Decoder
from penstock.wire.gemini import GeminiCodec
from penstock.wire.openai import OpenAICodec

Body = dict[str, Any]
CODECS: dict[str, Codec] = {
    "openai": OpenAICodec(vendor("openai")),
    "anthropic": AnthropicCodec(vendor("anthropic")),
    "gemini": GeminiCodec(vendor("gemini")),
}
USAGE = {"prompt_tokens": 1, "completion_tokens": 2}
LOGPROBS = {"content": [{"token": "b", "logprob": -1.0}]}


def chat(delta: Body, **more: Any) -> Body:
    choice = {"index": 0, "delta": delta, "finish_reason": None, **more.pop("choice", {})}
    return {"id": "1", "model": "m", "choices": [choice], **more}


def block(delta: Body, index: int = 0) -> Body:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def candidate(*parts: Body, **more: Any) -> Body:
    return {"candidates": [{"content": {"parts": list(parts)}, "index": 0}], **more}


BEGUN: dict[str, list[Body]] = {
    "openai": [chat({"content": "a"})],
    "anthropic": [
        {"type": "message_start", "message": {"id": "1", "model": "m", "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        block({"type": "text_delta", "text": "a"}),
    ],
    "gemini": [candidate({"text": "a"}, modelVersion="m")],
}
TOOL = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
CASES: list[tuple[str, Body, list[Event]]] = [
    ("openai", chat({"content": "b"}), [TextDelta("b")]),
    ("openai", chat({"content": "b"}, usage=USAGE), [TextDelta("b"), UsageUpdate(Usage(1, 2))]),
    ("openai", chat({"content": "b"}, choice={"index": 1}), [TextDelta("b", 1)]),
    ("openai", chat({"content": "b"}, choice={"logprobs": LOGPROBS}), [TextDelta("b", 0, LOGPROBS)]),
    ("openai", chat({"content": "b", "reasoning": "r"}), [ReasoningDelta("r"), TextDelta("b")]),
    ("openai", chat({"content": None, "tool_calls": [TOOL]}), [ToolDelta(0, "c", "f", "{}")]),
    ("anthropic", block({"type": "text_delta", "text": "b"}), [TextDelta("b")]),
    ("anthropic", {"delta": {"text": "b", "type": "text_delta"}, "type": "content_block_delta"}, [TextDelta("b")]),
    ("anthropic", block({"type": "input_json_delta", "partial_json": "text_delta"}), []),
    ("anthropic", block({"type": "thinking_delta", "thinking": "r", "text": "b"}), [ReasoningDelta("r")]),
    ("anthropic", block({"type": "text_delta", "text": ""}), []),
    ("anthropic", block({"type": "thinking_delta", "thinking": ""}), []),
    ("anthropic", block({"type": "thinking_delta", "thinking": "r"}, 1), []),
    ("anthropic", {"type": "ping", "delta": {"type": "text_delta", "text": "b"}}, []),
    ("gemini", candidate({"text": "b"}), [TextDelta("b")]),
    ("gemini", candidate({"text": "b", "thought": True}), [ReasoningDelta("b")]),
    ("gemini", candidate({"text": "b"}, {"text": "c"}), [TextDelta("b"), TextDelta("c")]),
    (
        "gemini",
        candidate({"text": "b"}, usageMetadata={"promptTokenCount": 1, "candidatesTokenCount": 2}),
        [TextDelta("b"), UsageUpdate(Usage(1, 2))],
    ),
]
FAULTS = [
    ("openai", chat({"content": ""}, error={"message": "boom"})),
    ("anthropic", {"type": "error", "error": {"type": "overloaded_error", "message": "boom"}}),
    ("gemini", {"error": {"code": 503, "message": "boom"}}),
]


def sent(body: Body) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def sent_named(body: Body) -> bytes:
    """As Anthropic sends it."""
    return f"event: {body['type']}\n".encode() + sent(body)


def sent_with_returns(body: Body) -> bytes:
    """As Gemini sends it."""
    return sent(body).replace(b"\n", b"\r\n")


FRAMED = {"openai": [sent], "anthropic": [sent, sent_named], "gemini": [sent, sent_with_returns]}


def begun(wire: str, send: Callable[[Body], bytes] = sent) -> Decoder:
    decoder = CODECS[wire].decoder(Call(id="1", model="m", body={}, stream=True))
    assert decoder.feed(b"".join(map(send, BEGUN[wire])))[-1] == TextDelta("a")
    return decoder


@pytest.mark.parametrize(("wire", "body", "events"), CASES)
def test_what_follows_a_piece_of_text_is_read_whole(wire: str, body: Body, events: list[Event]):
    for send in FRAMED[wire]:
        assert begun(wire, send).feed(send(body)) == events


@pytest.mark.parametrize(("wire", "body"), FAULTS)
def test_an_error_after_a_piece_of_text_keeps_the_text(wire: str, body: Body):
    for send in FRAMED[wire]:
        with pytest.raises(CallError, match="boom") as caught:
            begun(wire, send).feed(send(body))
        assert caught.value.partial == "a"


def test_damage_after_a_usual_event_is_counted_and_what_follows_is_read():
    for wire, send in (("anthropic", sent_named), ("gemini", sent_with_returns)):
        decoder = begun(wire, send)
        piece = send(BEGUN[wire][-1])
        damaged = piece.replace(b"}", b"")
        assert decoder.feed(piece + damaged + piece) == [TextDelta("a")] * 2
        assert decoder.malformed_events == 1


def test_every_count_of_gemini_tells_the_sound_in_the_prompt():
    codec = CODECS["gemini"]
    details = [{"modality": "TEXT", "tokenCount": 2}, {"modality": "AUDIO", "tokenCount": 8}]
    for number in (2, 3, 4):
        usage = {"promptTokenCount": 10, "candidatesTokenCount": number, "promptTokensDetails": details}
        body = candidate({"text": "b"}, usageMetadata=usage)
        whole = codec.decode_reply(Call(id="1", model="m", body={}), WireReply(200, {}, json.dumps(body).encode()))
        decoder = begun("gemini", sent_with_returns)
        decoder.feed(sent_with_returns({**body, "usageMetadata": {**usage, "candidatesTokenCount": 1}}))
        assert whole.usage is not None
        assert decoder.feed(sent_with_returns(body))[-1] == UsageUpdate(whole.usage)


@pytest.mark.parametrize("wire", CODECS)
def test_damage_after_a_piece_of_text_is_counted(wire: str):
    decoder = begun(wire)
    assert decoder.feed(b'data: {"choices": [{"delta"\n\n') == []
    assert decoder.malformed_events == 1


def test_a_stream_of_surprises_is_read_to_its_end():
    decoder = begun("openai")
    both = sent(chat({"content": "b"})) + sent(chat({"reasoning": "r"}))
    assert decoder.feed(both * 20) == [TextDelta("b"), ReasoningDelta("r")] * 20


FRAGMENT = {"index": 0, "function": {"arguments": "1"}}
OTHERS = [
    ({"index": 0, "id": "", "function": {"name": "", "arguments": "2"}}, [ToolDelta(0, arguments="2")]),
    ({"index": 1, "id": "d", "function": {"name": "g", "arguments": "2"}}, [ToolDelta(1, "d", "g", "2")]),
    ({"index": 0, "id": "d", "function": {"name": "g", "arguments": "2"}}, [ToolDelta(1, "d", "g", "2")]),
    ({"index": 0, "extra_content": {"s": 1}, "function": {"arguments": ""}}, [ToolDelta(0, extra={"s": 1})]),
    ({"function": {"arguments": "2"}}, [ToolDelta(0, arguments="2")]),
]


@pytest.mark.parametrize(("fragment", "events"), OTHERS)
def test_what_follows_a_piece_of_arguments_is_read_whole(fragment: Body, events: list[Event]):
    decoder = begun("openai")
    decoder.feed(sent(chat({"tool_calls": [{**TOOL, "type": "function"}]})) + sent(chat({"tool_calls": [FRAGMENT]})))
    assert decoder.feed(sent(chat({"tool_calls": [fragment]}))) == events
    assert decoder.feed(sent(chat({"content": "b", "tool_calls": [FRAGMENT]})))[0] == TextDelta("b")


def test_what_follows_a_thought_is_read_whole():
    decoder = begun("openai")
    thought = sent(chat({"reasoning_content": "r", "content": None}))
    decoder.feed(thought)
    details = [{"type": "reasoning.text", "index": 0}]
    assert decoder.feed(thought) == [ReasoningDelta("r")]
    assert decoder.feed(sent(chat({"content": "b", "reasoning_content": "r"}))) == [ReasoningDelta("r"), TextDelta("b")]
    decoder.feed(thought)
    assert decoder.feed(sent(chat({"reasoning": "r", "reasoning_details": details}))) == [
        ReasoningDelta("r"),
        PartDelta({"reasoning_details": details}),
    ]
