"""What goes over the wire: messages, parts, parameters, tools, addresses; what is refused and what is left out."""

import json
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.gemini_given import GEMINI, VERTEX, asked, chat

from penstock.call import Call
from penstock.catalog import Vendor
from penstock.errors import CallError
from penstock.wire.gemini import GeminiCodec


def refused(call: Call, model: str = "gemini-2.5-flash") -> CallError:
    with pytest.raises(CallError) as caught:
        GEMINI.encode_request(call, model, stream=False)
    assert (caught.value.kind, caught.value.sent) == ("bad_request", False)
    return caught.value


def contents(*messages, model="gemini-2.5-flash"):
    return asked(chat(messages=list(messages)), model)["contents"]


def user(*parts):
    return contents({"role": "user", "content": list(parts)})[0]["parts"]


def test_a_chat_becomes_an_instruction_and_contents():
    body = asked(
        chat(
            messages=[
                {"role": "system", "content": "be kind"},
                {"role": "developer", "content": "be brief"},
                {"role": "user", "content": "hello"},
                {"role": "assistant", "content": "hi"},
                {"role": "user", "content": "bye"},
            ]
        )
    )
    assert body == {
        "systemInstruction": {"parts": [{"text": "be kind"}, {"text": "be brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "hello"}]},
            {"role": "model", "parts": [{"text": "hi"}]},
            {"role": "user", "parts": [{"text": "bye"}]},
        ],
    }


def test_a_system_message_alone_is_asked_as_the_user():
    body = asked(chat(messages=[{"role": "system", "content": "say hello"}]))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "say hello"}]}]}


PARTS = [
    ({"type": "text", "text": "a"}, {"text": "a"}),
    (
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
    ),
    (
        {"type": "image_url", "image_url": {"url": "https://a.invalid/x.webp?size=1", "detail": "auto"}},
        {"fileData": {"mimeType": "image/webp", "fileUri": "https://a.invalid/x.webp?size=1"}},
    ),
    (
        {"type": "image_url", "image_url": "https://a.invalid/x"},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://a.invalid/x"}},
    ),
    (
        {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg/%3E"}},
        {"inlineData": {"mimeType": "image/svg+xml", "data": "PHN2Zy8+"}},
    ),
    (
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk=", "filename": "a.pdf"}},
        {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}},
    ),
    (
        {"type": "file", "file": {"file_id": "gs://bucket/a.txt"}},
        {"fileData": {"mimeType": "text/plain", "fileUri": "gs://bucket/a.txt"}},
    ),
    (
        {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
        {"inlineData": {"mimeType": "audio/mp3", "data": "aGk="}},
    ),
    (
        {"type": "video_url", "video_url": {"url": "https://a.invalid/x.mp4"}},
        {"fileData": {"mimeType": "video/mp4", "fileUri": "https://a.invalid/x.mp4"}},
    ),
]


@pytest.mark.parametrize(("part", "wire"), PARTS)
def test_each_kind_of_part_has_its_form(part, wire):
    assert user(part) == [wire]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "hologram"},
        {"type": "text"},
        {"type": "image_url"},
        {"type": "image_url", "image_url": {"url": "file:a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64"}},
        {"type": "input_audio", "input_audio": {}},
        {"type": "file", "file": {}},
        7,
    ],
)
def test_a_part_that_has_none_is_refused(part):
    assert "messages[0].content" in refused(chat(messages=[{"role": "user", "content": [part]}])).message


def call_of(name, arguments="{}", id_=None, signature=None):
    extra = {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}
    return {"id": id_ or name, "type": "function", "function": {"name": name, "arguments": arguments}, **extra}


def test_results_of_parallel_calls_are_one_turn_in_the_order_of_the_calls():
    turns = contents(
        {"role": "user", "content": "?"},
        {"role": "assistant", "content": None, "tool_calls": [call_of("f", '{"a": 1}', "1"), call_of("g", "", "2")]},
        {"role": "tool", "tool_call_id": "2", "content": "two"},
        {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "one"}]},
        {"role": "user", "content": "and?"},
    )
    assert turns[1]["parts"] == [
        {"functionCall": {"name": "f", "args": {"a": 1}, "id": "1"}},
        {"functionCall": {"name": "g", "args": {}, "id": "2"}},
    ]
    assert turns[2] == {
        "role": "user",
        "parts": [
            {"functionResponse": {"name": "f", "response": {"output": "one"}, "id": "1"}},
            {"functionResponse": {"name": "g", "response": {"output": "two"}, "id": "2"}},
        ],
    }
    assert turns[3] == {"role": "user", "parts": [{"text": "and?"}]}


def test_a_picture_that_a_tool_brings_goes_with_its_result():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    said = {"role": "assistant", "tool_calls": [call_of("f")]}
    turns = contents(
        {"role": "user", "content": "?"}, said, {"role": "tool", "tool_call_id": "f", "content": [picture]}
    )
    inline = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    assert turns[2]["parts"][0]["functionResponse"]["parts"] == [inline]


def test_signatures_and_thoughts_go_back_in_their_parts():
    said = {
        "role": "assistant",
        "content": "a",
        "reasoning_content": "hm",
        "extra_content": {"google": {"thought_signature": "dGV4dA==", "parts": [{"executableCode": {"code": "1"}}]}},
        "tool_calls": [call_of("f", signature="Y2FsbA==")],
    }
    assert contents({"role": "user", "content": "?"}, said)[1]["parts"] == [
        {"text": "hm", "thought": True},
        {"executableCode": {"code": "1"}},
        {"text": "a", "thoughtSignature": "dGV4dA=="},
        {"functionCall": {"name": "f", "args": {}, "id": "f"}, "thoughtSignature": "Y2FsbA=="},
    ]


@pytest.mark.parametrize(("model", "signed"), [("gemini-3-pro", True), ("gemini-2.5-flash", False), ("gemma-3", False)])
def test_calls_of_another_provider_are_marked_where_signatures_are_asked_for(model, signed):
    said = {"role": "assistant", "tool_calls": [call_of("f"), call_of("g")]}
    parts = contents({"role": "user", "content": "?"}, said, model=model)[1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [
        "skip_thought_signature_validator" if signed else None,
        None,
    ]


@pytest.mark.parametrize(
    "messages",
    [
        [],
        None,
        ["hello"],
        [{"role": "wizard", "content": "a"}],
        [{"role": "user", "content": 7}],
        [{"role": "tool", "tool_call_id": "unknown", "content": "a"}],
        [{"role": "assistant", "tool_calls": [call_of("f", "[1]")]}],
        [{"role": "assistant", "tool_calls": [call_of("f", "{oops")]}],
        [{"role": "assistant", "tool_calls": [{"id": "1"}]}],
        [{"role": "assistant", "audio": {"id": "of another"}}],
    ],
)
def test_a_chat_that_cannot_be_said_is_refused_before_it_is_sent(messages):
    refused(chat(messages=messages))


SETTINGS = [
    ({"temperature": 0, "top_p": 0.5, "top_k": 3}, {"temperature": 0, "topP": 0.5, "topK": 3}),
    ({"max_tokens": 5}, {"maxOutputTokens": 5}),
    ({"max_tokens": 9, "max_completion_tokens": 5}, {"maxOutputTokens": 5}),
    ({"stop": "x"}, {"stopSequences": ["x"]}),
    ({"stop": ["x", "y"], "seed": 4, "n": 2}, {"stopSequences": ["x", "y"], "seed": 4, "candidateCount": 2}),
    ({"presence_penalty": 1, "frequency_penalty": 0.5}, {"presencePenalty": 1, "frequencyPenalty": 0.5}),
    ({"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
    ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
    (
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}},
        {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
    ),
    ({"reasoning_effort": "low"}, {"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}}),
    ({"reasoning_effort": "none"}, {"thinkingConfig": {"thinkingBudget": 0}}),
    (
        {"thinking": {"type": "enabled", "budget_tokens": 2000}},
        {"thinkingConfig": {"thinkingBudget": 2000, "includeThoughts": True}},
    ),
    ({"thinking": {"type": "disabled"}}, {"thinkingConfig": {"thinkingBudget": 0}}),
    ({"thinking_config": {"thinking_budget": 7}}, {"thinkingConfig": {"thinkingBudget": 7}}),
    ({"modalities": ["text", "image"]}, {"responseModalities": ["TEXT", "IMAGE"]}),
    ({"modalities": ["text"], "response_format": {"type": "text"}, "seed": None}, None),
    (
        {"extra_body": {"google": {"thinking_config": {"thinking_level": "low"}}}},
        {"thinkingConfig": {"thinkingLevel": "low"}},
    ),
    ({"generationConfig": {"speech_config": {}}}, {"speechConfig": {}}),
]


@pytest.mark.parametrize(("said", "config"), SETTINGS)
def test_each_parameter_has_its_form(said, config):
    body = asked(chat(**said))
    assert body.pop("generationConfig", None) == config
    assert list(body) == ["contents"]


def test_newer_models_are_told_how_hard_to_think_by_a_word():
    config = asked(chat(reasoning_effort="high"), "gemini-3-flash-preview")["generationConfig"]
    assert config == {"thinkingConfig": {"thinkingLevel": "high", "includeThoughts": True}}


@pytest.mark.parametrize("name", ["user", "metadata", "store", "service_tier", "verbosity", "safety_identifier"])
def test_what_changes_no_answer_is_left_out(name):
    assert list(asked(chat(**{name: {"a": "b"}}))) == ["contents"]


@pytest.mark.parametrize(
    "said",
    [
        {"logit_bias": {"50256": -100}},
        {"audio": {"voice": "x"}},
        {"response_format": {"type": "grammar"}},
        {"response_format": {"type": "json_schema"}},
        {"reasoning_effort": "huge"},
        {"thinking": {"type": "enabled"}},
        {"modalities": "text"},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "parallel_tool_calls": False},
        {"tools": [{"type": "computer_use"}]},
        {"tools": [{"type": "function"}]},
        {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "perhaps"},
        {"temperature": object()},
    ],
)
def test_what_would_change_the_answer_is_refused(said):
    refused(chat(**said))


def test_what_nobody_here_knows_travels_as_it_is():
    body = asked(chat(labels={"team": "a"}, safety_settings=[{"category": "c"}], cached_content="cachedContents/1"))
    assert (body["labels"], body["safetySettings"], body["cachedContent"]) == (
        {"team": "a"},
        [{"category": "c"}],
        "cachedContents/1",
    )


def test_functions_are_declared_in_one_tool_beside_googles_own():
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    tools = [{"type": "function", "function": function}, {"type": "web_search"}, {"codeExecution": {}}]
    assert asked(chat(tools=tools))["tools"] == [
        {"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}]},
        {"googleSearch": {}},
        {"codeExecution": {}},
    ]


CHOICES = [
    ("auto", {"mode": "AUTO"}),
    ("none", {"mode": "NONE"}),
    ("required", {"mode": "ANY"}),
    ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    (
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"function": {"name": "f"}}]}},
        {"mode": "ANY", "allowedFunctionNames": ["f"]},
    ),
]


@pytest.mark.parametrize(("choice", "config"), CHOICES)
def test_each_choice_among_tools_has_its_form(choice, config):
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert asked(chat(tools=tools, tool_choice=choice))["toolConfig"] == {"functionCallingConfig": config}


def test_the_functions_of_old_are_understood():
    body = asked(chat(functions=[{"name": "f"}], function_call={"name": "f"}))
    assert body["tools"] == [{"functionDeclarations": [{"name": "f"}]}]
    assert body["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["f"]}


def url(codec, model, *, stream=False):
    return codec.encode_request(chat(), model, stream=stream).url


def test_a_stream_is_another_method_and_asks_for_events():
    assert url(GEMINI, "gemini-2.5-flash") == "https://gemini.invalid/v1beta/models/gemini-2.5-flash:generateContent"
    streamed = urlsplit(url(GEMINI, "gemini-2.5-flash", stream=True))
    assert streamed.path.endswith("/models/gemini-2.5-flash:streamGenerateContent")
    assert streamed.query == "alt=sse"


def test_a_models_path_stays_a_path():
    assert "/v1beta/tunedModels/mine:" in url(GEMINI, "tunedModels/mine")
    assert "/v1beta/models/x:" in url(GEMINI, "models/x")
    assert "/models/a%20b%3Ac:" in url(GEMINI, "a b:c")


def test_vertex_has_models_of_publishers_and_endpoints_of_ones_own():
    base = "https://vertex.invalid/v1/projects/p/locations/l"
    assert url(VERTEX, "gemini-2.5-flash") == f"{base}/publishers/google/models/gemini-2.5-flash:generateContent"
    assert "/publishers/google/models/x:" in url(VERTEX, "google/x")
    assert "/publishers/google/models/x:" in url(VERTEX, "models/x")
    assert "/publishers/acme/models/x:" in url(VERTEX, "acme/x")
    assert "/endpoints/12:" in url(VERTEX, "endpoints/12")


@pytest.mark.parametrize(
    ("base", "platform", "start"),
    [
        ("http://a.invalid", "gemini", "http://a.invalid/v1beta/models/"),
        ("http://a.invalid/gemini/", "gemini", "http://a.invalid/gemini/v1beta/models/"),
        ("http://a.invalid/v1alpha", "gemini", "http://a.invalid/v1alpha/models/"),
        ("http://a.invalid", "vertex", "http://a.invalid/v1/publishers/google/models/"),
    ],
)
def test_a_base_without_a_version_gets_the_usual_one(base, platform, start):
    assert url(GeminiCodec(Vendor(name="v", title="v"), base, platform=platform), "m").startswith(start)


def test_headers_go_with_every_request_and_no_key_does():
    codec = GeminiCodec(Vendor(name="v", title="v"), "https://a.invalid/v1", headers={"X-Title": "t"})
    request = codec.encode_request(chat(), "m", stream=True)
    assert request.headers["x-title"] == "t"
    assert not {"authorization", "x-goog-api-key"} & set(request.headers)


def test_there_are_no_text_completions():
    refused(Call(id="1", model="m", body={"prompt": "a"}, kind="completion"))


def test_an_answer_is_continued_only_where_the_vendor_does_it():
    begun = [{"role": "user", "content": "count"}, {"role": "assistant", "content": "one, "}]
    call = Call(id="1", model="m", body={"messages": begun}, prefill=True)
    refused(call)
    willing = GeminiCodec(Vendor(name="v", title="v", prefill="plain"), "https://a.invalid/v1")
    body = json.loads(willing.encode_request(call, "m", stream=False).body)
    assert body["contents"][-1] == {"role": "model", "parts": [{"text": "one, "}]}
    assert not GEMINI.prefills("gemini-2.5-flash")
    assert not VERTEX.prefills("gemini-2.5-flash")


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["function", "text", "file", "tool", "gs://[", "data:x"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["type", "function", "name", "google", "tools", "mode", "url"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
PARAMETERS = [
    *(
        "messages",
        "stop",
        "tools",
        "functions",
        "function_call",
        "tool_choice",
        "response_format",
        "thinking",
        "google",
    ),
    *("reasoning_effort", "modalities", "extra_body", "generationConfig", "systemInstruction", "logit_bias"),
]


@given(body=st.dictionaries(st.sampled_from(PARAMETERS), VALUES, max_size=4), content=VALUES)
def test_nonsense_is_sent_or_refused_and_nothing_worse(body, content):
    messages = [{"role": role, "content": content, "tool_calls": content} for role in ("system", "user", "assistant")]
    try:
        GEMINI.encode_request(chat(**{"messages": messages, **body}), "gemini-3-pro", stream=False)
    except CallError as error:
        kind = error.kind
    else:
        kind = "bad_request"
    assert kind == "bad_request"
