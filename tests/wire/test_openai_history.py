"""What an answer holds beyond OpenAI's own fields, sent back: to those who refuse it, it isn't sent."""

import json

import pytest

from penstock.call import Call
from penstock.catalog import vendor
from penstock.fold import fold
from penstock.http import WireReply
from penstock.testing.exam_codec import read_stream
from penstock.wire.openai import OpenAICodec

SAID = {
    "role": "assistant",
    "content": "4",
    "refusal": None,
    "reasoning_content": "2+2",
    "reasoning_details": [{"type": "reasoning.text", "text": "2+2", "signature": "s"}],
    "annotations": [],
    "extra_content": {"google": {"thought_signature": "s"}},
    "mine": 1,
}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
OTHER = {**CALL, "id": "d"}
PAGE = {"type": "url_citation", "url_citation": {"url": "https://a.test", "title": "A"}}


def sent(name, *messages):
    call = Call(id="1", model="m", body={"messages": [{"role": "user", "content": "?"}, *messages]})
    return json.loads(OpenAICodec(vendor(name)).encode_request(call, "m", stream=False).body)["messages"][1:]


@pytest.mark.parametrize("name", ["openai", "azure", "groq", "cerebras", "perplexity"])
def test_thoughts_signatures_and_sources_are_left_out_where_they_are_refused(name):
    assert sent(name, SAID) == [{"role": "assistant", "content": "4", "refusal": None, "mine": 1}]


def test_fireworks_takes_thoughts_back():
    assert sent("fireworks", SAID)[0].keys() == {"role", "content", "refusal", "mine", "reasoning_content"}


@pytest.mark.parametrize("name", ["deepseek", "openrouter", "vllm", "custom"])
def test_others_get_all_of_it(name):
    assert sent(name, SAID) == [SAID]


def test_a_calls_signature_is_left_out_and_the_call_stays():
    signed = {"role": "assistant", "content": None, "tool_calls": [{**CALL, "extra_content": {"s": 1}}, OTHER]}
    assert sent("groq", signed)[0]["tool_calls"] == [CALL, OTHER]
    assert signed["tool_calls"][0]["extra_content"] == {"s": 1}


def test_reasoning_is_called_the_same_however_it_comes():
    codec, call = OpenAICodec(vendor("groq")), Call(id="1", model="m", body={})
    body = {
        "choices": [{"message": {"role": "assistant", "content": "4", "reasoning": "2+2"}, "finish_reason": "stop"}]
    }
    message = codec.decode_reply(call, WireReply(200, {}, json.dumps(body).encode())).message
    assert message == {"role": "assistant", "content": "4", "reasoning_content": "2+2"}


def test_an_empty_list_of_calls_is_none():
    codec, call = OpenAICodec(vendor("together")), Call(id="1", model="m", body={})
    body = {"choices": [{"message": {"role": "assistant", "content": "4", "tool_calls": []}, "finish_reason": "stop"}]}
    assert "tool_calls" not in codec.decode_reply(call, WireReply(200, {}, json.dumps(body).encode())).message


@pytest.mark.parametrize(
    ("more", "pages"),
    [
        ({"citations": ["https://a.test"]}, [{**PAGE, "url_citation": {"url": "https://a.test", "title": ""}}]),
        ({"citations": ["https://a.test"], "search_results": [{"url": "https://a.test", "title": "A"}]}, [PAGE]),
    ],
)
def test_pages_named_beside_the_choices_are_annotations_streamed_and_whole(more, pages):
    codec, call = OpenAICodec(vendor("perplexity")), Call(id="1", model="m", body={}, stream=True)
    body = {"choices": [{"message": {"role": "assistant", "content": "a[1]"}, "finish_reason": "stop"}], **more}
    assert codec.decode_reply(call, WireReply(200, {}, json.dumps(body).encode())).message["annotations"] == pages
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": "a"}}], **more},
        {"choices": [{"index": 0, "delta": {"content": "[1]"}, "finish_reason": "stop"}], **more},
    ]
    data = b"".join(b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n" for chunk in chunks)
    events, error, _ = read_stream(codec, call, [data])
    assert error is None
    assert fold(events).message == {"role": "assistant", "content": "a[1]", "annotations": pages}
