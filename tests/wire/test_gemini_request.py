"""What goes over the wire: messages, parts, addresses; and what is refused."""

import json
from urllib.parse import urlsplit

import pytest
from tests.wire.gemini_given import GEMINI, VERTEX, asked, chat, refused

from penstock.call import Call
from penstock.catalog import Vendor
from penstock.wire.gemini import GeminiCodec


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


def test_a_model_without_an_instruction_gets_it_with_the_first_words():
    messages = [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hello"}]
    body = asked(chat(messages=messages), "gemma-3-27b-it")
    assert body == {"contents": [{"role": "user", "parts": [{"text": "be kind"}, {"text": "hello"}]}]}
