"""What a client of Google's API asks is understood, in camel and in snake case; and it is asked as we would ask."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.wire.gemini_given import GEMINI, VERTEX, answer, reply

from penstock.call import Call, Choice, Completion, Finished, PartDelta, Started, TextDelta
from penstock.errors import CallError
from penstock.fold import fold
from penstock.http import WireRequest
from penstock.testing.exam_codec import read_stream
from penstock.wire.calls import with_ids
from penstock.wire.gemini.server import path_of


def heard(body, path="/v1beta/models/m:generateContent") -> Call:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return GEMINI.decode_request(WireRequest("POST", f"http://a.invalid{path}", {}, data))


def hello(**more):
    return {"contents": [{"role": "user", "parts": [{"text": "hello"}]}], **more}


TEXT = st.text(min_size=1, max_size=8)
NAME = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
PART = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}),
    st.just({"type": "image_url", "image_url": {"url": "https://a.invalid/x.webp"}}),
    st.just({"type": "image_url", "image_url": {"url": "https://a.invalid/x", "format": "image/heic"}}),
    st.just({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}}),
    st.just({"type": "file", "file": {"file_data": "data:application/pdf;base64,aGk="}}),
    st.just({"type": "file", "file": {"file_url": "gs://b/a.pdf"}}),
    st.just({"type": "video_url", "video_url": {"url": "https://a.invalid/x.mp4"}}),
)
USER = st.builds(lambda said: {"role": "user", "content": said}, TEXT | st.lists(PART, min_size=2, max_size=3))
ARGUMENTS = st.dictionaries(NAME, st.integers() | TEXT | st.none(), max_size=2)


@st.composite
def turns(draw):
    """What an assistant said and what its tools brought."""
    google = draw(st.none() | st.just({"thought_signature": "c2ln"}))
    message = {"role": "assistant", "content": draw(TEXT)}
    if draw(st.booleans()):
        message["reasoning_content"] = draw(TEXT)
    if google:
        message["extra_content"] = {"google": google}
    calls = []
    for number in range(draw(st.integers(0, 2))):
        arguments = json.dumps(draw(ARGUMENTS), separators=(",", ":"), ensure_ascii=False)
        call = {"id": f"id{number}", "type": "function", "function": {"name": draw(NAME), "arguments": arguments}}
        if number == 0 and draw(st.booleans()):
            call["extra_content"] = {"google": {"thought_signature": "Y2FsbA=="}}
        calls.append(call)
    if not calls:
        return [message]
    message["tool_calls"] = calls
    return [message, *({"role": "tool", "tool_call_id": call["id"], "content": draw(TEXT)} for call in calls)]


CHATS = st.builds(
    lambda system, first, rounds: [*system, first, *(one for said, asked in rounds for one in (*said, asked))],
    st.lists(st.builds(lambda text: {"role": "system", "content": text}, TEXT), max_size=2),
    USER,
    st.lists(st.tuples(turns(), USER), max_size=3),
)
FUNCTION = st.builds(
    lambda name: {"type": "function", "function": {"name": name, "description": "d", "parameters": {"type": "object"}}},
    NAME,
)
SCHEMA = {"type": "json_schema", "json_schema": {"name": "City", "schema": {"title": "City", "type": "object"}}}
BODIES = st.fixed_dictionaries(
    {"messages": CHATS},
    optional={
        "temperature": st.sampled_from([0, 0.5]),
        "max_tokens": st.integers(1, 9),
        "stop": st.just(["x"]),
        "seed": st.integers(0, 9),
        "n": st.integers(2, 3),
        "logprobs": st.just(True),
        "response_format": st.sampled_from([{"type": "json_object"}, SCHEMA]),
        "reasoning_effort": st.sampled_from(["minimal", "low", "medium", "high"]),
        "tools": st.lists(FUNCTION, min_size=1, max_size=2),
        "safetySettings": st.just([{"category": "c", "threshold": "t"}]),
    },
)


@given(
    body=BODIES, model=st.sampled_from(["gemini-2.5-flash", "gemini-3-pro"]), codec=st.sampled_from([GEMINI, VERTEX])
)
def test_what_is_asked_is_heard(body, model, codec):
    call = Call(id="1", model=model, body=body)
    for stream in (False, True):
        there = codec.decode_request(codec.encode_request(call, model, stream=stream))
        assert (there.model, there.stream, there.kind) == (model, stream, "chat")
        assert there.body == {**body, "messages": with_ids(body["messages"]), "model": model}


@pytest.mark.parametrize("codec", [GEMINI, VERTEX])
@pytest.mark.parametrize("choice", ["auto", "none", "required", {"type": "function", "function": {"name": "f"}}])
def test_a_choice_among_tools_is_heard(codec, choice):
    tools = [{"type": "function", "function": {"name": "f"}}]
    body = {"messages": [{"role": "user", "content": "?"}], "tools": tools, "tool_choice": choice}
    request = codec.encode_request(Call(id="1", model="m", body=body), "m", stream=False)
    assert codec.decode_request(request).body["tool_choice"] == choice


def test_snake_case_and_googles_own_schemas_are_understood():
    declared = {"name": "f", "parameters": {"type": "OBJECT", "properties": {"type": {"type": "STRING"}}}}
    body = heard(
        hello(
            system_instruction={"parts": [{"text": "be kind"}]},
            generation_config={"max_output_tokens": 5, "thinking_config": {"thinking_budget": 2000}},
            tools=[{"function_declarations": [declared]}, {"google_search": {}}],
            tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}},
        )
    ).body
    assert body["messages"][0] == {"role": "system", "content": "be kind"}
    assert body["max_tokens"] == 5
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2000}
    parameters = {"type": "object", "properties": {"type": {"type": "string"}}}
    assert body["tools"] == [
        {"type": "function", "function": {"name": "f", "parameters": parameters}},
        {"googleSearch": {}},
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}


def test_calls_without_ids_meet_their_results():
    said = {
        "role": "model",
        "parts": [{"functionCall": {"name": "f"}}, {"functionCall": {"name": "f", "args": {"a": 1}}}],
    }
    brought = [{"functionResponse": {"name": "f", "response": {"result": n}}} for n in (1, 2)]
    messages = heard(hello()["contents"] and {"contents": [*hello()["contents"], said, {"parts": brought}]}).body[
        "messages"
    ]
    ids = [call["id"] for call in messages[1]["tool_calls"]]
    assert len(set(ids)) == 2
    assert [(one["tool_call_id"], one["content"]) for one in messages[2:]] == [
        (ids[0], '{"result":1}'),
        (ids[1], '{"result":2}'),
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1beta/models/gemini-2.5-flash:generateContent", ("gemini-2.5-flash", "generateContent")),
        ("/gemini/v1beta/models/m:streamGenerateContent", ("m", "streamGenerateContent")),
        ("/v1/projects/p/locations/l/publishers/google/models/m:predict", ("m", "predict")),
        ("/v1/projects/p/locations/l/publishers/acme/models/m@1:generateContent", ("acme/m@1", "generateContent")),
        ("/v1beta/tunedModels/t:generateContent", ("tunedModels/t", "generateContent")),
        ("/v1beta/models/a%3Ab:generateContent", ("a:b", "generateContent")),
        ("/v1beta/models", None),
        ("/v1/chat/completions", None),
    ],
)
def test_the_path_names_model_and_method(path, expected):
    assert path_of(path) == expected


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1beta/models/m:generateContent", b"{oops", 400),
        ("/v1beta/models/m:generateContent", b"[]", 400),
        ("/v1beta/models/m:generateContent", b"\xff", 400),
        ("/v1beta/models/m:generateContent", {}, 400),
        ("/v1beta/models/m:generateContent", {"contents": []}, 400),
        ("/v1beta/models/m:generateContent", {"contents": [7]}, 400),
        ("/v1beta/models/m:generateContent", {"contents": [{"parts": 7}]}, 400),
        ("/v1beta/models/m:embedContent", {}, 400),
        ("/v1beta/models/m:batchEmbedContents", {}, 400),
        ("/v1beta/models/m:countTokens", hello(), 404),
        ("/v1beta/nothing", hello(), 404),
    ],
)
def test_what_is_no_request_is_refused(path, body, status):
    with pytest.raises(CallError) as caught:
        heard(body, path)
    assert (caught.value.kind, caught.value.status) == ("bad_request", status)


def kind_of(body) -> str:
    try:
        return heard(body).kind
    except CallError as error:
        return error.kind


NAMES = [
    *("contents", "parts", "role", "text", "functionCall", "functionResponse", "name", "args", "id", "response"),
    *("inlineData", "fileData", "mimeType", "data", "fileUri", "thought", "thoughtSignature", "tools", "mode"),
    *("functionDeclarations", "parameters", "type", "toolConfig", "functionCallingConfig", "allowedFunctionNames"),
    *("generationConfig", "thinkingConfig", "thinkingBudget", "responseMimeType", "responseJsonSchema", "instances"),
    *("content", "requests", "outputDimensionality", "systemInstruction", "executableCode", "thinkingLevel"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


@given(data=st.binary(max_size=80), value=JSON)
def test_noise_is_refused_and_nothing_worse(data, value):
    said = {"role": "model", "parts": [value, {"text": "a"}]}
    for body in (data, value, hello(tools=value), hello(toolConfig=value), {"contents": value}, {"contents": [said]}):
        assert kind_of(body) in ("chat", "bad_request")
    assert kind_of(hello(generationConfig=value, tools=[{"functionDeclarations": [value]}])) in ("chat", "bad_request")
    assert kind_of({"contents": [{"parts": [{"functionResponse": value}, {"inlineData": value}]}]}) in (
        "chat",
        "bad_request",
    )


def test_a_request_that_is_nested_too_deeply_is_refused():
    schema = "[" * 600 + "]" * 600
    body = b'{"contents":[{"parts":[]}],"tools":[{"functionDeclarations":[{"parameters":%b}]}]}' % schema.encode()
    assert kind_of(body) == "bad_request"


def test_an_answer_has_googles_shape():
    call = Call(id="1", model="m", body={})
    whole = answer({"text": "a", "thoughtSignature": "c2ln"}, {"functionCall": {"id": "1", "name": "f", "args": {}}})
    whole |= {"modelVersion": "m", "responseId": "r", "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}}
    whole["candidates"][0]["index"] = 0
    assert json.loads(GEMINI.encode_reply(GEMINI.decode_reply(call, reply(whole))).body) == whole


def test_a_result_and_a_question_in_one_turn_are_two_messages():
    said = {"role": "model", "parts": [{"functionCall": {"name": "f", "id": "1"}}]}
    turn = {"parts": [{"functionResponse": {"name": "f", "id": "1", "response": {"output": "a"}}}, {"text": "and?"}]}
    assert heard({"contents": [*hello()["contents"], said, turn]}).body["messages"][2:] == [
        {"role": "tool", "tool_call_id": "1", "content": "a"},
        {"role": "user", "content": "and?"},
    ]


def test_thoughts_without_a_known_budget_are_understood():
    for budget, thinking in ((-1, {"type": "adaptive"}), (7, {"type": "enabled", "budget_tokens": 7})):
        config = {"thinkingConfig": {"thinkingBudget": budget, "includeThoughts": True}}
        assert heard(hello(generationConfig=config)).body["thinking"] == thinking


def test_several_allowed_functions_are_a_choice_among_them():
    config = {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f", "g"]}}
    choice = heard(hello(toolConfig=config)).body["tool_choice"]
    assert choice["allowed_tools"]["mode"] == "required"
    assert [tool["function"]["name"] for tool in choice["allowed_tools"]["tools"]] == ["f", "g"]


@pytest.mark.parametrize(
    ("arguments", "sent"), [('{"a": 1', {"arguments": '{"a": 1'}), ("", {}), ('{"a": 1}', {"a": 1})]
)
def test_a_call_that_was_cut_short_keeps_its_words(arguments, sent):
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    told = json.loads(GEMINI.encode_reply(Completion(choices=(Choice(message, "tool_calls"),))).body)
    assert told["candidates"][0]["content"]["parts"][0]["functionCall"]["args"] == sent


def test_pictures_and_signatures_survive_a_stream():
    call = Call(id="1", model="m", body={}, stream=True)
    picture = {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]}
    signed = {"extra_content": {"google": {"thought_signature": "c2ln"}}}
    events = [Started("m", "r"), TextDelta("a"), PartDelta(picture), PartDelta(signed), Finished("stop", "STOP")]
    encoder = GEMINI.encoder(call, model="m", id="r")
    heard_, error, _ = read_stream(GEMINI, call, [encoder.feed(events) + encoder.end()])
    assert error is None
    assert fold(heard_).message == {"role": "assistant", "content": "a", **picture, **signed}


def test_a_schema_in_googles_own_words_is_a_schema_all_the_same():
    own = {
        "type": "OBJECT",
        "properties": {"city": {"type": "STRING", "nullable": True}, "nullable": {"type": "BOOLEAN"}},
        "property_ordering": ["city", "nullable"],
    }
    config = {"responseMimeType": "application/json", "responseSchema": own}
    wanted = heard(hello(generationConfig=config)).body["response_format"]
    properties = {"city": {"type": ["string", "null"]}, "nullable": {"type": "boolean"}}
    assert wanted["json_schema"]["schema"] == {"type": "object", "properties": properties}
