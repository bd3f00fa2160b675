"""The server half: what clients of OpenAI's API send and expect."""

import json

import pytest

from penstock.call import Call, Choice, Completion, Finished, Started, TextDelta, Usage, UsageUpdate
from penstock.catalog import vendor
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.wire.openai import OpenAICodec

CODEC = OpenAICodec(vendor("sim"))
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def heard(path: str, body, method: str = "POST") -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return CODEC.decode_request(WireRequest(method, f"http://127.0.0.1:4100{path}", {}, data))


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/v1/chat/completions", "chat", CHAT),
        ("/openai/v1/chat/completions?api-version=1", "chat", CHAT),
        ("/v1/completions", "completion", {"model": "m", "prompt": "once"}),
        ("/v1/embeddings/", "embedding", {"model": "m", "input": ["a"]}),
    ],
)
def test_the_path_decides_the_kind(path, kind, body):
    call = heard(path, body)
    assert (call.kind, call.model, call.body, call.stream) == (kind, "m", body, False)


def test_a_stream_is_asked_for_in_the_body():
    assert heard("/v1/chat/completions", {**CHAT, "stream": True}).stream
    assert not heard("/v1/chat/completions", {**CHAT, "stream": None}).stream


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "could not parse"),
        (b"\xff", "could not parse"),
        (b"[" * 100_000, "could not parse"),
        ([], "not an object"),
        ({**CHAT, "model": None}, "model"),
        ({**CHAT, "model": 7}, "model"),
        ({**CHAT, "stream": "yes"}, "stream"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": "hi"}, "messages"),
        ({"model": "m", "messages": ["hi"]}, "messages"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_malformed_request_is_refused_with_what_was_expected(body, says):
    with pytest.raises(CallError) as caught:
        heard("/v1/chat/completions", body)
    assert (caught.value.kind, caught.value.status) == ("bad_request", 400)
    assert says in caught.value.message


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/completions", {"model": "m", "prompt": {}}), ("/v1/embeddings", {"model": "m", "input": 1})],
)
def test_prompts_and_inputs_have_a_type(path, body):
    with pytest.raises(CallError, match="expected a string or an array"):
        heard(path, body)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/v1/images", 404), ("GET", "/v1/chat/completions", 405)]
)
def test_unknown_urls_and_methods_have_their_status(method, path, status):
    with pytest.raises(CallError) as caught:
        heard(path, CHAT, method)
    assert CODEC.encode_error(caught.value).status == status


def test_a_reply_has_openais_shape():
    choice = Choice({"role": "assistant", "content": "Hello"}, "stop", "end_turn")
    answer = Completion(choices=(choice,), usage=Usage(9, 5, 4, 3), model="m", id="c", created=7, request_id="req_1")
    reply = CODEC.encode_reply(answer)
    assert reply.headers["x-request-id"] == "req_1"
    assert json.loads(reply.body) == {
        "id": "c",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [{"index": 0, "message": choice.message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 9,
            "completion_tokens": 5,
            "total_tokens": 14,
            "prompt_tokens_details": {"cached_tokens": 4},
            "completion_tokens_details": {"reasoning_tokens": 3},
        },
    }  # fmt: skip


def test_a_text_completion_has_its_own_shape():
    answer = Completion(kind="completion", choices=(Choice({"role": "assistant", "content": "upon"}, "length"),))
    body = json.loads(CODEC.encode_reply(answer).body)
    assert body["object"] == "text_completion"
    assert body["choices"] == [{"index": 0, "text": "upon", "logprobs": None, "finish_reason": "length"}]


def test_vectors_go_out_in_the_format_that_was_asked_for():
    answer = Completion(kind="embedding", vectors=([1.0, -2.0],), usage=Usage(3))
    call = Call(id="1", model="m", body={"input": "a", "encoding_format": "base64"}, kind="embedding")
    assert json.loads(CODEC.encode_reply(answer).body)["data"][0]["embedding"] == [1.0, -2.0]
    assert json.loads(CODEC.encode_reply(answer, call).body)["data"][0]["embedding"] == "AACAPwAAAMA="


def streamed(options) -> list:
    call = Call(id="1", model="m", body={"stream_options": options}, stream=True)
    encoder = CODEC.encoder(call, model="m", id="c")
    events = [
        Started("m", "c", 7),
        TextDelta("Hel"),
        TextDelta("lo"),
        Finished("stop", "stop"),
        UsageUpdate(Usage(1, 2)),
    ]
    frames = (encoder.feed(events) + encoder.end()).decode().split("\n\n")
    return [json.loads(frame[6:]) if frame != "data: [DONE]" else frame for frame in frames if frame]


def test_a_stream_is_what_openai_sends():
    *chunks, done = streamed(None)
    assert done == "data: [DONE]"
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": ""},
        {"content": "Hel"},
        {"content": "lo"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert {(c["id"], c["object"], c["created"], c["model"]) for c in chunks} == {
        ("c", "chat.completion.chunk", 7, "m")
    }
    assert not any("usage" in chunk for chunk in chunks)


def test_usage_goes_out_only_when_asked_for():
    *chunks, last, _ = streamed({"include_usage": True})
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 3
    assert [chunk["usage"] for chunk in chunks] == [None] * 4


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (CallError("rate_limited", "slow"), 429, "rate_limit_exceeded"),
        (CallError("quota_exhausted", "broke"), 429, "insufficient_quota"),
        (CallError("overloaded", "busy", status=529), 529, "overloaded"),
        (CallError("overloaded", "busy", status=429), 503, "overloaded"),
        (CallError("auth", "no", status=403), 403, "invalid_api_key"),
        (CallError("bad_request", "no model", status=404, code="model_not_found"), 404, "model_not_found"),
        (
            CallError("context_too_long", "long", status=200, code="string_above_max_length"),
            400,
            "string_above_max_length",
        ),
        (CallError("context_too_long", "long", code="invalid_api_key"), 400, "context_length_exceeded"),
        (CallError("timeout", "silent"), 504, "upstream_timeout"),
        (CallError("transport", "cut"), 502, "upstream_connection_failed"),
    ],
    ids=lambda value: getattr(value, "kind", value),
)
def test_an_error_has_openais_shape_and_the_right_status(error, status, code):
    reply = CODEC.encode_error(error)
    body = json.loads(reply.body)["error"]
    assert (reply.status, body["code"], body["message"]) == (status, code, error.message)
    assert set(body) == {"message", "type", "param", "code"}


def test_an_error_says_how_long_to_wait():
    headers = CODEC.encode_error(CallError("rate_limited", "slow", retry_after_s=1.25)).headers
    assert (headers["retry-after"], headers["retry-after-ms"]) == ("2", "1250")
    assert "retry-after" not in CODEC.encode_error(CallError("rate_limited", "slow")).headers
