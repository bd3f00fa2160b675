"""Ids of tool calls: where a wire gives none, where two share one, and after a fallback to another wire."""

import json
from itertools import pairwise

import pytest

from penstock.call import Call
from penstock.catalog import vendor
from penstock.fold import fold
from penstock.http import WireReply
from penstock.testing.exam_codec import read_stream
from penstock.wire.anthropic import AnthropicCodec
from penstock.wire.bedrock import BedrockCodec
from penstock.wire.calls import id_of_its_own, with_ids
from penstock.wire.cohere import CohereCodec
from penstock.wire.gemini import GeminiCodec
from penstock.wire.ollama import OllamaCodec
from penstock.wire.openai import OpenAICodec
from penstock.wire.responses import ResponsesCodec

CODECS = {
    "openai": OpenAICodec(vendor("openai")),
    "mistral": OpenAICodec(vendor("mistral")),
    "groq": OpenAICodec(vendor("groq")),
    "anthropic": AnthropicCodec(vendor("anthropic")),
    "bedrock": BedrockCodec(vendor("bedrock"), "https://bedrock.invalid"),
    "gemini": GeminiCodec(vendor("gemini")),
    "cohere": CohereCodec(vendor("cohere")),
    "ollama": OllamaCodec(vendor("ollama")),
    "responses": ResponsesCodec(vendor("openai")),
}
ASKED = [{"role": "user", "content": "?"}]
CALL = Call(id="1", model="m", body={"messages": ASKED})
STREAMED = Call(id="1", model="m", body={"messages": ASKED}, stream=True)
_NAMED = ("tool_call_id", "tool_use_id", "toolUseId", "call_id", "id")


def gemini_body(**more):
    calls = [{"functionCall": {"name": "look", "args": {"at": at}}} for at in ("a", "a", "b")]
    end = {"content": {"role": "model", "parts": calls}, "finishReason": "STOP", "index": 0}
    return json.dumps({"candidates": [end], **more}).encode()


def ollama_body(when="2026-01-01T00:00:00.5Z"):
    calls = [{"function": {"name": "look", "arguments": {"at": at}}} for at in ("a", "a", "b")]
    message = {"role": "assistant", "content": "", "tool_calls": calls}
    return json.dumps({"model": "m", "created_at": when, "message": message, "done": True}).encode()


def openai_body():
    calls = [{"type": "function", "function": {"name": "look", "arguments": '{"at":"a"}'}} for _ in range(2)]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    return json.dumps({"id": "x", "model": "m", "choices": [{"message": message, "finish_reason": "tool_calls"}]})


def answer(wire, body):
    return CODECS[wire].decode_reply(CALL, WireReply(200, {}, body)).message


def ids_of(message):
    return [call["id"] for call in message["tool_calls"]]


def two_steps(first, second):
    history = [*ASKED]
    for step, message in enumerate((first, second)):
        history.append(message)
        history += [
            {"role": "tool", "tool_call_id": id_, "content": f"result {step} {at}"}
            for at, id_ in enumerate(ids_of(message))
        ]
    return history


def found(value, results, calls):
    """Ids of the calls and of the results in a request, in their order, whatever the wire calls them."""
    if isinstance(value, list):
        for one in value:
            found(one, results, calls)
    elif isinstance(value, dict):
        id_ = next((value[name] for name in _NAMED if isinstance(value.get(name), str)), None)
        text = json.dumps(value)
        below = sum(text.count(f"result {step} {at}") for step in range(2) for at in range(3))
        if id_ is not None and below == 1:
            results.append((id_, next(said for said in _RESULTS if said in text)))
        elif id_ is not None and "look" in text and below == 0:
            calls.append(id_)
        else:
            for one in value.values():
                found(one, results, calls)


_RESULTS = [f"result {step} {at}" for step in range(2) for at in range(3)]


@pytest.mark.parametrize("wire", CODECS)
@pytest.mark.parametrize("more", [{}, {"responseId": "one"}], ids=["bare", "one id"])
def test_two_steps_of_gemini_go_on_anywhere(wire, more):
    message = answer("gemini", gemini_body(**more))
    history = two_steps(message, message)
    request = CODECS[wire].encode_request(Call(id="2", model="m", body={"messages": history}), "m", stream=False)
    results, calls = [], []
    found(json.loads(request.body), results, calls)
    assert len(set(calls)) == len(calls) == 6
    assert results == list(zip(calls, _RESULTS, strict=True))


@pytest.mark.parametrize("wire", CODECS)
def test_ids_that_a_wire_spells_alike_stay_apart(wire):
    message = {"role": "assistant", "content": None, "tool_calls": [looking("a b"), looking("a_b"), looking("a/b")]}
    request = CODECS[wire].encode_request(
        Call(id="2", model="m", body={"messages": two_steps(message, message)}), "m", stream=False
    )
    results, calls = [], []
    found(json.loads(request.body), results, calls)
    assert len(set(calls)) == len(calls) == 6
    assert results == list(zip(calls, _RESULTS, strict=True))


def looking(id_):
    return {"id": id_, "type": "function", "function": {"name": "look", "arguments": "{}"}}


def test_steps_that_were_answered_apart_have_ids_apart():
    for wire, bodies in {
        "gemini": (gemini_body(responseId="a"), gemini_body(responseId="b")),
        "ollama": (ollama_body(), ollama_body("2026-01-01T00:00:01.5Z")),
    }.items():
        ids = [id_ for body in bodies for id_ in ids_of(answer(wire, body))]
        assert len(set(ids)) == 6, wire


@pytest.mark.parametrize(
    ("wire", "body"),
    [("gemini", gemini_body()), ("ollama", ollama_body()), ("openai", openai_body().encode())],
    ids=["gemini", "ollama", "openai"],
)
def test_made_ids_are_those_of_the_same_answer_always(wire, body):
    ids = ids_of(answer(wire, body))
    assert ids == ids_of(answer(wire, body))
    assert len(set(ids)) == len(ids)
    data = {"gemini": b"data: " + body + b"\n\n", "ollama": body + b"\n", "openai": streamed_openai()}[wire]
    for cut in range(0, len(data), 7):
        events, error, _ = read_stream(CODECS[wire], STREAMED, [data[:cut], data[cut:]])
        assert error is None
        assert ids_of(fold(events).message) == ids


def chunk(*calls, **more):
    choice = {"index": 0, "delta": {"tool_calls": list(calls)}, **more}
    return b"data: " + json.dumps({"id": "x", "model": "m", "choices": [choice]}).encode() + b"\n\n"


def streamed_openai():
    said = [{"index": at, "function": {"name": "look", "arguments": '{"at":"a"}'}} for at in range(2)]
    return chunk(said[0]) + chunk(said[1], finish_reason="tool_calls") + b"data: [DONE]\n\n"


def test_calls_that_share_an_id_in_a_stream_are_kept_apart_by_their_index():
    begun = [{"index": at, "id": "same", "function": {"name": "look", "arguments": ""}} for at in range(2)]
    rest = [{"index": at, "id": "same", "function": {"arguments": f'{{"at":{at}}}'}} for at in (0, 1)]
    pieces = [chunk(begun[0]), chunk(begun[1]), chunk(rest[0]), chunk(rest[1], finish_reason="tool_calls")]
    events, error, _ = read_stream(CODECS["openai"], STREAMED, [*pieces, b"data: [DONE]\n\n"])
    message = fold(events).message
    assert error is None
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"at":0}', '{"at":1}']
    assert ids_of(message)[0] == "same"
    assert len(set(ids_of(message))) == 2


def test_calls_that_share_an_id_in_one_answer_get_ids_apart():
    calls = [looking("same"), looking("same")]
    body = {"id": "x", "choices": [{"message": {"role": "assistant", "tool_calls": calls}}]}
    ids = ids_of(answer("openai", json.dumps(body).encode()))
    assert ids[0] == "same"
    assert len(set(ids)) == 2


def test_a_history_whose_ids_are_apart_stays_the_same_object():
    step = {"role": "assistant", "content": None, "tool_calls": [looking("a"), looking("b")]}
    history = [*ASKED, step, {"role": "tool", "tool_call_id": "b"}, {"role": "tool", "tool_call_id": "a"}]
    assert with_ids(history) is history
    assert with_ids(ASKED) is ASKED


def test_results_of_calls_that_share_an_id_are_told_by_name_then_by_order():
    calls = [{"id": "call_0", "function": {"name": name, "arguments": "{}"}} for name in ("look", "find", "look")]
    results = [
        {"role": "tool", "tool_call_id": "call_0", "name": "find"},
        {"role": "tool", "tool_call_id": "call_0"},
        {"role": "tool", "tool_call_id": "call_0"},
    ]
    step, *told = with_ids([{"role": "assistant", "tool_calls": calls}, *results])
    first, second, third = ids_of(step)
    assert [one["tool_call_id"] for one in told] == [second, first, third]


def test_a_longer_history_keeps_the_ids_that_it_had():
    message = answer("gemini", gemini_body())
    history = two_steps(message, message)
    longer = two_steps(message, message) + two_steps(message, message)[1:]
    for one, other in pairwise([with_ids(history), with_ids(longer)[: len(history)]]):
        assert one == other


def test_calls_and_results_without_ids_get_them():
    calls = [{"function": {"name": name, "arguments": "{}"}} for name in ("look", "find")]
    step, *results = with_ids([{"role": "assistant", "tool_calls": calls}, {"role": "tool"}, {"role": "tool"}])
    assert ids_of(step) == [one["tool_call_id"] for one in results]
    assert len(set(ids_of(step))) == 2


def test_made_ids_are_fit_for_every_wire():
    made = id_of_its_own("\ud800", 1)
    assert made == id_of_its_own("\ud800", 1) != id_of_its_own("\ud800", 2)
    assert len(made) <= 40
    assert made.replace("_", "").isalnum()


LONG = "chatcmpl-tool-0123456789abcdef0123456789abcdef-0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("codec", "most"),
    [
        *((OpenAICodec(vendor(name)), 40) for name in ("openai", "azure", "openrouter")),
        (CODECS["responses"], 64),
        (CODECS["bedrock"], 64),
    ],
    ids=["openai", "azure", "openrouter", "responses", "bedrock"],
)
def test_longer_ids_than_a_provider_takes_are_exchanged_with_their_results(codec, most):
    message = {"role": "assistant", "content": None, "tool_calls": [looking(LONG + at) for at in "abc"]}
    body = {"messages": two_steps(message, {**message, "tool_calls": [looking("x" * most)]})}
    results, calls = [], []
    found(json.loads(codec.encode_request(Call(id="2", model="m", body=body), "m", stream=False).body), results, calls)
    assert len(set(calls)) == 4
    assert max(map(len, calls)) <= most
    assert calls[-1] == "x" * most
    assert [id_ for id_, _ in results] == calls


def test_long_ids_stay_where_nobody_minds_them():
    message = {"role": "assistant", "content": None, "tool_calls": [looking(LONG)]}
    body = {"messages": two_steps(message, message)[:3]}
    codec = OpenAICodec(vendor("vllm"))
    assert LONG in codec.encode_request(Call(id="2", model="m", body=body), "m", stream=False).body.decode()
