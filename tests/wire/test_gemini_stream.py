"""What a stream says, and how it fails."""

import pytest
from tests.wire.gemini_given import GEMINI, answer, frames

from penstock.call import Call, Finished, Started, TextDelta, ToolDelta, Usage, UsageUpdate
from penstock.fold import fold
from penstock.testing.exam_codec import read_stream
from penstock.wire.calls import id_of_its_own

CALL = Call(id="1", model="m", body={}, stream=True)


def read(data: bytes):
    events, error, _ = read_stream(GEMINI, CALL, [data])
    return events, error


def test_a_stream_says_what_the_same_answer_says_in_one_piece():
    events, error = read(
        frames(
            answer({"text": "hm", "thought": True}, finish=None, modelVersion="g", responseId="r"),
            answer({"text": "a"}, finish=None),
            answer({"text": "b"}, usageMetadata={"promptTokenCount": 3, "candidatesTokenCount": 2}),
        )
    )
    assert error is None
    assert events[0] == Started("g", "r")
    assert events[-2:] == [UsageUpdate(Usage(3, 2)), Finished("stop", "STOP")]
    completion = fold(events)
    assert completion.message == {"role": "assistant", "content": "ab", "reasoning_content": "hm"}
    assert (completion.finish, completion.usage) == ("stop", Usage(3, 2))


def test_the_last_count_holds():
    events, _ = read(
        frames(
            answer({"text": "a"}, finish=None, usageMetadata={"promptTokenCount": 15}),
            answer({"text": "b"}, usageMetadata={"promptTokenCount": 13, "candidatesTokenCount": 8}),
        )
    )
    assert fold(events).usage == Usage(13, 8)


def test_calls_come_whole_and_stop_means_calls():
    one = {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}
    two = {"functionCall": {"name": "g", "args": {}, "id": "own"}}
    events, error = read(
        frames(answer(one, finish=None, responseId="r"), answer(two, finish=None), answer({"text": ""}))
    )
    assert error is None
    assert [event for event in events if isinstance(event, ToolDelta)] == [
        ToolDelta(0, id_of_its_own("r", "f", 0, 0), "f", '{"a": 1}', extra={"google": {"thought_signature": "c2ln"}}),
        ToolDelta(1, "own", "g", "{}"),
    ]
    assert fold(events).finish == "tool_calls"


def test_a_call_of_what_nobody_declared_is_shown_as_failed():
    events, error = read(frames(answer({"functionCall": {"name": "x"}}, finish="UNEXPECTED_TOOL_CALL")))
    assert error is None
    assert (fold(events).finish, len(fold(events).message["tool_calls"])) == ("error", 1)


def test_a_signature_in_an_empty_part_is_the_messages():
    events, _ = read(frames(answer({"text": "a"}, finish=None), answer({"text": "", "thoughtSignature": "c2ln"})))
    assert fold(events).message["extra_content"] == {"google": {"thought_signature": "c2ln"}}


def test_an_ending_in_every_event_ends_it_once():
    events, error = read(frames(answer({"text": "a"}), answer({"text": "b"})))
    assert error is None
    assert [event for event in events if isinstance(event, Finished)] == [Finished("stop", "STOP")]
    assert fold(events).text == "ab"
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize("last", [{"content": {"role": "model"}, "finishReason": "STOP"}, {"finishReason": "STOP"}])
def test_the_last_event_may_have_no_parts(last):
    events, error = read(frames(answer({"text": "a"}, finish=None), {"candidates": [last]}))
    assert error is None
    assert fold(events).finish == "stop"


def test_candidates_take_turns():
    def piece(index, text, finish=None):
        return {"candidates": [{"index": index, "content": {"parts": [{"text": text}]}, "finishReason": finish}]}

    events, error = read(frames(piece(0, "a"), piece(1, "x"), piece(1, "y", "STOP"), piece(0, "b", "MAX_TOKENS")))
    assert error is None
    assert [(one.message["content"], one.finish) for one in fold(events).choices] == [("ab", "length"), ("xy", "stop")]


ERROR = b'{\n  "error": {\n    "code": 503,\n    "message": "busy",\n    "status": "UNAVAILABLE"\n  }\n}\n'
FAILURES = {
    "nothing": (b"", "transport"),
    "a comment": (b": hello\r\n\r\n", "transport"),
    "a page": (b"<html><title>Hi</title></html>", "transport"),
    "an event that is no JSON": (b"data: {oops\r\n\r\n", "transport"),
    "an event of something else": (frames({"this": [{"is": "not it"}]}), "transport"),
    "an error at once": (
        frames({"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}),
        "rate_limited",
    ),
    "an error outside any event": (ERROR, "overloaded"),
    "an error in a list": (b"[" + ERROR + b"]", "overloaded"),
    "a blocked prompt": (frames({"promptFeedback": {"blockReason": "SAFETY"}}), "content_filtered"),
    "an end without a word": (frames(answer({"text": ""})), "empty"),
    "a malformed call": (frames(answer(finish="MALFORMED_FUNCTION_CALL")), "server_error"),
}


@pytest.mark.parametrize(("data", "kind"), FAILURES.values(), ids=FAILURES)
def test_a_stream_that_dies_at_birth_has_its_class(data, kind):
    events, error = read(data)
    assert error is not None
    assert error.kind == kind
    assert not any(isinstance(event, TextDelta) for event in events)


@pytest.mark.parametrize(
    ("rest", "kind"),
    [
        (b"", "transport"),
        (b'data: {"candidates": [{"fini', "transport"),
        (ERROR, "overloaded"),
        (b"data: " + ERROR.replace(b"\n", b"") + b"\r\n\r\n", "overloaded"),
        (b"event: error\r\ndata: " + ERROR.replace(b"\n", b"") + b"\r\n\r\n", "overloaded"),
        (frames(answer(finish="UNEXPECTED_TOOL_CALL")), "server_error"),
    ],
)
def test_what_came_before_the_break_is_kept(rest, kind):
    events, error = read(
        frames(answer({"text": "half an "}, finish=None), answer({"text": "answer"}, finish=None)) + rest
    )
    assert error is not None
    assert (error.kind, error.partial) == (kind, "half an answer")
    assert fold(events).text == "half an answer"


def test_an_answer_that_is_blocked_on_its_way_ends_filtered():
    events, error = read(frames(answer({"text": "a"}, finish=None), {"promptFeedback": {"blockReason": "SAFETY"}}))
    assert error is None
    assert fold(events).finish == "content_filter"


def test_an_event_that_nobody_can_read_is_counted_once_something_was_said():
    data = frames(answer({"text": "a"}, finish=None)) + b"data: {oops\r\n\r\n" + frames(answer({"text": "b"}))
    events, error, malformed = read_stream(GEMINI, CALL, [data])
    assert error is None
    assert (fold(events).text, malformed) == ("ab", 1)


def test_a_stream_without_its_last_blank_line_is_whole():
    events, error = read(frames(answer({"text": "a"})).rstrip())
    assert error is None
    assert fold(events).text == "a"


def test_an_array_in_place_of_events_is_read_too():
    data = b'[{"candidates": [{"content": {"parts": [{"text": "a"}]}}]}\n,\r\n'
    data += b'{"candidates": [{"content": {"parts": [{"text": "b"}]}, "finishReason": 1}]}\n]'
    events, error = read(data)
    assert error is None
    assert (fold(events).text, fold(events).finish) == ("ab", "stop")


def call_piece(**said):
    return answer({"functionCall": said}, finish=None)


def test_arguments_in_pieces_are_one_call_each():
    pieces = [
        call_piece(name="f", id="c", willContinue=True),
        call_piece(partialArgs=[{"jsonPath": "$.town", "stringValue": "Par", "willContinue": True}], willContinue=True),
        call_piece(partialArgs=[{"jsonPath": "$.town", "stringValue": "is"}], willContinue=True),
        call_piece(partialArgs=[{"jsonPath": "$.days[1].at", "numberValue": 7}], willContinue=True),
        call_piece(partialArgs=[{"jsonPath": "$['is it']", "boolValue": True}, {"jsonPath": "$.x", "nullValue": "N"}]),
        call_piece(name="g", partialArgs=[{"jsonPath": "$.a.b", "numberValue": 0.5}], willContinue=True),
    ]
    events, error = read(frames(*pieces, answer({"text": ""})))
    assert error is None
    completion = fold(events)
    calls = [(call["id"], call["function"]["arguments"]) for call in completion.message["tool_calls"]]
    assert calls == [
        ("c", '{"town":"Paris","days":[null,{"at":7}],"is it":true,"x":null}'),
        (id_of_its_own("g", "", 0, 1), '{"a":{"b":0.5}}'),
    ]
    assert completion.finish == "tool_calls"


@pytest.mark.parametrize("path", ["", "$", "$[0]", "$.a[99999].b", "$.a.b", "town", 5])
def test_a_piece_without_a_place_is_left_out(path):
    first = {"jsonPath": "$.a", "stringValue": "x"}
    piece = call_piece(name="f", partialArgs=[first, {"jsonPath": path, "boolValue": True}, None])
    events, error = read(frames(piece, answer({"text": ""})))
    assert error is None
    (call,) = fold(events).message["tool_calls"]
    assert call["function"]["arguments"].startswith('{"a":')
