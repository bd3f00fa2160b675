"""What Cohere's answers and streams mean, and its refusals."""

import json
import struct
from base64 import b64encode

import pytest
from tests.wire.cohere_given import CODEC, answer, sse, streamed

from penstock.call import Call, Usage
from penstock.errors import CallError
from penstock.http import WireReply

USAGE = {"billed_units": {"input_tokens": 7, "output_tokens": 88}, "tokens": {"input_tokens": 69, "output_tokens": 89}}
CALL = {"id": "f_1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}


def whole(finish="COMPLETE", usage=None, **message):
    message.setdefault("content", [{"type": "text", "text": "Big."}])
    return answer({"id": "i", "message": {"role": "assistant", **message}, "finish_reason": finish, "usage": usage})


@pytest.mark.parametrize(
    ("raw", "finish"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("ERROR_TOXIC", "content_filter"),
        ("NEW_WORD", "unknown"),
        (None, "unknown"),
    ],
)
def test_endings(raw, finish):
    completion = whole(raw)
    assert (completion.finish, completion.choices[0].finish_raw, completion.text) == (finish, raw, "Big.")


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (USAGE, Usage(69, 89)),
        ({**USAGE, "cached_tokens": 64}, Usage(69, 89, 64)),
        ({"billed_units": {"input_tokens": 7.0, "output_tokens": 88.0}}, Usage(7, 88)),
        ({"billed_units": {"search_units": 1}}, None),
        (None, None),
        ("many", None),
    ],
)
def test_what_was_read_and_written_counts_before_what_is_paid(said, usage):
    assert whole(usage=said).usage == usage


def test_a_plan_and_thoughts_are_reasoning_and_no_text():
    planned = whole("TOOL_CALL", content=None, tool_plan="I look.", tool_calls=[CALL]).message
    assert planned == {
        "role": "assistant",
        "content": None,
        "reasoning_content": "I look.",
        "tool_calls": [CALL],
    }
    thought = whole(content=[{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Big."}]).message
    assert (thought["content"], thought["reasoning_content"]) == ("Big.", "Hm.")


def test_citations_stay_with_the_message():
    cited = [{"start": 0, "end": 3, "text": "Big", "sources": [{"type": "document", "id": "doc:0"}]}]
    assert whole(citations=cited).message["citations"] == cited


def test_log_probabilities_have_openais_form():
    body = {
        "message": {"content": [{"type": "text", "text": "Big."}]},
        "finish_reason": "COMPLETE",
        "logprobs": [{"text": "Big", "token_ids": [1], "logprobs": [-0.5]}, {"text": ".", "logprobs": None}],
    }
    (choice,) = answer(body).choices
    assert [(one["token"], one["logprob"]) for one in choice.logprobs["content"]] == [("Big", -0.5)]


def test_an_answer_of_the_first_version_is_read():
    completion = answer(
        {
            "text": "Big.",
            "generation_id": "g",
            "finish_reason": "COMPLETE",
            "meta": {"tokens": {"input_tokens": 3, "output_tokens": 4}, "billed_units": {"input_tokens": 1}},
        }
    )
    assert (completion.text, completion.id, completion.usage) == ("Big.", "g", Usage(3, 4))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "transport"),
        (b"<html>", "transport"),
        (b"[]", "transport"),
        (b"{}", "transport"),
        (b'{"id":"x","message":"invalid api token"}', "auth"),
        (b'{"message":{"content":[]},"finish_reason":"COMPLETE"}', "empty"),
        (b'{"message":{"content":[]},"finish_reason":"ERROR"}', "server_error"),
        (b'{"message":{"content":[]},"finish_reason":"TIMEOUT"}', "timeout"),
        (b'{"message":{"content":[{"type":"text","text":"\xff"}]},"finish_reason":"COMPLETE"}', "transport"),
    ],
)
def test_a_200_is_not_yet_a_success(body, kind):
    with pytest.raises(CallError) as caught:
        CODEC.decode_reply(Call(id="", model="m", body={}), WireReply(200, {"x-debug-trace-id": "t"}, body))
    assert (caught.value.kind, caught.value.status, caught.value.request_id) == (kind, 200, "t")


def test_cut_short_with_nothing_to_show_is_an_answer():
    assert whole("MAX_TOKENS", content=[]).finish == "length"


# -- streams

START = {"type": "message-start", "id": "i", "delta": {"message": {"role": "assistant", "content": []}}}


def end(finish="COMPLETE", **more):
    return {"type": "message-end", "delta": {"finish_reason": finish, **more}}


def delta(at=0, **content):
    return {"type": "content-delta", "index": at, "delta": {"message": {"content": content}}}


def tool(kind, at, **call):
    return {"type": f"tool-call-{kind}", "index": at, "delta": {"message": {"tool_calls": call}}}


def test_a_stream_of_text():
    completion = streamed(sse(START, delta(text="Bi"), delta(text="g."), end(usage=USAGE)) + b"data: [DONE]\n\n")
    assert (completion.text, completion.finish, completion.usage, completion.id) == ("Big.", "stop", Usage(69, 89), "i")


def test_a_stream_needs_no_terminator():
    assert streamed(sse(START, delta(text="Big."), end())).text == "Big."


def test_a_stream_of_thoughts_a_plan_and_calls_that_take_turns():
    plan = {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I look."}}}
    calls = [
        tool("start", 3, id="a", type="function", function={"name": "f", "arguments": ""}),
        tool("start", 5, id="b", type="function", function={"name": "g", "arguments": '{"y"'}),
        tool("delta", 3, function={"arguments": '{"x":'}),
        tool("delta", 5, function={"arguments": ":2}"}),
        tool("delta", 3, function={"arguments": "1}"}),
        {"type": "tool-call-end", "index": 3},
    ]
    completion = streamed(sse(START, delta(thinking="Hm. "), plan, *calls, end("TOOL_CALL")))
    made = [(one["id"], one["function"]) for one in completion.message["tool_calls"]]
    assert made == [("a", {"name": "f", "arguments": '{"x":1}'}), ("b", {"name": "g", "arguments": '{"y":2}'})]
    assert (completion.message["reasoning_content"], completion.finish) == ("Hm. I look.", "tool_calls")


def test_citations_of_a_stream_stay_with_the_message():
    cited = {"start": 0, "end": 3, "text": "Big", "sources": []}
    begin = {"type": "citation-start", "index": 0, "delta": {"message": {"citations": cited}}}
    completion = streamed(sse(START, delta(text="Big."), begin, {"type": "citation-end", "index": 0}, end()))
    assert completion.message["citations"] == [cited]


def test_a_piece_of_text_that_says_more_is_read_whole():
    told = {"logprobs": {"text": "g.", "logprobs": [-0.5]}}
    thought = delta(text="!", thinking="Hm.")
    completion = streamed(sse(START, delta(text="Bi"), {**delta(text="g."), **told}, thought, delta(text="!"), end()))
    assert (completion.text, completion.message["reasoning_content"]) == ("Big.!!", "Hm.")
    assert [one["token"] for one in completion.choices[0].logprobs["content"]] == ["g."]


def test_what_is_unknown_in_a_stream_is_passed_over():
    assert streamed(sse(START, {"type": "debug", "prompt": "x"}, {"type": "new"}, delta(text="a"), end())).text == "a"


@pytest.mark.parametrize(
    ("data", "kind", "partial"),
    [
        (b"", "transport", ""),
        (b"<html><title>502</title>", "transport", ""),
        (sse(START), "transport", ""),
        (sse(START, delta(text="Bi")), "transport", "Bi"),
        (sse(START, delta(text="Bi"), end("ERROR", error="the model is overloaded")), "overloaded", "Bi"),
        (sse(START, delta(text="Bi"), end("ERROR")), "server_error", "Bi"),
        (sse(START, delta(text="Bi"), end("TIMEOUT")), "timeout", "Bi"),
        (sse(START, end()) + b"data: [DONE]\n\n", "empty", ""),
        (sse(START, delta(text="Bi")) + b'data: {"id":"x","message":"too many tokens"}\n\n', "context_too_long", "Bi"),
        (b'{"id":"x","message":"invalid api token"}', "auth", ""),
    ],
)
def test_a_stream_that_fails_says_why_and_keeps_what_came(data, kind, partial):
    with pytest.raises(CallError) as caught:
        streamed(data)
    assert (caught.value.kind, caught.value.partial) == (kind, partial)


def test_a_stream_of_the_first_version_is_read():
    lines = [
        {"event_type": "stream-start", "generation_id": "g"},
        {"event_type": "text-generation", "text": "Big"},
        {"event_type": "text-generation", "text": "."},
        {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"meta": USAGE}},
    ]
    completion = streamed(b"".join([json.dumps(line).encode() + b"\n" for line in lines]))
    assert (completion.text, completion.id, completion.usage, completion.finish) == ("Big.", "g", Usage(69, 89), "stop")


# -- embeddings

EMBEDDING = Call(id="", model="m", kind="embedding", body={"input": ["a", "b"]})
BASE64 = b64encode(struct.pack("<2f", 0.5, -1.0)).decode()


@pytest.mark.parametrize(
    "embeddings",
    [
        {"float": [[0.5, -1.0], [1, 2]]},
        [[0.5, -1.0], [1, 2]],
        {"base64": [BASE64, b64encode(struct.pack("<2f", 1, 2)).decode()]},
    ],
)
def test_vectors_come_in_the_inputs_order(embeddings):
    completion = answer({"embeddings": embeddings, "meta": {"billed_units": {"input_tokens": 4}}}, EMBEDDING)
    assert [list(vector) for vector in completion.vectors] == [[0.5, -1.0], [1.0, 2.0]]
    assert completion.usage == Usage(4)


@pytest.mark.parametrize(
    "embeddings", [{"float": [[1.0]]}, {"float": []}, {"float": [["a"], ["b"]]}, {"base64": ["*", "*"]}, None, 3]
)
def test_vectors_that_arent_those_of_the_inputs_are_no_answer(embeddings):
    with pytest.raises(CallError) as caught:
        answer({"embeddings": embeddings}, EMBEDDING)
    assert caught.value.kind == "transport"


# -- refusals


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (401, "invalid api token", "auth"),
        (401, "no api key supplied", "auth"),
        (400, "invalid request: message is required", "bad_request"),
        (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081", "context_too_long"),
        (402, "please add or update your payment method", "quota_exhausted"),
        (403, "no access", "auth"),
        (404, "model 'x' was removed on September 15, 2025", "bad_request"),
        (422, "unprocessable", "bad_request"),
        (429, "You are using a Trial key, which is limited to 20 API calls / minute.", "rate_limited"),
        (429, "You are using a Trial key, which is limited to 1000 API calls / month.", "quota_exhausted"),
        (498, "blocked input", "content_filtered"),
        (498, "x", "content_filtered"),
        (499, "client closed request", "server_error"),
        (500, "too many tokens in here, says the server", "server_error"),
        (501, "not implemented", "bad_request"),
        (503, "unavailable", "overloaded"),
        (504, "timed out", "server_error"),
    ],
)
def test_every_refusal_has_its_class(status, message, kind):
    body = json.dumps({"id": "x", "message": message}).encode()
    error = CODEC.classify(WireReply(status, {"x-debug-trace-id": "t", "retry-after": "7"}, body))
    assert (error.kind, error.status, error.message, error.request_id) == (kind, status, message, "t")


def test_a_trial_key_is_told_its_calls():
    limits = CODEC.rate_limits({"x-trial-endpoint-call-limit": "20", "x-trial-endpoint-call-remaining": "3"})
    assert limits is not None
    assert (limits.requests_limit, limits.requests_remaining, limits.requests_window_s) == (20, 3, 60.0)
    assert CODEC.rate_limits({}) is None
    assert CODEC.rate_limits({"x-trial-endpoint-call-limit": "many"}) is None
