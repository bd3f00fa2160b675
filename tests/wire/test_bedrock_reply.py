"""What Bedrock answers, whole and streamed, in the neutral form; and why some answers are none."""

import json

import pytest

from penstock.call import Call, Finished, ReasoningDelta, Started, TextDelta, ToolDelta, Usage, UsageUpdate
from penstock.catalog import Vendor
from penstock.errors import CallError
from penstock.fold import fold
from penstock.http import WireReply
from penstock.testing.exam_codec import read_stream
from penstock.wire.bedrock import BedrockCodec
from penstock.wire.eventstream import encode_frame, event_frame, exception_frame

CODEC = BedrockCodec(Vendor(name="bedrock", title="Amazon Bedrock"), "https://bedrock.test")
CALL = Call(id="", model="m", body={"messages": []})
BY_TOOL = Call(id="", model="m", body={"messages": [], "response_format": {"type": "json_object"}})
VECTORS = Call(id="", model="m", kind="embedding", body={"input": ["a", "b"]})
USAGE = {"inputTokens": 5, "outputTokens": 3, "totalTokens": 8}
HI = {"text": "hi"}
ANSWER = {"toolUse": {"toolUseId": "t", "name": "structured_answer", "input": {"a": 1}}}


def whole(*blocks, stop="end_turn", usage=USAGE, call=CALL, **more):
    message = {"role": "assistant", "content": list(blocks)}
    body = {"output": {"message": message}, "stopReason": stop, "usage": usage, **more}
    return CODEC.decode_reply(call, WireReply(200, {"x-amzn-requestid": "r"}, json.dumps(body).encode()))


def frames(*events) -> bytes:
    return b"".join(event_frame(name, json.dumps({**said, "p": "abc"}).encode()) for name, said in events)


def delta(at: int, **said):
    return "contentBlockDelta", {"contentBlockIndex": at, "delta": said}


def stop_block(at: int):
    return "contentBlockStop", {"contentBlockIndex": at}


def tool(at: int, name: str, **more):
    return "contentBlockStart", {
        "contentBlockIndex": at,
        "start": {"toolUse": {"name": name, "toolUseId": f"t{at}", **more}},
    }


START = ("messageStart", {"role": "assistant"})
END = ("messageStop", {"stopReason": "end_turn"})
META = ("metadata", {"usage": USAGE, "metrics": {"latencyMs": 1}})


def streamed(*events, call=CALL, tail=b""):
    """Events, error, and count of unreadable ones; the same at every byte split."""
    data = frames(*events) + tail
    at_once = read_stream(CODEC, call, [data])
    one_by_one = read_stream(CODEC, call, [data[at : at + 1] for at in range(len(data))])
    assert (at_once[0], str(at_once[1]), at_once[2]) == (one_by_one[0], str(one_by_one[1]), one_by_one[2])
    return at_once


def failure(*events, **more) -> CallError:
    _, error, _ = streamed(*events, **more)
    assert error is not None
    return error


def test_text_usage_and_name_are_read():
    answer = whole(HI, {"text": " there"})
    assert (answer.text, answer.finish, answer.choices[0].finish_raw) == ("hi there", "stop", "end_turn")
    assert (answer.usage, answer.request_id) == (Usage(5, 3), "r")


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        *[("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("tool_use", "tool_calls")],
        *[("guardrail_intervened", "content_filter"), ("content_filtered", "content_filter")],
        *[("model_context_window_exceeded", "length"), ("something_new", "unknown")],
    ],
)
def test_every_ending_has_its_meaning(word, finish):
    assert whole(HI, stop=word).finish == finish


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (USAGE, Usage(5, 3)),
        ({**USAGE, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0}, Usage(5, 3)),
        # Read from and written to a cache, outside the input.
        ({**USAGE, "totalTokens": 20, "cacheReadInputTokens": 10, "cacheWriteInputTokens": 2}, Usage(17, 3, 10, 0, 2)),
        ({**USAGE, "totalTokens": 18, "cacheReadInputTokenCount": 10}, Usage(15, 3, 10)),
        # Inside: the total says so.
        ({**USAGE, "cacheReadInputTokens": 4}, Usage(5, 3, 4)),
        (None, None),
        ({}, None),
    ],
    ids=str,
)
def test_usage_in_all_its_forms(said, usage):
    assert whole(HI, usage=said).usage == usage


def test_calls_keep_their_ids_and_the_spelling_of_their_arguments():
    body = (
        b'{"output":{"message":{"content":[{"toolUse":{"toolUseId":"a","name":"f","input":{"x": 1.0}}},'
        b'{"toolUse":{"toolUseId":"b","name":"g","input":{}}}]}},"stopReason":"tool_use"}'
    )
    answer = CODEC.decode_reply(CALL, WireReply(200, {}, body))
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in answer.message["tool_calls"]
    ]
    assert calls == [("a", "f", '{"x": 1.0}'), ("b", "g", "{}")]
    assert answer.finish == "tool_calls"


def test_a_tool_that_aws_called_itself_is_none_of_ours():
    own = {"toolUse": {"toolUseId": "a", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}}
    result = {"toolResult": {"toolUseId": "a", "content": []}}
    assert "tool_calls" not in whole(own, result, HI).message


def test_thoughts_are_read_with_what_must_go_back():
    answer = whole(
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}},
        {"reasoningContent": {"redactedContent": "RWE="}},
        HI,
    )
    assert answer.message["reasoning_content"] == "hm"
    assert [(one["type"], one.get("signature"), one.get("data")) for one in answer.message["reasoning_details"]] == [
        ("reasoning.text", "s", None),
        ("reasoning.encrypted", None, "Ea"),
    ]


def test_an_answer_by_tool_is_text():
    answer = whole(ANSWER, stop="tool_use", call=BY_TOOL)
    assert (json.loads(answer.text), answer.finish) == ({"a": 1}, "stop")
    # To someone who didn't ask for it, it is a tool like any other.
    assert whole(ANSWER, stop="tool_use").message["tool_calls"]


def test_sources_are_annotations():
    web = {"title": "T", "location": {"web": {"url": "https://example.test/"}}}
    message = whole({"citationsContent": {"content": [HI], "citations": [web, {"location": {}}]}}).message
    assert message["content"] == "hi"
    assert [one["url_citation"]["url"] for one in message["annotations"]] == ["https://example.test/"]


def test_a_router_tells_which_model_answered():
    assert whole(HI, trace={"promptRouter": {"invokedModelId": "arn:x"}}).model == "arn:x"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "transport"),
        (b"<html>", "transport"),
        (b"[]", "transport"),
        (b"{}", "transport"),
        (b'{"output":{"message":{"content":"hi"}}}', "transport"),
        (b'{"output":{"message":{"content":[]}},"stopReason":"end_turn"}', "empty"),
        (b'{"output":{"message":{"content":[{"text":""}]}},"stopReason":"end_turn"}', "empty"),
        (b'{"output":{"message":{"content":[{"text":"a"}]}},"stopReason":"malformed_tool_use"}', "server_error"),
        (b'{"output":{"message":{"content":[{"text":"\xff"}]}},"stopReason":"end_turn"}', "transport"),
        (b'{"message":"Too many requests, please wait","__type":"ThrottlingException"}', "rate_limited"),
        (b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}', "bad_request"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_200_is_not_yet_a_success(body, kind):
    with pytest.raises(CallError) as error:
        CODEC.decode_reply(CALL, WireReply(200, {}, body))
    assert error.value.kind == kind


@pytest.mark.parametrize("stop", ["max_tokens", "guardrail_intervened"])
def test_cut_short_or_filtered_with_nothing_to_show_is_an_answer(stop):
    assert whole(stop=stop).text == ""
    events, error, _ = streamed(START, ("messageStop", {"stopReason": stop}), META)
    assert error is None
    assert events[-1] == UsageUpdate(Usage(5, 3))


@pytest.mark.parametrize(
    ("body", "headers", "tokens"),
    [
        ({"embeddings": [[1, 2], [3, 4]]}, {"x-amzn-bedrock-input-token-count": "7"}, 7),
        ({"embeddings": {"float": [[1, 2], [3, 4]]}}, {}, None),
    ],
)
def test_coheres_vectors_are_read_in_both_forms(body, headers, tokens):
    answer = CODEC.decode_reply(VECTORS, WireReply(200, headers, json.dumps(body).encode()))
    assert answer.vectors == ([1, 2], [3, 4])
    assert answer.usage == (None if tokens is None else Usage(tokens))


@pytest.mark.parametrize("body", [{"embedding": [1.0]}, {"embeddingsByType": {"float": [1.0]}}])
def test_titans_vector_is_read(body):
    one = Call(id="", model="m", kind="embedding", body={"input": "a"})
    answer = CODEC.decode_reply(one, WireReply(200, {}, json.dumps({**body, "inputTextTokenCount": 2}).encode()))
    assert (answer.vectors, answer.usage) == (([1.0],), Usage(2))


@pytest.mark.parametrize("body", [{"embeddings": [[1]]}, {"embeddings": [["a"], ["b"]]}, {"embeddings": 1}, {}])
def test_vectors_that_do_not_fit_the_inputs_are_refused(body):
    with pytest.raises(CallError) as error:
        CODEC.decode_reply(VECTORS, WireReply(200, {}, json.dumps(body).encode()))
    assert error.value.kind == "transport"


def test_a_stream_of_thoughts_text_and_calls():
    events, error, malformed = streamed(
        START,
        delta(0, reasoningContent={"text": "h"}),
        delta(0, reasoningContent={"text": "m"}),
        delta(0, reasoningContent={"signature": "s"}),
        stop_block(0),
        delta(1, text=""),
        delta(1, text="hi"),
        stop_block(1),
        tool(2, "f"),
        delta(2, toolUse={"input": ""}),
        delta(2, toolUse={"input": '{"x":'}),
        delta(2, toolUse={"input": " 1}"}),
        stop_block(2),
        tool(3, "g"),
        stop_block(3),
        ("messageStop", {"stopReason": "tool_use"}),
        META,
    )
    assert (error, malformed) == (None, 0)
    assert [event for event in events if isinstance(event, (Started, ReasoningDelta, TextDelta))] == [
        *[Started(), ReasoningDelta("h"), ReasoningDelta("m"), TextDelta("hi")]
    ]
    answer = fold(events)
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in answer.message["tool_calls"]
    ]
    assert calls == [("t2", "f", '{"x": 1}'), ("t3", "g", "{}")]
    assert answer.message["reasoning_details"][0]["signature"] == "s"
    assert answer.message["reasoning_details"][0]["text"] == "hm"
    assert events[-2:] == [Finished("tool_calls", "tool_use"), UsageUpdate(Usage(5, 3))]


def test_a_streamed_answer_by_tool_is_text():
    events, error, _ = streamed(
        *[START, tool(0, "structured_answer"), delta(0, toolUse={"input": '{"a":1}'}), stop_block(0)],
        *[("messageStop", {"stopReason": "tool_use"}), META],
        call=BY_TOOL,
    )
    assert error is None
    assert (fold(events).text, fold(events).finish) == ('{"a":1}', "stop")


def test_a_streamed_call_that_aws_made_itself_is_none_of_ours():
    events, _, _ = streamed(
        *[START, tool(0, "nova_code_interpreter", type="server_tool_use"), delta(0, toolUse={"input": "{}"})],
        *[stop_block(0), delta(1, toolResult=[{"json": {}}]), stop_block(1), delta(2, text="hi"), END, META],
    )
    assert not [event for event in events if isinstance(event, ToolDelta)]


def test_the_decoder_is_done_after_the_usage():
    decoder = CODEC.decoder(CALL)
    decoder.feed(frames(START, delta(0, text="hi"), stop_block(0), END))
    assert not decoder.done
    decoder.feed(frames(META))
    assert decoder.done
    assert decoder.end() == []


def test_a_stream_without_its_usage_is_whole():
    events, error, _ = streamed(START, delta(0, text="hi"), stop_block(0), END)
    assert error is None
    assert events[-1] == Finished("stop", "end_turn")


@pytest.mark.parametrize(
    ("events", "tail", "kind", "partial"),
    [
        ([], b"", "transport", ""),
        ([START], b"", "transport", ""),
        ([START, delta(0, text="ha")], b"", "transport", "ha"),
        ([START, delta(0, text="ha")], frames(END)[:-3], "transport", "ha"),
        ([START, END, META], b"", "empty", ""),
        (
            [START, delta(0, text="ha"), ("messageStop", {"stopReason": "malformed_model_output"})],
            b"",
            "server_error",
            "ha",
        ),
        ([], b"no stream at all", "transport", ""),
    ],
    ids=range(7),
)
def test_broken_streams(events, tail, kind, partial):
    error = failure(*events, tail=tail)
    assert (error.kind, error.partial) == (kind, partial)


@pytest.mark.parametrize(
    ("name", "message", "kind"),
    [
        ("throttlingException", "Too many tokens, please wait before trying again.", "rate_limited"),
        ("internalServerException", "The system encountered an unexpected error", "server_error"),
        ("modelStreamErrorException", "The model stopped", "server_error"),
        ("serviceUnavailableException", "Too busy", "overloaded"),
        ("validationException", "Malformed input request", "bad_request"),
        ("validationException", "Input is too long for requested model.", "context_too_long"),
        ("modelTimeoutException", "Model has timed out", "timeout"),
        ("somethingNewException", "What?", "server_error"),
    ],
)
def test_an_exception_in_the_stream_has_its_class(name, message, kind):
    frame = exception_frame(name, json.dumps({"message": message}).encode())
    error = failure(START, delta(0, text="ha"), tail=frame)
    assert (error.kind, error.message, error.partial, error.code) == (kind, message, "ha", name)


def test_an_unmodelled_error_in_the_stream_is_told_by_its_headers():
    frame = encode_frame({":message-type": "error", ":error-code": "InternalFailure", ":error-message": "Oops"}, b"")
    error = failure(START, tail=frame)
    assert (error.kind, error.message, error.code) == ("server_error", "Oops", "InternalFailure")


def test_an_event_that_nobody_can_read_is_counted_and_an_unknown_one_is_not():
    data = event_frame("contentBlockDelta", b"{") + frames(("somethingNew", {}), delta(0, text="hi"), END, META)
    events, error, malformed = read_stream(CODEC, CALL, [frames(START) + data])
    assert (error, malformed) == (None, 1)
    assert fold(events).text == "hi"
