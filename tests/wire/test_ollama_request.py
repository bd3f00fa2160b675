"""What OpenAI's words become at Ollama, and what can't be said there."""

import json
import logging

import pytest
from tests.wire.exam import check_refused
from tests.wire.ollama_given import CODEC, asking, body_of

from penstock.call import Call
from penstock.catalog import vendor
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.wire.ollama import OllamaCodec

SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
FUNCTION = {"name": "f", "description": "d", "parameters": SCHEMA}
TOOLS = [{"type": "function", "function": FUNCTION}]
CALL = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
BASE = {"model": "m", "messages": [{"role": "user", "content": "?"}], "stream": False}


def said(*messages):
    return body_of(asking(messages=list(messages)))["messages"]


@pytest.mark.parametrize("base", ["http://a.test", "http://a.test/", "http://a.test/api", "http://a.test/v1"])
def test_an_address_is_forgiven(base):
    request = OllamaCodec(vendor("ollama"), base, headers={"X-Me": "1"}).encode_request(asking(), "m", stream=True)
    assert (request.url, request.headers["x-me"]) == ("http://a.test/api/chat", "1")


def test_it_is_always_said_whether_to_stream():
    assert json.loads(CODEC.encode_request(asking(), "m", stream=True).body)["stream"] is True
    assert body_of(asking())["stream"] is False


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"max_tokens": 5}, {"options": {"num_predict": 5}}),
        ({"max_completion_tokens": 5}, {"options": {"num_predict": 5}}),
        ({"temperature": 0, "seed": 1, "top_p": 0.5}, {"options": {"temperature": 0, "seed": 1, "top_p": 0.5}}),
        ({"stop": "x"}, {"options": {"stop": ["x"]}}),
        ({"num_ctx": 8192, "options": {"mirostat": 1}}, {"options": {"num_ctx": 8192, "mirostat": 1}}),
        ({"keep_alive": "5m", "think": True}, {"keep_alive": "5m", "think": True}),
        ({"reasoning_effort": "none"}, {"think": False}),
        ({"reasoning_effort": "minimal"}, {"think": "low"}),
        ({"reasoning_effort": "high"}, {"think": "high"}),
        ({"response_format": {"type": "json_object"}}, {"format": "json"}),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}, {"format": SCHEMA}),
        ({"response_format": {"type": "text"}}, {}),
        ({"tools": TOOLS, "tool_choice": "auto", "parallel_tool_calls": True}, {"tools": TOOLS}),
        ({"tools": TOOLS, "tool_choice": "none"}, {}),
        ({"tools": [{"type": "function", "function": {**FUNCTION, "strict": True}}]}, {"tools": TOOLS}),
        ({"logprobs": True, "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"n": 1, "logit_bias": {}}, {}),
    ],
    ids=str,
)
def test_parameters_are_translated(asked, sent):
    assert body_of(asking(**asked)) == {**BASE, **sent}


@pytest.mark.parametrize(
    "asked",
    [
        {"n": 2},
        {"logit_bias": {"1": 5}},
        {"tools": TOOLS, "tool_choice": "required"},
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "f"}}},
        {"tools": TOOLS, "parallel_tool_calls": False},
        {"tools": [{"type": "web_search"}]},
        {"response_format": {"type": "grammar"}},
        {"messages": "hello"},
        {"messages": [{"role": "critic", "content": "?"}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test"}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]},
    ],
    ids=str,
)
def test_what_cant_be_said_is_refused_before_it_is_sent(asked):
    with pytest.raises(CallError) as caught:
        body_of(asking(**asked))
    assert (caught.value.kind, caught.value.sent) == ("bad_request", False)


def test_what_an_answer_doesnt_need_is_left_out_and_said(caplog):
    with caplog.at_level(logging.WARNING, "penstock.wire"):
        assert body_of(asking(user="me", store=True, stream_options={})) == BASE


def test_images_stand_beside_the_text():
    parts = [
        {"type": "text", "text": "See"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "text", "text": "this"},
    ]
    assert said({"role": "user", "content": parts}) == [{"role": "user", "content": "See\nthis", "images": ["AAAA"]}]


def test_calls_hold_objects_and_results_their_tools_name():
    assert said(
        {"role": "developer", "content": "be brief"},
        {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "t1", "content": "3"},
    ) == [
        {"role": "system", "content": "be brief"},
        {
            "role": "assistant",
            "content": "",
            "thinking": "Hm.",
            "tool_calls": [{"id": "t1", "function": {"index": 0, "name": "f", "arguments": {"x": 1}}}],
        },
        {"role": "tool", "content": "3", "tool_name": "f", "tool_call_id": "t1"},
    ]


def test_an_answer_that_broke_is_continued():
    call = Call(id="", model="m", prefill=True, body={"messages": [{"role": "assistant", "content": "It is"}]})
    assert body_of(call)["messages"] == [{"role": "assistant", "content": "It is"}]
    assert CODEC.prefills("llama3.2")
    with pytest.raises(CallError, match="continues no"):
        CODEC.encode_request(call, "deepseek-r1", stream=True)


def test_text_completions_go_to_generate():
    call = Call(id="", model="m", kind="completion", body={"prompt": ["Once"], "max_tokens": 5, "raw": True})
    request = CODEC.encode_request(call, "m", stream=False)
    assert request.url.endswith("/api/generate")
    body = json.loads(request.body)
    assert body == {"model": "m", "prompt": "Once", "stream": False, "raw": True, "options": {"num_predict": 5}}


@pytest.mark.parametrize("body", [{"prompt": ["a", "b"]}, {"prompt": [1]}, {}, {"prompt": "x", "best_of": 3}])
def test_one_text_is_completed_at_a_time(body):
    with pytest.raises(CallError):
        CODEC.encode_request(Call(id="", model="m", kind="completion", body=body), "m", stream=False)


def test_embeddings_go_to_embed():
    call = Call(
        id="", model="m", kind="embedding", body={"input": ["a"], "dimensions": 64, "encoding_format": "base64"}
    )
    request = CODEC.encode_request(call, "m", stream=False)
    assert request.url.endswith("/api/embed")
    assert json.loads(request.body) == {"model": "m", "input": ["a"], "dimensions": 64}
    with pytest.raises(CallError, match="only texts"):
        CODEC.encode_request(Call(id="", model="m", kind="embedding", body={"input": [1]}), "m", stream=False)


@pytest.mark.parametrize(
    ("url", "method", "body", "status"),
    [
        ("/api/other", "POST", b"{}", 404),
        ("/api/chat", "GET", b"{}", 405),
        ("/api/chat", "POST", b"{", 400),
        ("/api/chat", "POST", b"[]", 400),
        ("/api/chat", "POST", b'{"model":"m","messages":[]}', 400),
        ("/api/chat", "POST", b'{"model":"m","messages":[3]}', 400),
        ("/api/generate", "POST", b'{"model":"m"}', 400),
        ("/api/embed", "POST", b'{"model":"m","input":3}', 400),
    ],
)
def test_what_is_no_request_is_refused_by_the_server_half(url, method, body, status):
    check_refused(CODEC, WireRequest(method, "http://a.test" + url, {}, body), status)


def heard(**body):
    said = {"model": "m", "messages": [{"role": "user", "content": "?"}], **body}
    return CODEC.decode_request(WireRequest("POST", "http://a.test/api/chat", {}, json.dumps(said).encode()))


def test_a_client_that_says_nothing_of_it_gets_a_stream():
    assert heard().stream
    assert not heard(stream=False).stream


def test_the_server_half_hears_what_was_asked():
    call = heard(options={"num_predict": 5, "num_ctx": 8, "new": 1}, format=SCHEMA, think="low", keep_alive=0)
    assert {name: value for name, value in call.body.items() if name != "messages"} == {
        "max_tokens": 5,
        "num_ctx": 8,
        "options": {"new": 1},
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
        "reasoning_effort": "low",
        "keep_alive": 0,
    }


def test_calls_without_an_id_get_one_and_results_belong_to_them():
    calls = [{"function": {"name": name, "arguments": {"x": 1}}} for name in ("f", "g")]
    messages = heard(
        messages=[
            {"role": "user", "content": "See", "images": ["iVBORAAA"]},
            {"role": "assistant", "content": "", "tool_calls": calls},
            {"role": "tool", "tool_name": "g", "content": "2"},
            {"role": "tool", "tool_name": "f", "content": "1"},
        ]
    ).body["messages"]
    made = {call["function"]["name"]: call["id"] for call in messages[1]["tool_calls"]}
    assert [message["tool_call_id"] for message in messages[2:]] == [made["g"], made["f"]]
    assert messages[0]["content"][1]["image_url"]["url"] == "data:image/png;base64,iVBORAAA"
