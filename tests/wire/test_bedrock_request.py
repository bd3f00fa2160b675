"""What a call becomes on Bedrock's wire: translated, left out, or refused; and how a server of it hears the same."""

import json

import pytest

from penstock.call import Call
from penstock.catalog import Vendor
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.wire.bedrock import BedrockCodec

CODEC = BedrockCodec(Vendor(name="bedrock", title="Amazon Bedrock"), "https://bedrock.test/", headers={"X-Own": "1"})
NOVA = "us.amazon.nova-lite-v1:0"
USER = {"role": "user", "content": "?"}
PNG = "data:image/png;base64,iVBORw=="
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
SPEC = {"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": {"type": "object"}}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
WANTED = {"type": "json_schema", "json_schema": {"name": "thing", "schema": SCHEMA, "strict": True}}


def request(model=NOVA, *, kind="chat", stream=False, **body) -> WireRequest:
    body = body if kind == "embedding" else {"messages": [USER], **body}
    return CODEC.encode_request(Call(id="", model="x", body=body, kind=kind), model, stream=stream)


def sent(model=NOVA, **body):
    return json.loads(request(model, **body).body)


def said(*messages):
    return sent(messages=list(messages))["messages"]


def heard(**body):
    return CODEC.decode_request(request(**body)).body


def refused(**body) -> str:
    with pytest.raises(CallError) as error:
        request(**body)
    assert (error.value.kind, error.value.sent) == ("bad_request", False)
    return error.value.message


def test_the_model_is_in_the_address_encoded_once():
    arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.meta.llama3"
    assert request().url == "https://bedrock.test/model/us.amazon.nova-lite-v1%3A0/converse"
    assert request(arn, stream=True).url.endswith("3Ainference-profile%2Fus.meta.llama3/converse-stream")
    assert CODEC.decode_request(request(arn)).model == arn


def test_headers_of_ones_own_go_with_every_request():
    assert request().headers["x-own"] == "1"
    assert request(stream=True).headers["accept"] == "application/vnd.amazon.eventstream"


def test_plain_settings_are_translated():
    body = {"max_completion_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": "x"}
    assert sent(**body)["inferenceConfig"] == {
        "maxTokens": 9,
        "temperature": 0.5,
        "topP": 0.9,
        "stopSequences": ["x"],
    }
    again = heard(**body)
    assert {name: again[name] for name in ("max_tokens", "temperature", "top_p", "stop")} == {
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["x"],
    }


def test_system_messages_are_gathered():
    body = sent(messages=[{"role": "system", "content": "a"}, USER, {"role": "developer", "content": "b"}])
    assert body["system"] == [{"text": "a"}, {"text": "b"}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "?"}]}]


def test_messages_of_one_role_become_one():
    assert said(USER, {"role": "user", "content": "!"}) == [{"role": "user", "content": [{"text": "?"}, {"text": "!"}]}]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ({"type": "text", "text": "a"}, {"text": "a"}),
        (
            {"type": "image_url", "image_url": {"url": PNG}},
            {"image": {"format": "png", "source": {"bytes": "iVBORw=="}}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "s3://bucket/a.jpg"}},
            {"image": {"format": "jpeg", "source": {"s3Location": {"uri": "s3://bucket/a.jpg"}}}},
        ),
        (
            {"type": "file", "file": {"filename": "my_paper.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
            {"document": {"format": "pdf", "name": "my-paper-pdf", "source": {"bytes": "JVBE"}}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            {"audio": {"format": "wav", "source": {"bytes": "UklG"}}},
        ),
        (
            {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}},
            {"video": {"format": "mp4", "source": {"bytes": "AAAA"}}},
        ),
        ({"guardContent": {"text": {"text": "a"}}}, {"guardContent": {"text": {"text": "a"}}}),
    ],
    ids=lambda value: next(iter(value)),
)
def test_parts_become_blocks(part, block):
    assert said({"role": "user", "content": [part]})[0]["content"] == [block]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.test/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AA=="}},
        {"type": "image_url"},
        {"type": "file", "file": {"file_id": "file-1"}},
        {"type": "file", "file": {"file_data": "data:application/zip;base64,AA=="}},
        {"type": "text"},
        {"type": "hologram"},
        7,
    ],
    ids=str,
)
def test_parts_that_the_wire_cannot_carry_are_refused(part):
    assert refused(messages=[{"role": "user", "content": [part]}]).startswith("bedrock: messages.content")


CALLS = [
    {"id": f"functions.f:{at}", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}} for at in (0, 1)
]
RESULTS = [{"role": "tool", "tool_call_id": f"functions.f:{at}", "content": "r"} for at in (0, 1)]


def test_parallel_calls_and_their_results_are_one_turn_each():
    turns = said(USER, {"role": "assistant", "content": "ok", "tool_calls": CALLS}, *RESULTS)
    uses = [{"toolUse": {"toolUseId": f"functions.f:{at}", "name": "f", "input": {"a": 1}}} for at in (0, 1)]
    assert turns[1] == {"role": "assistant", "content": [{"text": "ok"}, *uses]}
    assert turns[2]["role"] == "user"
    assert [block["toolResult"]["content"] for block in turns[2]["content"]] == [[{"text": "r"}]] * 2


def test_a_conversation_with_tools_is_heard_as_it_was_said():
    messages = [
        {"role": "system", "content": "s"},
        USER,
        {"role": "assistant", "content": "ok", "tool_calls": CALLS},
        *RESULTS,
        {"role": "user", "content": [{"type": "text", "text": "b"}, {"type": "image_url", "image_url": {"url": PNG}}]},
    ]
    body = heard(messages=messages, tools=[TOOL], tool_choice={"type": "function", "function": {"name": "f"}})
    assert body["messages"] == messages
    assert body["tools"] == [TOOL]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}


def test_ids_of_other_providers_get_the_characters_that_are_allowed():
    call = {"id": "call|ü/" + "x" * 80, "type": "function", "function": {"name": "f", "arguments": ""}}
    turns = said(USER, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": call["id"]})
    use, result = turns[1]["content"][0]["toolUse"], turns[2]["content"][0]["toolResult"]
    assert use["toolUseId"] == result["toolUseId"]
    assert len(use["toolUseId"]) <= 64
    assert use["input"] == {}


@pytest.mark.parametrize("arguments", ["{", "[1]", 3])
def test_arguments_that_are_no_object_are_refused(arguments):
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    assert "arguments of f" in refused(messages=[USER, {"role": "assistant", "tool_calls": [call]}])


def test_signed_and_closed_thoughts_go_back_unchanged_and_others_stay_here():
    details = [
        {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0, "text": "hm", "signature": "c2ln"},
        {"type": "reasoning.encrypted", "format": "anthropic-claude-v1", "index": 1, "data": "RWE="},
        {"type": "reasoning.text", "format": "google-gemini-v1", "index": 2, "text": "?", "signature": "x"},
        {"type": "reasoning.text", "index": 3, "text": "unsigned"},
    ]
    message = {"role": "assistant", "content": "a", "reasoning_content": "hm", "reasoning_details": details}
    thought, closed, text = said(USER, message)[1]["content"]
    assert thought == {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}}
    assert text == {"text": "a"}
    assert closed == {"reasoningContent": {"redactedContent": "UldFPQ=="}}
    assert heard(messages=[USER, message])["messages"][1]["reasoning_details"] == details[:2]


def test_cache_marks_become_cache_points_and_back():
    marked = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    messages = [
        {"role": "system", "content": [marked]},
        {"role": "user", "content": [marked, {"type": "text", "text": "?"}]},
    ]
    body = sent(messages=messages)
    assert body["system"] == [{"text": "long"}, {"cachePoint": {"type": "default", "ttl": "1h"}}]
    assert [next(iter(block)) for block in body["messages"][0]["content"]] == ["text", "cachePoint", "text"]
    assert heard(messages=messages)["messages"] == messages


@pytest.mark.parametrize(
    ("choice", "said_"), [("auto", {"auto": {}}), ("required", {"any": {}}), (TOOL, {"tool": {"name": "f"}})]
)
def test_tool_choices_are_translated(choice, said_):
    assert sent(tools=[TOOL], tool_choice=choice)["toolConfig"] == {"tools": [SPEC], "toolChoice": said_}


def test_no_tool_is_offered_when_none_may_be_called():
    assert "toolConfig" not in sent(tools=[TOOL], tool_choice="none")
    called = [USER, {"role": "assistant", "tool_calls": CALLS}, *RESULTS]
    assert "tool_choice" in refused(tools=[TOOL], tool_choice="none", messages=called)


def test_structured_output_is_native_where_the_model_has_it():
    body = sent("us.anthropic.claude-sonnet-4-5-20250929-v1:0", response_format=WANTED)
    definition = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(definition["schema"]) == SCHEMA
    assert "toolConfig" not in body


@pytest.mark.parametrize(
    ("model", "choice"),
    [(NOVA, {"tool": {"name": "structured_answer"}}), ("mistral.mistral-large-2402-v1:0", {"any": {}})],
)
def test_structured_output_is_a_forced_tool_elsewhere(model, choice):
    config = sent(model, response_format=WANTED)["toolConfig"]
    assert config["tools"][0]["toolSpec"]["inputSchema"] == {"json": SCHEMA}
    assert config["toolChoice"] == choice


@pytest.mark.parametrize("model", [NOVA, "openai.gpt-oss-120b-1:0"])
@pytest.mark.parametrize("wanted", [WANTED, {"type": "json_object"}], ids=["schema", "object"])
def test_a_server_hears_which_structure_is_wanted(model, wanted):
    found = heard(model=model, response_format=wanted)
    assert found["response_format"]["type"] == wanted["type"]
    assert "tools" not in found


@pytest.mark.parametrize(
    ("model", "effort", "fields"),
    [
        ("openai.gpt-oss-120b-1:0", "high", {"reasoning_effort": "high"}),
        ("us.amazon.nova-2-lite-v1:0", "low", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", "low", {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", "none", None),
        ("meta.llama3-70b-instruct-v1:0", "low", None),
    ],
)
def test_effort_is_said_in_each_makers_words(model, effort, fields):
    assert sent(model, reasoning_effort=effort).get("additionalModelRequestFields") == fields


def test_a_budget_for_thoughts_leaves_room_for_the_answer():
    body = sent("anthropic.claude-3-7-sonnet-20250219-v1:0", reasoning_effort="high", max_tokens=4000)
    assert body["additionalModelRequestFields"]["thinking"]["budget_tokens"] == 2000


def test_what_only_the_model_knows_goes_to_the_model():
    body = sent(top_k=5, additionalModelRequestFields={"x": 1}, guardrailConfig={"guardrailIdentifier": "g"})
    assert body["additionalModelRequestFields"] == {"x": 1, "top_k": 5}
    assert body["guardrailConfig"] == {"guardrailIdentifier": "g"}
    assert heard(top_k=5)["top_k"] == 5


def test_metadata_and_tier_have_fields_of_their_own():
    body = sent(metadata={"a": 1}, service_tier="flex")
    assert body["requestMetadata"] == {"a": "1"}
    assert body["serviceTier"] == {"type": "flex"}
    assert heard(metadata={"a": "1"}, service_tier="flex")["service_tier"] == "flex"


@pytest.mark.parametrize("name", ["user", "store", "seed", "prompt_cache_key", "verbosity"])
def test_what_an_answer_does_not_need_is_left_out(name):
    assert sent(**{name: "x"}) == sent()


@pytest.mark.parametrize(
    "body",
    [
        {"n": 2},
        {"logprobs": True},
        {"logit_bias": {"1": 5}},
        {"presence_penalty": 1},
        {"parallel_tool_calls": False},
        {"modalities": ["audio"]},
        {"function_call": "auto"},
        {"tools": [{"type": "web_search"}]},
        {"tool_choice": 3},
        {"response_format": {"type": "json_schema"}},
        {"service_tier": "gold"},
        {"model": "openai.gpt-oss-20b-1:0", "response_format": WANTED, "outputConfig": "x"},
        {"messages": "?"},
        {"messages": [{"role": "narrator", "content": "?"}]},
        pytest.param({"temperature": object()}, id="no number"),
    ],
    ids=str,
)
def test_what_would_change_the_answer_is_refused(body):
    assert refused(**body)


@pytest.mark.parametrize("body", [{"n": 1}, {"logprobs": False}, {"logit_bias": {}}, {"frequency_penalty": 0}])
def test_settings_that_say_nothing_are_no_trouble(body):
    assert sent(**body) == sent()


@pytest.mark.parametrize(
    ("model", "asked", "expected"),
    [
        ("amazon.titan-embed-text-v2:0", {"input": "a", "dimensions": 256}, {"inputText": "a", "dimensions": 256}),
        ("amazon.titan-embed-text-v1", {"input": ["a"]}, {"inputText": "a"}),
        (
            "amazon.titan-embed-image-v1",
            {"input": "a", "dimensions": 256},
            {"inputText": "a", "embeddingConfig": {"outputEmbeddingLength": 256}},
        ),
        (
            "cohere.embed-english-v3",
            {"input": ["a", "b"], "input_type": "search_query", "encoding_format": "base64"},
            {"texts": ["a", "b"], "input_type": "search_query"},
        ),
        (
            "us.cohere.embed-v4:0",
            {"input": "a", "dimensions": 512},
            {"texts": ["a"], "input_type": "search_document", "output_dimension": 512, "embedding_types": ["float"]},
        ),
    ],
)
def test_each_maker_of_embeddings_is_asked_in_its_form(model, asked, expected):
    found = request(model, kind="embedding", **asked)
    assert json.loads(found.body) == expected
    assert found.url.endswith("/invoke")
    assert CODEC.decode_request(found).kind == "embedding"


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        ("amazon.titan-embed-text-v2:0", {"input": ["a", "b"]}),
        ("amazon.titan-embed-text-v1", {"input": "a", "dimensions": 5}),
        ("cohere.embed-english-v3", {"input": "a", "dimensions": 5}),
        ("cohere.embed-english-v3", {"input": [1, 2]}),
        ("meta.llama3", {"input": "a"}),
    ],
)
def test_embeddings_that_cannot_be_asked_for_are_refused(model, asked):
    assert refused(model=model, kind="embedding", **asked)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/model/m/converse", b"{}", 405),
        ("POST", "/model/m/count-tokens", b"{}", 404),
        ("POST", "/model/m/converse", b"{", 400),
        ("POST", "/model/m/converse", b"[]", 400),
        ("POST", "/model/m/converse", b'{"messages":[{"role":"user","content":[{"toolResult":{}}]}]}', 400),
        ("POST", "/model/m/converse", b'{"messages":[]}', 400),
        ("POST", "/model/m/invoke", b'{"prompt":"?"}', 400),
    ],
)
def test_a_server_refuses_what_it_does_not_understand(method, path, body, status):
    with pytest.raises(CallError) as error:
        CODEC.decode_request(WireRequest(method, f"http://x{path}", {}, body))
    assert (error.value.kind, error.value.status) == ("bad_request", status)
