"""A call becomes a request of the Responses API: translated, refused, or left out with a warning."""

import json

import pytest
from tests.wire.responses_given import BASE, MODEL, VENDOR, asking, codec, data, sent

from penstock.call import Call
from penstock.catalog import vendor
from penstock.errors import CallError

CASES = data("responses_requests.json")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_call_is_said_in_this_wires_words(case):
    body = sent(case.get("model", MODEL), **case["body"])
    assert {name: body.get(name) for name in case["sent"]} == case["sent"]
    assert [name for name in case.get("unsent", []) if name in body] == []


@pytest.mark.parametrize(
    "body",
    [
        {"n": 2},
        {"logit_bias": {"5": -100}},
        {"modalities": ["text", "audio"]},
        {"audio": {"voice": "alloy"}},
        {"functions": [{"name": "f"}]},
        {"function_call": "auto"},
        {"background": True},
        {"input": "Hi"},
        {"tools": 5},
        {"messages": "Hi"},
        {"messages": []},
        {"messages": ["Hi"]},
        {"messages": [{"role": "narrator", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": {"text": "Hi"}}]},
        {"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"id": "c1"}]}]},
        {"messages": [{"role": "assistant", "audio": {"id": "a1"}}]},
        pytest.param({"odd": object()}, id="no JSON"),
    ],
    ids=lambda body: str(body)[:70],
)
def test_what_would_change_the_meaning_is_refused_before_it_is_sent(body):
    with pytest.raises(CallError) as raised:
        sent(**body)
    assert (raised.value.kind, raised.value.sent) == ("bad_request", False)


@pytest.mark.parametrize("kind", ["completion", "embedding"])
def test_other_kinds_are_refused_with_what_to_do(kind):
    with pytest.raises(CallError, match='wire = "openai"'):
        codec().encode_request(
            Call(id="1", model="m", body={"input": "x", "prompt": "x"}, kind=kind), "m", stream=False
        )


def test_nobody_continues_an_answer():
    call = Call(id="1", model="m", body={"messages": [{"role": "assistant", "content": "I"}]}, prefill=True)
    assert codec().prefills("m") is False
    with pytest.raises(CallError, match="continues"):
        codec().encode_request(call, "m", stream=False)


def test_a_stream_is_asked_for():
    request = codec(headers={"OpenAI-Organization": "org-1"}).encode_request(asking(), MODEL, stream=True)
    assert json.loads(request.body)["stream"] is True
    assert (request.method, request.url) == ("POST", f"{BASE}/responses")
    assert request.headers["openai-organization"] == "org-1"


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://x.example/v1", "https://x.example/v1/responses"),
        ("https://x.example/v1/", "https://x.example/v1/responses"),
        ("https://x.example/v1/responses", "https://x.example/v1/responses"),
        ("https://x.example/v1/chat/completions?a=b", "https://x.example/v1/responses?a=b"),
    ],
)
def test_a_base_that_ends_in_an_endpoint_will_do(base, url):
    assert codec(VENDOR, base).encode_request(asking(), MODEL, stream=False).url == url


@pytest.mark.parametrize(
    "base",
    [
        "https://mine.openai.azure.com",
        "https://mine.openai.azure.com/openai",
        "https://mine.openai.azure.com/openai/v1",
        "https://mine.openai.azure.com?api-version=2024-10-21",
        "https://mine.openai.azure.com/openai/deployments/gpt-4o?api-version=2024-10-21",
    ],
)
def test_azure_is_asked_under_v1_with_the_deployment_in_the_body(base):
    request = codec(vendor("azure"), base).encode_request(asking(), "my-deployment", stream=False)
    assert request.url == "https://mine.openai.azure.com/openai/v1/responses"
    assert json.loads(request.body)["model"] == "my-deployment"


@pytest.mark.parametrize(
    ("provider", "model", "told"),
    [
        ("azure", "my-deployment", {"type": "integer", "description": "(minimum: 1)"}),
        ("openai", "gpt-5-nano", {"type": "integer", "minimum": 1}),
    ],
)
def test_a_strict_schemas_bounds_are_told_in_words_where_the_provider_refuses_them(provider, model, told):
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": schema}}
    call = Call(id="1", model="m", body={"messages": [{"role": "user", "content": "hi"}], "response_format": form})
    request = codec(vendor(provider)).encode_request(call, model, stream=False)
    assert json.loads(request.body)["text"]["format"]["schema"]["properties"] == {"a": told}
    assert schema["properties"] == {"a": {"type": "integer", "minimum": 1}}
