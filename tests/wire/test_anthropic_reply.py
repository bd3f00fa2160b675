"""What Anthropic's messages say, whole and streamed, and what becomes of those that say nothing."""

import json

import pytest
from tests.wire.anthropic_given import asking, codec, sse, streamed

from penstock.call import Completion, Finished, Started, TextDelta, Usage, UsageUpdate, status_of
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.testing.exam_codec import check_chunking, read_stream
from penstock.wire.eventstream import chunk_frame, exception_frame

USAGE = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 7}
TEXT = {"type": "text", "text": "4"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
THOUGHT = {"type": "thinking", "thinking": "2+2", "signature": "c2ln"}
JSON_MODE = {"type": "json_object"}


def message(*content, stop="end_turn", **fields):
    base = {"type": "message", "role": "assistant", "id": "msg_1", "model": "claude-x", "usage": USAGE}
    return {**base, "content": list(content), "stop_reason": stop, **fields}


def stream_of(whole) -> bytes:
    """The stream in which the same message comes, cut into small pieces."""
    events = [{"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        empty = {"text": "", "thinking": "", "signature": "", "input": {}}
        start = {name: empty.get(name, value) for name, value in block.items() if name != "citations"}
        events.append({"type": "content_block_start", "index": index, "content_block": start})
        for delta in _deltas(block):
            events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    end = {"stop_reason": whole["stop_reason"], "stop_details": whole.get("stop_details")}
    events += [{"type": "message_delta", "delta": end, "usage": {"output_tokens": 7}}, {"type": "message_stop"}]
    return sse(*events)


def _deltas(block):
    text = block.get("text") or ""
    yield from ({"type": "text_delta", "text": piece} for piece in (text[:1], text[1:]) if piece)
    yield from ({"type": "citations_delta", "citation": one} for one in block.get("citations", ()))
    if block["type"] == "thinking":
        yield {"type": "thinking_delta", "thinking": block["thinking"]}
        yield {"type": "signature_delta", "signature": block["signature"]}
    if block.get("input"):
        written = json.dumps(block["input"])
        yield from ({"type": "input_json_delta", "partial_json": piece} for piece in ("", written[:3], written[3:]))


def whole_in(said, call=None, **headers) -> Completion:
    return codec().decode_reply(call or asking(), WireReply(200, headers, json.dumps(said).encode()))


def both(said, call=None) -> Completion:
    """The answer in a message; the same message streamed says the same."""
    whole = whole_in(said, call)
    told = streamed(stream_of(said), call)
    assert told.message == whole.message
    assert (told.finish, told.usage, told.id, told.model) == (whole.finish, whole.usage, whole.id, whole.model)
    return whole


def test_usage_counts_what_a_cache_was_read_for_and_written():
    assert both(message(TEXT)).usage == Usage(17, 7, 5, 0, 2)


def test_thoughts_are_counted_inside_the_output():
    told = {**USAGE, "output_tokens_details": {"thinking_tokens": 3}}
    assert whole_in(message(TEXT, usage=told)).usage.reasoning_tokens == 3


def test_texts_are_joined_and_calls_come_in_order():
    answer = both(message({"type": "text", "text": "Let me "}, {"type": "text", "text": "see."}, CALL, CALL))
    assert answer.text == "Let me see."
    assert [call["id"] for call in answer.message["tool_calls"]] == ["toolu_1", "toolu_1"]
    assert answer.message["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a": 1}'}


def test_a_call_without_arguments_has_an_empty_object():
    answer = both(message({**CALL, "input": {}}, stop="tool_use"))
    assert answer.message["content"] is None
    assert answer.message["tool_calls"][0]["function"]["arguments"] == "{}"
    assert answer.finish == "tool_calls"


def test_signed_thoughts_come_back_as_they_were():
    redacted = {"type": "redacted_thinking", "data": "eA=="}
    answer = both(message(THOUGHT, redacted, TEXT))
    assert answer.message["reasoning_content"] == "2+2"
    again = codec().encode_request(
        asking(messages=[{"role": "user", "content": "?"}, answer.message, {"role": "user", "content": "!"}]),
        "claude-x",
        stream=False,
    )
    assert json.loads(again.body)["messages"][1]["content"] == [THOUGHT, redacted, TEXT]


def test_a_search_is_no_call_of_ours_and_its_sources_are_annotations():
    cited = {"type": "web_search_result_location", "url": "https://example.org", "title": "T", "cited_text": "x"}
    search = {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {"q": "x"}}
    answer = both(message(search, {"type": "text", "text": "4", "citations": [cited, {"type": "page_location"}]}))
    assert "tool_calls" not in answer.message
    assert answer.message["annotations"] == [
        {"type": "url_citation", "url_citation": {"url": "https://example.org", "title": "T"}}
    ]


@pytest.mark.parametrize(
    ("stop", "finish", "status"),
    [
        ("end_turn", "stop", "success"),
        ("stop_sequence", "stop", "success"),
        ("max_tokens", "length", "truncated"),
        ("model_context_window_exceeded", "length", "truncated"),
        ("pause_turn", "length", "truncated"),
        ("compaction", "length", "truncated"),
        ("refusal", "content_filter", "filtered"),
        ("something_new", "unknown", "success"),
        (None, "unknown", "success"),
    ],
)
def test_every_stop_reason_has_its_ending(stop, finish, status):
    answer = both(message(TEXT, stop=stop))
    assert (answer.finish, answer.choices[0].finish_raw, status_of(answer)) == (finish, stop, status)


@pytest.mark.parametrize("stop", ["refusal", "max_tokens"])
def test_filtered_or_cut_short_with_nothing_to_show_is_an_answer(stop):
    assert both(message(stop=stop)).text == ""


def test_the_reason_of_a_refusal_is_told():
    details = {"type": "refusal", "category": "bio", "explanation": "Not this."}
    assert both(message(stop="refusal", stop_details=details)).message["refusal"] == "Not this."


def test_the_arguments_of_the_answer_tool_are_the_answer():
    tool = {"type": "tool_use", "id": "t", "name": "structured_answer", "input": {"age": 4}}
    answer = both(message(tool, stop="tool_use"), asking(response_format=JSON_MODE))
    assert (answer.text, answer.finish) == ('{"age": 4}', "stop")
    assert "tool_calls" not in answer.message


def test_what_is_said_before_the_answer_tool_is_no_answer():
    tool = {"type": "tool_use", "id": "t", "name": "structured_answer", "input": {"age": 4}}
    said = message({"type": "text", "text": "Here it is:"}, tool, stop="tool_use")
    assert both(said, asking(response_format=JSON_MODE, reasoning_effort="low")).text == '{"age": 4}'


def test_json_that_came_as_text_is_the_answer():
    said = message({"type": "text", "text": '{"age": 4}'})
    assert both(said, asking(response_format=JSON_MODE, reasoning_effort="low")).text == '{"age": 4}'


def test_the_answer_tool_is_a_tool_like_any_other_when_nobody_asked_for_json():
    tool = {"type": "tool_use", "id": "t", "name": "structured_answer", "input": {"age": 4}}
    assert both(message(tool, stop="tool_use")).finish == "tool_calls"


@pytest.mark.parametrize(("text", "rest"), [(" \n3", "3"), ("3", "3"), (" 3", "3")])
def test_white_space_that_the_caller_has_is_not_said_again(text, rest):
    messages = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "1 2 \n"}]
    said = stream_of(message({"type": "text", "text": text}))
    assert streamed(said, asking(messages=messages, prefill=True)).text == rest


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "transport"),
        (b"  ", "transport"),
        (b"<html><title>Oops</title></html>", "transport"),
        (b'{"type": "mess', "transport"),
        (b"[]", "transport"),
        (b'{"type": "message"}', "transport"),
        (b'{"type": "message", "content": "4"}', "transport"),
        (b'{"type": "message", "content": [], "stop_reason": "end_turn"}', "empty"),
        (b'{"type": "message", "content": [{"type": "text", "text": ""}], "stop_reason": "end_turn"}', "empty"),
        (b'{"type": "message", "content": [{"type": "thinking", "thinking": "x"}]}', "empty"),
        (b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}', "overloaded"),
        (b'{"type": "error", "error": {"type": "rate_limit_error", "message": "x"}}', "rate_limited"),
        (b'{"message": "\xff"}', "transport"),
    ],
)
def test_a_200_that_is_no_answer_is_a_failed_attempt(body, kind):
    with pytest.raises(CallError) as raised:
        codec().decode_reply(asking(), WireReply(200, {"request-id": "req_1"}, body))
    assert (raised.value.kind, raised.value.request_id) == (kind, "req_1")


def test_an_answer_knows_its_request():
    assert whole_in(message(TEXT), **{"request-id": "req_1", "retry-after": "30"}).request_id == "req_1"


START = {"type": "message_start", "message": {**message(), "stop_reason": None}}
BEGUN = [
    START,
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "half"}},
]
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 9}}
STOP = {"type": "message_stop"}
OVERLOADED = {"type": "error", "error": {"type": "api_error", "message": "Overloaded"}}


def test_the_input_is_counted_before_the_first_word_and_the_last_count_holds():
    events, error, _ = read_stream(codec(), asking(), [sse(*BEGUN, END, STOP)])
    assert error is None
    assert events[:3] == [Started("claude-x", "msg_1"), UsageUpdate(Usage(17, 7, 5, 0, 2)), TextDelta("half")]
    assert events[3:] == [Finished("stop", "end_turn"), UsageUpdate(Usage(17, 9, 5, 0, 2))]


@pytest.mark.parametrize(
    ("stream", "kind", "partial"),
    [
        (b"", "transport", ""),
        (b"<html><title>Oops</title></html>", "transport", ""),
        (sse(START), "transport", ""),
        (sse(*BEGUN), "transport", "half"),
        (sse(*BEGUN, OVERLOADED), "overloaded", "half"),
        (sse(OVERLOADED), "overloaded", ""),
        (sse(*BEGUN) + b'{"type":"error","error":{"type":"timeout_error","message":"x"}}\n', "timeout", "half"),
        (sse(*BEGUN) + b'data: {"error":{"type":"overloaded_error","message":"x"}}\n\n', "overloaded", "half"),
        (sse(START, END, STOP), "empty", ""),
        (sse(START) + b'data: {"type": "content_b\n\n' + sse(*BEGUN[1:], END, STOP), "transport", ""),
    ],
    ids=["nothing", "html", "start", "cut", "error", "first", "bare", "untyped", "empty", "broken"],
)
def test_a_stream_that_is_no_answer_fails_with_what_it_had_said(stream, kind, partial):
    with pytest.raises(CallError) as raised:
        streamed(stream)
    assert (raised.value.kind, raised.value.partial) == (kind, partial)
    check_chunking(codec(), asking(), stream, range(len(stream)))


@pytest.mark.parametrize("rest", [sse(END), sse(END).rstrip(b"\n"), sse(STOP), sse(END) + b"data: [DONE]\n\n"])
def test_a_finish_or_a_terminator_makes_a_stream_whole(rest):
    assert streamed(sse(*BEGUN) + rest).text == "half"


def test_an_unreadable_event_behind_a_part_of_the_answer_is_counted():
    answer = streamed(sse(*BEGUN) + b"event: content_block_delta\ndata: {oops\n\n" + sse(END, STOP))
    assert (answer.text, answer.malformed_events) == ("half", 1)


def test_what_nobody_knows_is_skipped():
    odd = [
        {"type": "news", "index": 0},
        {"type": "content_block_start", "index": 5, "content_block": {"type": "hologram"}},
        {"type": "content_block_delta", "index": 5, "delta": {"type": "hologram_delta"}},
        {"type": "content_block_delta", "index": 9, "delta": {"type": "input_json_delta", "partial_json": "{"}},
    ]
    assert streamed(sse(*BEGUN, *odd, END, STOP)).text == "half"


def test_arguments_that_stand_at_the_beginning_of_a_block_are_kept():
    block = {"type": "content_block_start", "index": 1, "content_block": CALL}
    answer = streamed(sse(*BEGUN, block, END, STOP))
    assert answer.message["tool_calls"][0]["function"]["arguments"] == '{"a": 1}'


def test_answers_of_the_retired_text_completions_are_read():
    piece = {"type": "completion", "id": "compl_1", "model": "claude-2", "stop_reason": None}
    whole = whole_in({**piece, "completion": " Hello!", "stop_reason": "stop_sequence"})
    stream = [{**piece, "completion": " Hel"}, {**piece, "completion": "lo!"}]
    told = streamed(sse(*stream, {**piece, "completion": "", "stop_reason": "stop_sequence"}))
    assert (whole.kind, whole.text, whole.finish, whole.usage) == ("completion", " Hello!", "stop", None)
    assert (told.text, told.finish, told.id, told.model) == (" Hello!", "stop", "compl_1", "claude-2")
    with pytest.raises(CallError, match="without a stop reason"):
        streamed(sse(*stream))


def test_bedrock_carries_the_same_events_in_frames():
    lines = [json.dumps(event).encode() for event in (*BEGUN, END, STOP)]
    data = b"".join([chunk_frame(line) for line in lines])
    events, error, _ = read_stream(codec("bedrock"), asking(), [data])
    assert error is None
    assert events == read_stream(codec(), asking(), [sse(*BEGUN, END, STOP)])[0]
    check_chunking(codec("bedrock"), asking(), data, range(len(data)))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", "rate_limited"),
        ("modelStreamErrorException", "server_error"),
        ("internalServerException", "server_error"),
        ("serviceUnavailableException", "overloaded"),
        ("validationException", "bad_request"),
        ("modelTimeoutException", "timeout"),
    ],
)
def test_an_exception_among_the_frames_has_its_class(name, kind):
    begun = b"".join([chunk_frame(json.dumps(event).encode()) for event in BEGUN])
    data = begun + exception_frame(name, b'{"message": "went wrong"}')
    events, error, _ = read_stream(codec("bedrock"), asking(), [data])
    assert TextDelta("half") in events
    assert (error.kind, error.message, error.code, error.partial) == (kind, "went wrong", name, "half")
    check_chunking(codec("bedrock"), asking(), data, range(len(data)))


@pytest.mark.parametrize("tail", [b"\x00\x00\x00", b"\x00" * 20, chunk_frame(b"not json"), chunk_frame(b"{}")[:-5]])
def test_a_broken_frame_is_a_cut_stream_in_any_pieces(tail):
    data = b"".join([chunk_frame(json.dumps(event).encode()) for event in BEGUN]) + tail
    _, error, _ = read_stream(codec("bedrock"), asking(), [data])
    assert error.kind == "transport"
    check_chunking(codec("bedrock"), asking(), data, range(len(data)))
