"""What responses say, whole and streamed, and what becomes of those that say nothing."""

import json

import pytest
from tests.wire.responses_given import USAGE, asking, codec, heard, response, sse, streamed, text

from penstock.call import Finished, PartDelta, Started, TextDelta, Usage, UsageUpdate
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.testing.exam_codec import check_chunking, read_stream

CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f", "arguments": '{"a": 1}'}
OTHER = {**CALL, "id": "fc_2", "call_id": "call_2", "name": "g"}
FREE = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_3", "name": "sql", "input": "SELECT 1"}
SUMMED = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "First."}, {"type": "summary_text", "text": "Then."}],
    "encrypted_content": "c2VjcmV0",
}
THOUGHT = {"type": "reasoning", "id": "rs_2", "summary": [], "content": [{"type": "reasoning_text", "text": "2+2"}]}
REFUSED = {"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}}
IMAGE = {
    "type": "image_generation_call",
    "id": "ig_1",
    "status": "completed",
    "result": "AAAA",
    "output_format": "webp",
}
COMPUTER = {"type": "computer_call", "id": "cu_1", "call_id": "call_4", "action": {"type": "click"}}
CITED = {"type": "url_citation", "url": "https://example.org", "title": "T", "start_index": 0, "end_index": 3}
TOKENS = [{"token": "4", "logprob": -0.1, "bytes": [52], "top_logprobs": []}]


def stream_of(whole) -> bytes:
    """The stream in which the same response comes, cut into small pieces."""
    begun = {**whole, "output": [], "status": "in_progress", "usage": None}
    events = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
    for place, item in enumerate(whole["output"]):
        opened = {**item, **{name: [] for name in ("content", "summary") if name in item}}
        opened |= {name: "" for name in ("arguments", "input") if name in item}
        events.append({"type": "response.output_item.added", "output_index": place, "item": opened})
        events += [{"output_index": place, "item_id": item.get("id"), **event} for event in _pieces(item)]
        events.append({"type": "response.output_item.done", "output_index": place, "item": item})
    events.append({"type": f"response.{whole['status']}", "response": whole})
    return sse(*[{**event, "sequence_number": number} for number, event in enumerate(events)])


def _cut(kind, said, **fields):
    return [{"type": kind, "delta": piece, **fields} for piece in (said[:1], said[1:]) if piece]


def _pieces(item):
    for number, part in enumerate(item.get("summary", ())):
        yield {"type": "response.reasoning_summary_part.added", "summary_index": number}
        yield from _cut("response.reasoning_summary_text.delta", part["text"], summary_index=number)
    for number, part in enumerate(item.get("content", ())):
        at = {"content_index": number}
        yield {"type": "response.content_part.added", **at, "part": part}
        match part["type"]:
            case "output_text":
                first, *rest = _cut("response.output_text.delta", part["text"], **at) or [{}]
                yield from [{**first, "logprobs": part.get("logprobs", [])}, *rest] if first else []
                for source in part["annotations"]:
                    yield {"type": "response.output_text.annotation.added", **at, "annotation": source}
                yield {"type": "response.output_text.done", **at, "text": part["text"]}
            case "refusal":
                yield from _cut("response.refusal.delta", part["refusal"], **at)
            case "reasoning_text":
                yield from _cut("response.reasoning_text.delta", part["text"], **at)
    if item["type"] == "function_call":
        yield from _cut("response.function_call_arguments.delta", item["arguments"])
        yield {"type": "response.function_call_arguments.done", "arguments": item["arguments"]}
    if item["type"] == "custom_tool_call":
        yield from _cut("response.custom_tool_call_input.delta", item["input"])
        yield {"type": "response.custom_tool_call_input.done", "input": item["input"]}
    if item["type"] == "web_search_call":
        yield {"type": "response.web_search_call.searching"}


def both(*output, **fields):
    """The answer in a response; the same one streamed says the same, and so does one that comes only at the end."""
    said = response(*output, **fields)
    whole = heard(said)
    last = sse({"type": f"response.{said['status']}", "response": said})
    for stream in (stream_of(said), last):
        told = streamed(stream)
        assert told.message == whole.message
        assert (told.finish, told.choices[0].finish_raw) == (whole.finish, whole.choices[0].finish_raw)
        assert (told.usage, told.id, told.model, told.created) == (whole.usage, whole.id, whole.model, whole.created)
        assert told.choices[0].logprobs == whole.choices[0].logprobs
    check_chunking(codec(), asking(), stream_of(said), range(len(stream_of(said))))
    return whole


def test_texts_are_joined():
    answer = both(text("Let me "), text("see."))
    assert (answer.text, answer.finish, answer.choices[0].finish_raw) == ("Let me see.", "stop", "completed")
    assert (answer.id, answer.model, answer.created) == ("resp_1", "m-1", 1_700_000_000)


def test_usage_is_told_with_its_details():
    assert both(text("4")).usage == Usage(10, 7, 4, 3)
    written = {**USAGE, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 6}}
    assert heard(response(text("4"), usage=written)).usage == Usage(10, 7, 0, 3, 6)
    assert heard(response(text("4"), usage=None)).usage is None


def test_thoughts_counted_outside_the_output_are_added():
    assert heard(response(text("4"), usage={**USAGE, "total_tokens": 20})).usage == Usage(10, 10, 4, 3)


def test_calls_come_in_order():
    answer = both(CALL, OTHER)
    assert answer.finish == "tool_calls"
    assert answer.message["content"] is None
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in answer.message["tool_calls"]
    ]
    assert calls == [("call_1", "f", '{"a": 1}'), ("call_2", "g", '{"a": 1}')]


def test_a_call_of_free_text_has_the_text_for_its_arguments():
    (call,) = both(FREE).message["tool_calls"]
    assert call == {"id": "call_3", "type": "function", "function": {"name": "sql", "arguments": "SELECT 1"}}


def test_thoughts_are_read_and_kept_for_the_way_back():
    answer = both(SUMMED, CALL, THOUGHT, text("4"))
    assert answer.message["reasoning_content"] == "First.\n\nThen.\n\n2+2"
    details = answer.message["reasoning_details"]
    assert [(one["type"], one["index"], one["id"]) for one in details] == [
        ("reasoning.summary", 0, "rs_1"), ("reasoning.encrypted", 0, "rs_1"), ("reasoning.text", 1, "rs_2"),
    ]  # fmt: skip
    assert (details[1]["data"], details[2]["position"]) == ("c2VjcmV0", 1)


def test_thoughts_in_parts_are_told_apart():
    parts = [{"type": "reasoning_text", "text": "2+2"}, {"type": "reasoning_text", "text": "is 4"}]
    answer = both({**THOUGHT, "content": parts}, text("4"))
    assert answer.message["reasoning_content"] == answer.message["reasoning_details"][0]["text"] == "2+2\n\nis 4"


def test_a_refusal_is_no_text():
    answer = both(REFUSED)
    assert (answer.message["refusal"], answer.message["content"], answer.finish) == ("No.", None, "stop")


def test_sources_are_told_in_the_form_of_chats():
    answer = both(SEARCH, text("Yes", annotations=[CITED, {"type": "file_citation", "file_id": "file_1"}]))
    assert answer.message["annotations"] == [
        {"type": "url_citation", "url_citation": {k: v for k, v in CITED.items() if k != "type"}},
        {"type": "file_citation", "file_id": "file_1"},
    ]


def test_log_probabilities_are_told():
    assert both(text("4", logprobs=TOKENS)).choices[0].logprobs == {"content": TOKENS}


def test_an_image_is_an_answer():
    answer = both(IMAGE)
    assert answer.message["images"] == [{"type": "image_url", "image_url": {"url": "data:image/webp;base64,AAAA"}}]


def test_what_another_tool_asks_for_is_an_answer_whose_raw_has_it():
    answer = both(COMPUTER)
    assert (answer.text, answer.finish) == ("", "stop")
    assert json.loads(heard(response(COMPUTER)).raw)["output"] == [COMPUTER]


@pytest.mark.parametrize(
    ("details", "finish", "word"),
    [
        ({"reason": "max_output_tokens"}, "length", "max_output_tokens"),
        ({"reason": "content_filter"}, "content_filter", "content_filter"),
        (None, "length", "incomplete"),
    ],
)
@pytest.mark.parametrize("output", [[text("Half an")], []], ids=["something", "nothing"])
def test_an_incomplete_answer_says_why(output, details, finish, word):
    answer = both(*output, status="incomplete", incomplete_details=details)
    assert (answer.finish, answer.choices[0].finish_raw) == (finish, word)


@pytest.mark.parametrize(
    "output", [[], [SUMMED], [text("")], [SEARCH]], ids=["nothing", "a thought", "no text", "a search"]
)
def test_an_answer_that_says_nothing_is_empty(output):
    said = response(*output)
    for read in (heard, lambda said: streamed(stream_of(said))):
        with pytest.raises(CallError) as raised:
            read(said)
        assert raised.value.kind == "empty"


FAILURES = [
    ({"code": "server_error", "message": "Sorry."}, "server_error"),
    ({"code": "rate_limit_exceeded", "message": "Please try again in 2.5s."}, "rate_limited"),
    ({"code": "invalid_prompt", "message": "flagged"}, "content_filtered"),
    ({"code": "context_length_exceeded", "message": "too long"}, "context_too_long"),
    ({"code": "insufficient_quota", "message": "no credit"}, "quota_exhausted"),
    ({"code": "image_too_large", "message": "too large"}, "bad_request"),
    ({"code": "vector_store_timeout", "message": "slow"}, "timeout"),
    (None, "server_error"),
]


@pytest.mark.parametrize(("error", "kind"), FAILURES, ids=str)
def test_a_response_that_failed_is_an_error_of_its_class(error, kind):
    said = response(text("Half an"), status="failed", error=error)
    with pytest.raises(CallError) as whole:
        heard(said)
    with pytest.raises(CallError) as told:
        streamed(stream_of(said))
    assert (whole.value.kind, told.value.kind) == (kind, kind)
    assert whole.value.partial == told.value.partial == "Half an"
    if kind == "rate_limited":
        assert whole.value.retry_after_s == told.value.retry_after_s == 2.5


NESTED = {"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "slow down"}}
FLAT = {"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None}


@pytest.mark.parametrize("error", [NESTED, FLAT], ids=["nested", "flat"])
@pytest.mark.parametrize("followed", [False, True])
def test_an_error_event_and_the_failure_behind_it_are_one_error(error, followed):
    failed = response(status="failed", error={"code": "server_error", "message": "another"})
    begun = stream_of(response(text("Half an"))).partition(b"event: response.completed")[0]
    data = begun + sse(error) + (sse({"type": "response.failed", "response": failed}) if followed else b"")
    events, raised, _ = read_stream(codec(), asking(), [data])
    assert TextDelta("H") in events
    assert (raised.kind, raised.message, raised.partial) == ("rate_limited", "slow down", "Half an")


def test_the_order_of_events():
    events, error, _ = read_stream(codec(), asking(), [stream_of(response(SUMMED, text("4")))])
    assert error is None
    kinds = [type(event) for event in events]
    assert kinds[0] is Started
    assert kinds[-3:] == [TextDelta, UsageUpdate, Finished]
    assert kinds.count(Started) == kinds.count(Finished) == kinds.count(PartDelta) == 1


def test_what_was_lost_is_taken_from_the_end():
    begun, ended = stream_of(response(text("four"))).split(b"event: response.output_text.done")
    lost = begun.replace(b'"delta": "our"', b'"delta": "ou')
    answer = streamed(lost + b"event: response.output_text.done" + ended)
    assert (answer.text, answer.malformed_events) == ("four", 0)


@pytest.mark.parametrize("after", [1, 4, 6, -1])
def test_a_stream_without_its_end_was_cut(after):
    pieces = stream_of(response(text("Half an"))).split(b"\n\n")
    with pytest.raises(CallError) as raised:
        streamed(b"\n\n".join([*pieces[:-1][:after], b""]))
    assert raised.value.kind == "transport"


@pytest.mark.parametrize(
    "data", [b"", b"<html><title>502</title></html>", b'{"id": 1}', b"[]", b'{"output": "x"}', b"4"]
)
def test_what_is_no_response_is_an_error_of_the_transport(data):
    with pytest.raises(CallError) as raised:
        codec().decode_reply(asking(), WireReply(200, {}, data))
    assert raised.value.kind == "transport"


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_an_answer_that_is_not_there_yet_is_none(status):
    with pytest.raises(CallError, match=status):
        heard(response(status=status))


def test_an_error_under_a_200_has_its_class():
    with pytest.raises(CallError) as raised:
        heard({"error": {"message": "slow down", "code": "rate_limit_exceeded"}})
    assert (raised.value.kind, raised.value.status) == ("rate_limited", 200)


@pytest.mark.parametrize("tail", [b"", b"data: [DONE]\n\n"])
def test_events_without_names_or_with_a_terminator_of_chats_are_read(tail):
    lines = [line for line in stream_of(response(text("4"))).split(b"\n") if not line.startswith(b"event:")]
    assert streamed(b": keep-alive\n\n" + b"\n".join(lines) + tail).text == "4"
