"""What Ollama's answers and streams mean, and its refusals."""

import json

import pytest
from tests.wire.ollama_given import ASKED, CODEC, answer, lines, streamed

from penstock.call import Call, Choice, Completion, Finished, Started, ToolDelta, Usage
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.wire.calls import id_of_its_own

CREATED = "2024-05-24T20:01:31.01558Z"
CALL = {"function": {"name": "f", "arguments": {"x": 1}}}


def whole(done_reason="stop", **more):
    message = {"role": "assistant", "content": "Big.", **more.pop("message", {})}
    end = {} if done_reason is None else {"done_reason": done_reason}
    return answer({"model": "m", "created_at": CREATED, "message": message, "done": True, **end, **more})


@pytest.mark.parametrize(
    ("raw", "finish"),
    [("stop", "stop"), ("length", "length"), (None, "stop"), ("load", "unknown"), ("new", "unknown")],
)
def test_endings(raw, finish):
    completion = whole(raw)
    assert (completion.finish, completion.choices[0].finish_raw, completion.text) == (finish, raw, "Big.")
    assert (completion.model, completion.created) == ("m", 1716580891)


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        ({"prompt_eval_count": 17, "eval_count": 66}, Usage(17, 66)),
        ({"eval_count": 79}, Usage(0, 79)),
        ({}, None),
    ],
)
def test_counts_are_usage(said, usage):
    assert whole(**said).usage == usage


@pytest.mark.parametrize("created", ["", "yesterday", "9999-99-99T00:00:00Z"])
def test_a_time_that_is_none_is_no_error(created):
    assert answer({"message": {"content": "x"}, "done": True, "created_at": created}).created == 0


def test_thoughts_are_reasoning_and_calls_get_what_they_lack():
    completion = whole(message={"content": "", "thinking": "Hm.", "tool_calls": [CALL, {**CALL, "id": "call_x"}]})
    message = completion.message
    assert (message["content"], message["reasoning_content"], completion.finish) == (None, "Hm.", "tool_calls")
    function = {"name": "f", "arguments": '{"x": 1}'}
    assert message["tool_calls"] == [
        {"id": id_of_its_own(CREATED, 0, *function.values()), "type": "function", "function": function},
        {"id": "call_x", "type": "function", "function": function},
    ]


def test_log_probabilities_have_openais_form():
    (choice,) = whole(logprobs=[{"token": "Big", "logprob": -0.5, "top_logprobs": []}]).choices
    assert choice.logprobs == {"content": [{"token": "Big", "logprob": -0.5, "bytes": None, "top_logprobs": []}]}


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "transport"),
        (b"<html>", "transport"),
        (b"[]", "transport"),
        (b"{}", "transport"),
        (b'{"error":"model \'x\' not found"}', "bad_request"),
        (b'{"message":{"content":""},"done":true,"done_reason":"load"}', "empty"),
        (b'{"message":{"content":"Bi"},"done":false}', "transport"),
        (b'{"message":{"content":"\xff"},"done":true}', "transport"),
    ],
)
def test_a_200_is_not_yet_a_success(body, kind):
    with pytest.raises(CallError) as caught:
        CODEC.decode_reply(ASKED, WireReply(200, {}, body))
    assert (caught.value.kind, caught.value.status) == (kind, 200)


def piece(text="", done=False, **more):
    return {
        "model": "m",
        "created_at": CREATED,
        "message": {"role": "assistant", "content": text},
        "done": done,
        **more,
    }


END = piece(done=True, done_reason="stop", prompt_eval_count=17, eval_count=50)


def test_a_stream_of_lines():
    completion = streamed(lines(piece("Bi"), piece("g.\u2028"), END))
    assert (completion.text, completion.finish, completion.usage) == ("Big.\u2028", "stop", Usage(17, 50))
    assert (completion.model, completion.created) == ("m", 1716580891)


def test_the_last_line_needs_no_line_break():
    assert streamed(lines(piece("Big."), END).removesuffix(b"\n").replace(b"\n", b"\r\n")).text == "Big."


def test_nothing_is_read_behind_the_end():
    assert streamed(lines(piece("Big."), END, {"error": "too late"})).text == "Big."


def test_thoughts_and_calls_of_a_stream():
    thought = {**piece(), "message": {"role": "assistant", "content": "", "thinking": "Hm."}}
    calls = [{**piece(), "message": {"content": "", "tool_calls": [{**CALL, "id": id_}]}} for id_ in ("a", "b")]
    completion = streamed(lines(thought, *calls, END))
    assert [call["id"] for call in completion.message["tool_calls"]] == ["a", "b"]
    assert completion.message["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"x": 1}'}
    assert (completion.message["reasoning_content"], completion.finish) == ("Hm.", "tool_calls")


def test_a_line_of_text_that_says_more_is_read_whole():
    told = piece("g.", logprobs=[{"token": "g.", "logprob": -0.5}])
    thought = {**piece(), "message": {"content": "!", "thinking": "Hm."}}
    end = {**END, "message": {"role": "assistant", "content": "?"}}
    completion = streamed(lines(piece("Bi"), told, piece("!"), thought, piece("!"), end))
    assert (completion.text, completion.message["reasoning_content"]) == ("Big.!!!?", "Hm.")
    assert [one["token"] for one in completion.choices[0].logprobs["content"]] == ["g."]
    assert completion.usage == Usage(17, 50)


def test_a_stream_of_generated_text():
    call = Call(id="", model="m", kind="completion", body={"prompt": "Once"})
    said = [{"model": "m", "response": text, "done": False} for text in (" upon", " a time")]
    completion = streamed(lines(*said, {"model": "m", "response": "", "done": True, "done_reason": "length"}), call)
    assert (completion.kind, completion.text, completion.finish) == ("completion", " upon a time", "length")


@pytest.mark.parametrize(
    ("data", "kind", "partial"),
    [
        (b"", "transport", ""),
        (b"<html><title>502</title>", "transport", ""),
        (lines(piece("Bi")), "transport", "Bi"),
        (lines(piece("Bi")) + b'{"model":"m","mess', "transport", "Bi"),
        (lines(piece("Bi"), {"error": "an error was encountered while running the model"}), "server_error", "Bi"),
        (lines({"error": "model 'x' not found"}), "bad_request", ""),
        (lines({"error": "server busy, please try again.  maximum pending requests exceeded"}), "overloaded", ""),
        (lines(piece("Bi"), piece(done=True, done_reason="error")), "server_error", "Bi"),
        (lines(END), "empty", ""),
    ],
)
def test_a_stream_that_fails_says_why_and_keeps_what_came(data, kind, partial):
    with pytest.raises(CallError) as caught:
        streamed(data)
    assert (caught.value.kind, caught.value.partial) == (kind, partial)


def test_a_line_that_nobody_can_read_is_counted():
    completion = streamed(lines(piece("Bi")) + b'{"model":\n' + lines(piece("g."), END))
    assert (completion.text, completion.malformed_events) == ("Big.", 1)


EMBEDDING = Call(id="", model="m", kind="embedding", body={"input": ["a", "b"]})


def test_vectors_come_in_the_inputs_order():
    completion = answer({"model": "m", "embeddings": [[0.5], [1]], "prompt_eval_count": 4}, EMBEDDING)
    assert (completion.vectors, completion.usage) == (([0.5], [1]), Usage(4))


def test_the_older_form_of_one_vector_is_read():
    call = Call(id="", model="m", kind="embedding", body={"input": "a"})
    assert answer({"embedding": [0.5]}, call).vectors == ([0.5],)


@pytest.mark.parametrize("embeddings", [[[1.0]], [], [["a"], ["b"]], None, 3, [[], []]])
def test_vectors_that_arent_those_of_the_inputs_are_no_answer(embeddings):
    with pytest.raises(CallError) as caught:
        answer({"embeddings": embeddings}, EMBEDDING)
    assert caught.value.kind == "transport"


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "invalid options: num_ctx", "bad_request"),
        (400, '"gemma" does not support tools', "bad_request"),
        (400, "the input length exceeds the context length", "context_too_long"),
        (401, "unauthorized", "auth"),
        (404, "model 'x' not found", "bad_request"),
        (404, 'model "x" not found, try pulling it first', "bad_request"),
        (429, "you've reached your hourly usage limit, please try again later", "rate_limited"),
        (429, "you've reached your weekly usage limit, please upgrade to continue", "quota_exhausted"),
        (500, "llama runner process has terminated: exit status 2", "server_error"),
        (502, "upstream", "server_error"),
        (503, "server busy, please try again. maximum pending requests exceeded", "overloaded"),
    ],
)
def test_every_refusal_has_its_class(status, message, kind):
    error = CODEC.classify(WireReply(status, {}, json.dumps({"error": message}).encode()))
    assert (error.kind, error.status, error.message) == (kind, status, message)


def test_ollama_tells_no_limits():
    assert CODEC.rate_limits({"x-ratelimit-limit-requests": "5"}) is None


@pytest.mark.parametrize("arguments", ['{"x":\n 1}', "{", "", "[1]"])
def test_a_call_stays_on_its_line_whatever_its_arguments_are(arguments):
    encoder = CODEC.encoder(ASKED, model="m", id="")
    events = [Started("m"), ToolDelta(0, "a", "f", arguments), Finished("tool_calls")]
    data = encoder.feed(events) + encoder.end()
    assert all(isinstance(json.loads(line), dict) for line in data.splitlines())
    message = {"role": "assistant", "content": None, "tool_calls": [{"id": "a", "function": {"name": "f"}}]}
    message["tool_calls"][0]["function"]["arguments"] = arguments
    reply = CODEC.encode_reply(Completion(choices=(Choice(message, "tool_calls"),)))
    assert json.loads(reply.body)["message"]["tool_calls"][0]["function"]["name"] == "f"
