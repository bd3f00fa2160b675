"""What OpenAI's words become at Cohere, and what can't be said there."""

import logging

import pytest
from tests.wire.cohere_given import CODEC, asking, body_of
from tests.wire.exam import check_refused

from penstock.call import Call
from penstock.catalog import Vendor
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.wire.cohere import CohereCodec

THINKER = "command-a-reasoning-08-2025"
SCHEMA = {"type": "object", "properties": {"x": {"type": "integer"}}}
TOOLS = [
    {"type": "function", "function": {"name": name, "description": "d", "parameters": SCHEMA}} for name in ("f", "g")
]
CALL = {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}


def said(*messages, model="command-a-03-2025"):
    return body_of(asking(messages=list(messages)), model)["messages"]


@pytest.mark.parametrize("base", ["https://a.test", "https://a.test/", "https://a.test/v2", "https://a.test/v2/chat"])
def test_an_address_is_forgiven(base):
    codec = CohereCodec(Vendor(name="cohere", title="Cohere"), base, headers={"X-Client-Name": "me"})
    request = codec.encode_request(asking(), "m", stream=True)
    assert (request.url, request.headers["x-client-name"]) == ("https://a.test/v2/chat", "me")


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"top_p": 0.5, "top_k": 7}, {"p": 0.5, "k": 7}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"seed": 1, "temperature": 0}, {"seed": 1, "temperature": 0}),
        ({"n": 1, "logit_bias": {}, "top_logprobs": 0}, {}),
        ({"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}},
            {"response_format": {"type": "json_object", "json_schema": SCHEMA}},
        ),
        ({"tools": TOOLS, "tool_choice": "auto"}, {"tools": TOOLS}),
        ({"tools": TOOLS, "tool_choice": "required"}, {"tools": TOOLS, "tool_choice": "REQUIRED"}),
        ({"tools": TOOLS, "tool_choice": "none"}, {"tools": TOOLS, "tool_choice": "NONE"}),
        (
            {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "g"}}},
            {"tools": TOOLS[1:], "tool_choice": "REQUIRED"},
        ),
        ({"safety_mode": "STRICT", "documents": ["d"]}, {"safety_mode": "STRICT", "documents": ["d"]}),
    ],
)
def test_parameters_are_translated(asked, sent):
    base = {"model": "command-a-03-2025", "messages": [{"role": "user", "content": "?"}], "stream": False}
    assert body_of(asking(**asked)) == {**base, **sent}


def test_strict_tools_are_asked_for_together():
    strict = {"type": "function", "function": {**TOOLS[0]["function"], "strict": True}}
    body = body_of(asking(tools=[strict, TOOLS[1]]))
    assert (body["tools"], body["strict_tools"]) == (TOOLS, True)


@pytest.mark.parametrize(
    ("effort", "thinking"),
    [
        ("none", {"type": "disabled"}),
        ("low", {"type": "enabled", "token_budget": 1024}),
        ("high", {"type": "enabled"}),
    ],
)
def test_an_effort_is_a_budget_of_thoughts(effort, thinking):
    assert body_of(asking(reasoning_effort=effort), THINKER)["thinking"] == thinking


@pytest.mark.parametrize(
    "asked",
    [
        {"n": 2},
        {"top_logprobs": 3},
        {"logit_bias": {"1": 5}},
        {"tools": TOOLS, "parallel_tool_calls": False},
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "nobody"}}},
        {"tools": [{"type": "web_search"}]},
        {"response_format": {"type": "grammar"}},
        {"messages": "hello"},
        {"messages": [{"role": "critic", "content": "?"}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
    ],
    ids=str,
)
def test_what_cant_be_said_is_refused_before_it_is_sent(asked):
    with pytest.raises(CallError) as caught:
        body_of(asking(**asked))
    assert (caught.value.kind, caught.value.sent) == ("bad_request", False)


def test_what_an_answer_doesnt_need_is_left_out_and_said(caplog):
    with caplog.at_level(logging.WARNING, "penstock.wire"):
        body = body_of(asking(verbosity="low", prompt_cache_retention="24h"))
    assert body.keys() == {"model", "messages", "stream"}


def test_roles_and_contents():
    image = {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}}
    assert said(
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "see"}, image]},
        {"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,AAAA"}]},
        {"role": "tool", "tool_call_id": "t1", "content": [{"type": "text", "text": "3"}]},
    ) == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "see"}, image]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"role": "tool", "tool_call_id": "t1", "content": [{"type": "text", "text": "3"}]},
    ]


def test_what_was_thought_before_a_call_is_its_plan():
    message = {"role": "assistant", "content": None, "reasoning_content": "I look.", "tool_calls": [CALL]}
    assert said(message) == [{"role": "assistant", "tool_plan": "I look.", "tool_calls": [CALL]}]


def test_a_model_that_thinks_in_blocks_gets_them_back():
    message = {"role": "assistant", "content": "Big.", "reasoning_content": "Hm."}
    blocks = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Big."}]
    assert said(message, model=THINKER) == [{"role": "assistant", "content": blocks}]
    assert said(message) == [{"role": "assistant", "content": "Big."}]


def embedding(**body):
    return body_of(Call(id="", model="m", kind="embedding", body=body), "embed-v4.0")


def test_inputs_are_embedded_as_documents_unless_told():
    assert embedding(input="a", dimensions=256) == {
        "model": "embed-v4.0",
        "texts": ["a"],
        "input_type": "search_document",
        "embedding_types": ["float"],
        "output_dimension": 256,
    }
    told = embedding(input=["a", "b"], input_type="search_query", truncate="NONE", encoding_format="base64")
    assert (told["input_type"], told["truncate"], told["embedding_types"]) == ("search_query", "NONE", ["base64"])


@pytest.mark.parametrize("given", [[1, 2], [[1]], [], None])
def test_only_texts_are_embedded(given):
    with pytest.raises(CallError, match="only texts"):
        embedding(input=given)


def test_there_are_no_text_completions_and_no_prefill():
    with pytest.raises(CallError, match="don't exist"):
        CODEC.encode_request(Call(id="", model="m", kind="completion", body={"prompt": "x"}), "m", stream=False)
    with pytest.raises(CallError, match="continues no"):
        CODEC.encode_request(Call(id="", model="m", prefill=True, body=asking().body), "m", stream=False)
    assert not CODEC.prefills("m")


@pytest.mark.parametrize(
    ("url", "method", "body", "status"),
    [
        ("/v1/other", "POST", b"{}", 404),
        ("/v2/chat", "GET", b"{}", 405),
        ("/v2/chat", "POST", b"{", 400),
        ("/v2/chat", "POST", b"[]", 400),
        ("/v2/chat", "POST", b'{"model":"m"}', 400),
        ("/v2/chat", "POST", b'{"model":"m","messages":[{"role":"assistant","content":[1]}]}', 400),
        ("/v2/embed", "POST", b'{"model":"m","texts":[]}', 400),
    ],
)
def test_what_is_no_request_is_refused_by_the_server_half(url, method, body, status):
    check_refused(CODEC, WireRequest(method, "http://a.test" + url, {}, body), status)


def test_the_server_half_hears_what_was_asked():
    asked = {
        "messages": [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": None, "reasoning_content": "I look.", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "t1", "content": "3"},
        ],
        "tools": TOOLS,
        "tool_choice": "required",
        "top_p": 0.5,
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
    }
    heard = CODEC.decode_request(CODEC.encode_request(asking(**asked), "m", stream=True))
    assert heard.body == asked
    assert heard.stream
