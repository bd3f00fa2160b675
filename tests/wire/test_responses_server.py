"""The server half: what clients of the Responses API ask, and how they are answered."""

import json

import pytest
from tests.wire.responses_given import BASE, asking, codec, heard

from penstock.call import Choice, Completion, Finished, PartDelta, ReasoningDelta, Started, TextDelta, ToolDelta, Usage
from penstock.errors import CallError
from penstock.fold import fold
from penstock.http import WireRequest
from penstock.testing.exam_codec import read_stream

SECRET = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "c2VjcmV0"}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "f",
    "arguments": "{}",
    "status": "completed",
}
GRAMMAR = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: X"}}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "1"}


def ask(path="/responses", method="POST", **body):
    said = {"model": "m", "input": "?", **body}
    return codec().decode_request(WireRequest(method, BASE + path, {}, json.dumps(said).encode()))


def refused(path="/responses", method="POST", **body):
    with pytest.raises(CallError) as raised:
        ask(path, method, **body)
    assert raised.value.kind == "bad_request"
    return raised.value


def test_a_text_is_a_users_message_and_instructions_come_first():
    call = ask(input="Hi", instructions="Be brief.", max_output_tokens=5, reasoning={"effort": "low", "summary": None})
    assert call.body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "max_completion_tokens": 5,
        "reasoning_effort": "low",
    }


def test_what_an_assistant_did_is_one_message():
    said = {"type": "message", "id": "msg_1", "role": "assistant", "content": [{"type": "output_text", "text": "Hm."}]}
    call = ask(input=[{"role": "user", "content": "?"}, SECRET, said, CALL, {**CALL, "call_id": "call_2"}, RESULT])
    _, answer, result = call.body["messages"]
    assert (answer["content"], [one["id"] for one in answer["tool_calls"]]) == ("Hm.", ["call_1", "call_2"])
    assert answer["reasoning_details"][0]["data"] == "c2VjcmV0"
    assert result == {"role": "tool", "tool_call_id": "call_1", "content": "1"}


def test_a_turn_of_tools_goes_through_a_client_unchanged():
    items = [
        {"role": "user", "content": "?"},
        SECRET,
        CALL,
        RESULT,
        {**SECRET, "id": "rs_2"},
        {**CALL, "call_id": "c2"},
    ]
    call = ask(input=items)
    again = json.loads(codec().encode_request(call, "m", stream=False).body)["input"]
    kept = [{k: v for k, v in item.items() if k != "status" and (k, v) != ("id", "fc_1")} for item in items]
    assert again == kept


def test_what_a_providers_own_tool_did_is_left_out():
    searched = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    call = ask(input=[{"role": "user", "content": "?"}, searched, {"role": "assistant", "content": "Yes"}])
    assert [message["content"] for message in call.body["messages"]] == ["?", "Yes"]


def test_the_same_parts_and_tools_come_back():
    body = {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "?"},
                    {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
                    {"type": "file", "file": {"file_data": "https://example.org/a.pdf"}},
                ],
            },
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "c1", "type": "custom", "custom": {"name": "sql", "input": "SELECT 1"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "1"}]},
        ],
        "tools": [{"type": "custom", "custom": {"name": "sql", "format": GRAMMAR}}],
        "tool_choice": {"type": "custom", "custom": {"name": "sql"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}, "strict": True}},
        "verbosity": "low",
        "logprobs": True,
    }  # fmt: skip
    request = codec().encode_request(asking(**body), "m", stream=False)
    assert codec().decode_request(request).body == {"model": "m", **body}


@pytest.mark.parametrize(
    ("asked", "code", "status"),
    [
        ({"input": None}, "missing_required_parameter", 400),
        ({"model": None}, "missing_required_parameter", 400),
        ({"input": []}, "invalid_type", 400),
        ({"input": ["Hi"]}, "invalid_type", 400),
        ({"input": [{"role": "narrator", "content": "Hi"}]}, "invalid_value", 400),
        ({"input": [{"type": "computer_call_output"}]}, "invalid_value", 400),
        ({"input": [{"type": "item_reference", "id": "rs_1"}]}, "item_not_found", 404),
        ({"stream": "yes"}, "invalid_type", 400),
        ({"text": 5}, "invalid_type", 400),
        ({"instructions": 5}, "invalid_type", 400),
        ({"previous_response_id": "resp_1"}, "previous_response_not_found", 400),
        ({"conversation": "conv_1"}, "conversation_not_found", 404),
        ({"prompt": {"id": "pmpt_1"}}, "prompt_not_found", 404),
        ({"background": True}, "unsupported_parameter", 400),
    ],
)
def test_a_mistake_is_refused_in_openais_words(asked, code, status):
    error = refused(**asked)
    assert (error.code, error.status) == (code, status)
    assert codec().encode_error(error).status == status


def test_other_addresses_and_methods_are_unknown():
    assert refused("/answers").status == 404
    assert refused(method="GET").status == 405
    assert refused("/responses/resp_1").status == 404


def test_an_answer_says_what_was_asked_for():
    usage = Usage(3, 2)
    said = Completion(choices=(Choice({"role": "assistant", "content": "4"}, "stop"),), usage=usage, model="m", id="r1")
    call = ask(temperature=0.5, tools=[{"type": "function", "name": "f", "parameters": {}}], max_output_tokens=50)
    body = json.loads(codec().encode_reply(said, call).body)
    assert (body["object"], body["status"], body["temperature"]) == ("response", "completed", 0.5)
    assert (body["tools"][0]["name"], body["max_output_tokens"]) == ("f", 50)
    assert body["output"][0]["content"][0] == {"type": "output_text", "text": "4", "annotations": [], "logprobs": []}
    assert body["usage"]["total_tokens"] == 5


def test_encrypted_thoughts_survive_the_way_to_a_client_and_back():
    detail = {"type": "reasoning.encrypted", "format": "openai-responses-v1", "index": 0, "id": "rs_1", "data": "eA=="}
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    events = [
        Started("m", "r1"), ReasoningDelta("Hm."), PartDelta({"reasoning_details": [detail]}),
        ToolDelta(0, "c1", "f", "{}"), Finished("tool_calls"),
    ]  # fmt: skip
    encoder = codec().encoder(asking(), model="m", id="r1")
    data = encoder.feed(events) + encoder.end()
    whole = json.loads(data.rpartition(b"data: ")[2])["response"]
    assert (whole["output"][0]["type"], whole["output"][0]["id"]) == ("reasoning", "rs_1")
    told = ask(input=[{"role": "user", "content": "?"}, *whole["output"]]).body["messages"][1]
    assert told["tool_calls"] == [call]
    assert [one["data"] for one in told["reasoning_details"] if "data" in one] == ["eA=="]
    assert heard(whole).message["reasoning_content"] == "Hm."


def test_thoughts_between_calls_keep_their_place():
    again = {**SECRET, "id": "rs_2", "encrypted_content": "bW9yZQ=="}
    items = [SECRET, CALL, again, {**CALL, "call_id": "call_2"}]
    (answer,) = ask(input=items).body["messages"]
    sent_back = json.loads(codec().encode_request(asking(messages=[answer]), "m", stream=False).body)["input"]
    assert [item.get("id") or item.get("call_id") for item in sent_back] == ["rs_1", "call_1", "rs_2", "call_2"]
    said = Completion(choices=(Choice(answer, "tool_calls"),), model="m", id="r1")
    output = json.loads(codec().encode_reply(said).body)["output"]
    assert [item.get("call_id") or item["id"] for item in output] == ["rs_1", "call_1", "rs_2", "call_2"]


def test_a_thought_that_comes_last_is_told_last():
    (answer,) = ask(input=[CALL, SECRET]).body["messages"]
    answer["reasoning_details"][0]["position"] = 9
    said = Completion(choices=(Choice(answer, "tool_calls"),), model="m", id="r1")
    assert [item["type"] for item in json.loads(codec().encode_reply(said).body)["output"]] == [
        "function_call",
        "reasoning",
    ]


def test_encrypted_thoughts_that_a_client_asks_for_are_asked_for_by_our_own_half():
    assert "include" not in ask(include=["reasoning.encrypted_content"]).body
    assert ask(include=["file_search_call.results"]).body["include"] == ["file_search_call.results"]


def test_sources_are_told_in_the_stream_and_at_its_end():
    source = {"type": "url_citation", "url_citation": {"url": "https://example.org", "title": "T"}}
    encoder = codec().encoder(asking(), model="m", id="r1")
    data = encoder.feed([Started("m", "r1"), TextDelta("4"), PartDelta({"annotations": [source]}), Finished("stop")])
    data += encoder.end()
    whole = json.loads(data.rpartition(b"data: ")[2])["response"]
    assert whole["output"][0]["content"][0]["annotations"] == [
        {"type": "url_citation", "url": "https://example.org", "title": "T"}
    ]
    assert heard(whole).message["annotations"] == fold(read_stream(codec(), asking(), [data])[0]).message["annotations"]


def test_every_event_is_numbered_and_every_item_closed():
    encoder = codec().encoder(asking(), model="m", id="r1")
    data = (
        encoder.feed([Started("m", "r1"), TextDelta("4"), ToolDelta(0, "c1", "f"), Finished("length")]) + encoder.end()
    )
    events = [json.loads(line[6:]) for line in data.split(b"\n") if line.startswith(b"data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done") == 2
    assert kinds[-1] == "response.incomplete"
    assert events[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_an_error_ends_a_stream():
    encoder = codec().encoder(asking(), model="m", id="r1")
    data = encoder.feed([Started("m", "r1")]) + encoder.fail(CallError("overloaded", "busy"))
    _, error, _ = read_stream(codec(), asking(), [data])
    assert (error.kind, error.message) == ("overloaded", "busy")
