"""A call becomes Anthropic's request: translated, refused, or left out with a warning."""

import json

import pytest
from tests.wire.anthropic_given import asking, codec, data

from penstock.call import Call
from penstock.errors import CallError

CASES = data("anthropic_requests.json")


def sent(call: Call, model: str = "claude-sonnet-5", form: str = "direct", **settings):
    request = codec(form, **settings).encode_request(call, model, stream=False)
    return json.loads(request.body)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_call_is_said_in_anthropics_words(case):
    body = sent(asking(**case["body"]), case.get("model", "claude-sonnet-5"))
    assert {name: body.get(name) for name in case["sent"]} == case["sent"]
    assert [name for name in case.get("unsent", []) if name in body] == []


@pytest.mark.parametrize(
    "body",
    [
        {"n": 2},
        {"logprobs": True},
        {"top_logprobs": 3},
        {"logit_bias": {"5": -100}},
        {"frequency_penalty": 0.5},
        {"temperature": 1.5},
        {"modalities": ["text", "audio"]},
        {"functions": [{"name": "f"}]},
        {"web_search_options": {}},
        {"reasoning_effort": "heroic"},
        {"max_tokens": "many"},
        {"tools": [{"type": "custom", "custom": {"name": "grammar"}}]},
        {"tools": [{"type": "function"}]},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "perhaps"},
        {"response_format": {"type": "json_schema"}},
        {"response_format": {"type": "grammar"}},
        {"messages": "Hi"},
        {"messages": [{"role": "narrator", "content": "Hi"}]},
        {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png"}}]}]},
        {"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]},
        {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "[1]"}}]}]},
        pytest.param({"odd": object()}, id="no JSON"),
    ],
    ids=lambda body: str(body)[:70],
)
def test_what_would_change_the_meaning_is_refused_before_it_is_sent(body):
    with pytest.raises(CallError) as raised:
        sent(asking(**body))
    assert raised.value.kind == "bad_request"
    assert raised.value.sent is False


@pytest.mark.parametrize("kind", ["completion", "embedding"])
def test_this_wire_has_only_chats(kind):
    with pytest.raises(CallError, match="Claude has no"):
        codec().encode_request(Call(id="1", model="m", body={"prompt": "?"}, kind=kind), "m", stream=False)


def test_the_body_that_was_given_stays_as_it_was():
    call = asking(
        messages=[{"role": "user", "content": [{"type": "text", "text": "?"}], "cache_control": {"type": "ephemeral"}}],
        response_format={"type": "json_object"},
        tools=[{"type": "function", "function": {"name": "f"}}],
    )
    before = json.dumps(call.body)
    sent(call)
    assert json.dumps(call.body) == before


@pytest.mark.parametrize(
    ("form", "stream", "url"),
    [
        ("direct", False, "https://api.example.org/v1/messages"),
        ("direct", True, "https://api.example.org/v1/messages"),
        (
            "vertex",
            False,
            "https://eu.example.org/v1/projects/p/locations/eu/publishers/anthropic/models/claude-x@1:rawPredict",
        ),
        (
            "vertex",
            True,
            "https://eu.example.org/v1/projects/p/locations/eu/publishers/anthropic/models/claude-x@1:streamRawPredict",
        ),
        ("bedrock", False, "https://bedrock.example.org/model/claude-x%401/invoke"),
        ("bedrock", True, "https://bedrock.example.org/model/claude-x%401/invoke-with-response-stream"),
    ],
)
def test_each_place_has_its_address(form, stream, url):
    assert codec(form).encode_request(asking(), "claude-x@1", stream=stream).url == url


def test_each_place_has_its_version_and_its_way_to_ask_for_a_stream():
    requests = {
        form: codec(form).encode_request(asking(), "claude-x", stream=True) for form in ("direct", "vertex", "bedrock")
    }
    bodies = {form: json.loads(request.body) for form, request in requests.items()}
    assert requests["direct"].headers["anthropic-version"] == "2023-06-01"
    assert [bodies[form].get("anthropic_version") for form in bodies] == [
        None,
        "vertex-2023-10-16",
        "bedrock-2023-05-31",
    ]
    assert [bodies[form].get("stream") for form in bodies] == [True, True, None]
    assert [bodies[form].get("model") for form in bodies] == ["claude-x", None, None]


@pytest.mark.parametrize("base", ["", "/", "/v1", "/v1/", "/v1/messages"])
def test_a_base_that_ends_in_the_endpoint_is_forgiven(base):
    request = codec(headers={"X-Title": "job"}).encode_request(asking(), "m", stream=False)
    other = type(codec())(codec().vendor, f"https://api.example.org{base}").encode_request(asking(), "m", stream=False)
    assert other.url == request.url
    assert request.headers["x-title"] == "job"


def test_betas_are_a_header_or_on_bedrock_in_the_body():
    call = asking(anthropic_beta=["a", "b"])
    direct = codec(headers={"anthropic-beta": "always"}).encode_request(call, "m", stream=False)
    bedrock = codec("bedrock").encode_request(call, "m", stream=False)
    assert direct.headers["anthropic-beta"] == "always,a,b"
    assert b"anthropic_beta" not in direct.body
    assert json.loads(bedrock.body)["anthropic_beta"] == ["a", "b"]


def test_the_answer_is_bounded_by_what_is_set_and_what_the_model_can():
    assert sent(asking(), "claude-sonnet-5")["max_tokens"] == 32_000
    assert sent(asking(), "claude-sonnet-5", "bedrock")["max_tokens"] == 8_192
    assert sent(asking(), "claude-sonnet-5", default_max_tokens=1000)["max_tokens"] == 1000
    assert sent(asking(), "anthropic.claude-3-haiku-20240307-v1:0", "bedrock")["max_tokens"] == 4_096


@pytest.mark.parametrize(
    ("model", "can"),
    [
        ("claude-3-haiku-20240307", True),
        ("us.anthropic.claude-sonnet-4-20250514-v1:0", True),
        ("claude-opus-4-1@20250805", True),
        ("claude-haiku-4-5", True),
        ("claude-opus-4-6", False),
        ("claude-sonnet-5", False),
        ("glm-4.6", False),
    ],
)
def test_only_the_older_models_continue_a_message(model, can):
    assert codec().prefills(model) is can


def test_a_message_to_be_continued_ends_in_no_white_space_and_thinks_no_more():
    messages = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "1 2 \n"}]
    body = sent(asking(messages=messages, prefill=True, reasoning_effort="high"), "claude-sonnet-4-5")
    assert body["messages"][-1] == {"role": "assistant", "content": "1 2"}
    assert "thinking" not in body


def test_only_an_assistants_message_can_be_continued():
    with pytest.raises(CallError, match="none of the assistant's"):
        sent(asking(prefill=True))


def test_a_schema_is_native_only_where_it_is_served():
    schema = {"type": "object", "properties": {}, "required": []}
    form = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": schema}}
    assert "output_config" in sent(asking(response_format=form), "claude-sonnet-4-5", "bedrock")
    assert "output_config" not in sent(asking(response_format=form), "claude-sonnet-4-5", "vertex")
