"""Streams as providers really send them, each of which breaks a naive reader; the same in any pieces."""

import json
from typing import Any

import pytest
from tests.wire.whole_given import ASKED, CODECS

from penstock.catalog import vendor
from penstock.errors import CallError
from penstock.fold import fold
from penstock.testing.exam_codec import check_chunking, read_stream
from penstock.wire.codec import Codec
from penstock.wire.openai import OpenAICodec


def data(*said: Any, end: str = "\n\n") -> bytes:
    return b"".join(f"data: {json.dumps(one, ensure_ascii=False)}{end}".encode() for one in said)


def named(*said: dict[str, Any]) -> bytes:
    return b"".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in said)


def piece(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(**fields: Any) -> dict[str, Any]:
    name, arguments = fields.pop("name", None), fields.pop("arguments", None)
    return piece(tool_calls=[{**fields, "function": {"name": name, "arguments": arguments}}])


def usage(out: int, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": 9, "completion_tokens": out, "total_tokens": 9 + out, **more}


def google(text: str | None, **more: Any) -> dict[str, Any]:
    content = {"content": {"role": "model", "parts": [{"text": text}]}} if text is not None else {}
    return {"candidates": [{**content, **more}]}


DONE = b"data: [DONE]\n\n"
HI, STOP = piece(content="Hi"), piece("stop")
OVERLOADED = {"type": "error", "error": {"type": "api_error", "message": "Overloaded"}}
START = {
    "type": "message_start",
    "message": {"id": "m1", "model": "m", "usage": {"input_tokens": 9, "output_tokens": 1}},
}
TEXT = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
]
CREATED = {"type": "response.created", "response": {"id": "r", "model": "m", "status": "in_progress"}}
SAID = {"type": "response.output_text.delta", "output_index": 0, "delta": "Hi"}
LIMIT = {"code": "rate_limit_exceeded", "message": "slow down"}
FAILED = {"type": "response.failed", "response": {"status": "failed", "error": LIMIT, "output": []}}
NO_TOOL = b'event: error\ndata: {"error":{"message":"no","code":"tool_use_failed","status_code":400}}\n\n'
GONE_500 = b'error: {"error":{"code":500,"message":"gone","type":"server_error"}}\n\n'
LINE = b'{"model":"m","message":{"content":"Hi"},"done":false}\n'
LAST_LINE = b'{"model":"m","done":true,"done_reason":"stop","prompt_eval_count":9,"eval_count":3}\n'
GONE_503 = b'{\n  "error": {\n    "code": 503,\n    "message": "overloaded",\n    "status": "UNAVAILABLE"\n  }\n}\n'

# (case, place or vendor, bytes, the error's class or "", what was said by then)
ERRORS: list[tuple[str, str, bytes, str, str]] = [
    (
        "1 a filter's 400 under a 200",
        "azure",
        json.dumps({"error": {"code": "content_filter"}}).encode(),
        "content_filtered",
        "",
    ),
    ("5 an error is the first event", "groq", NO_TOOL, "bad_request", ""),
    ("5 an error behind thoughts", "groq", data(*[piece(reasoning="hm")] * 100) + NO_TOOL, "bad_request", ""),
    (
        "8 an error as a field's name",
        "llamacpp",
        data(*[piece(reasoning_content="hm" * 99)] * 999) + GONE_500,
        "server_error",
        "",
    ),
    (
        "9 an error on many lines without a frame",
        "gemini",
        data(google("Hi"), end="\r\n\r\n") + GONE_503,
        "overloaded",
        "Hi",
    ),
    (
        "9 the same in an array",
        "gemini",
        b'[{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}\n,\r\n' + GONE_503 + b"]",
        "overloaded",
        "Hi",
    ),
    ("9 the same before anything else", "gemini on vertex", b"[" + GONE_503 + b"]", "overloaded", ""),
    ("10 overloaded after a 200", "anthropic", named(START, *TEXT, OVERLOADED), "overloaded", "Hi"),
    ("10 the same on vertex", "anthropic on vertex", named(START, OVERLOADED), "overloaded", ""),
    (
        "11 one failure told twice",
        "responses",
        named(CREATED, SAID, {"type": "error", "error": LIMIT}, FAILED),
        "rate_limited",
        "Hi",
    ),
    (
        "11 the flat form",
        "responses",
        named(CREATED, {"type": "error", **LIMIT, "param": None}, FAILED),
        "rate_limited",
        "",
    ),
    ("11 the failure alone", "responses", named(CREATED, FAILED), "rate_limited", ""),
    (
        "13 a blocked prompt",
        "gemini",
        data({"promptFeedback": {"blockReason": "MODEL_ARMOR"}, "usageMetadata": {"promptTokenCount": 9}}),
        "content_filtered",
        "",
    ),
    (
        "13 a candidate without content",
        "gemini",
        data(google(None, finishReason="UNEXPECTED_TOOL_CALL")),
        "server_error",
        "",
    ),
    ("21 neither finish nor terminator", "openrouter", data(HI), "transport", "Hi"),
    ("21 nothing but the terminator", "vllm", DONE, "empty", ""),
    ("21 no finish", "gemini", data(google("Hi"), end="\r\n\r\n"), "transport", "Hi"),
    ("21 no message_stop", "anthropic", named(START, *TEXT), "transport", "Hi"),
    ("21 no message-end", "cohere", named({"type": "message-start", "id": "x"}), "transport", ""),
    ("22 a page of a gateway", "openai", b"<html><head><title>502 Bad Gateway</title></head></html>", "transport", ""),
    ("23 an empty 200", "deepseek", b"", "transport", ""),
    ("23 nothing but padding", "deepseek", b"\n\n\n         \n" * 9, "transport", ""),
    (
        "29 an event merged into another",
        "openai",
        b'data: {"choices":[{"delta":{"content":"c\n\ndata: {"id"\n\n',
        "transport",
        "",
    ),
    ("33 text instead of JSON", "openai", b"event: output\ndata: Why\ndata: \n\n", "transport", ""),
    ("34 an error's line under a 200", "ollama", LINE + b'{"error":"gone"}\n', "server_error", "Hi"),
    ("34 an error's line alone", "ollama", b'{"error":"model \'m\' not found"}\n', "bad_request", ""),
]

LENGTH_THEN_ERROR = {
    **piece(None, content=""),
    "error": {"code": 400, "message": "Token limit reached"},
    "usage": usage(3),
}
# (case, place or vendor, bytes, text, finish, input and output tokens, arguments of the tools that are called)
ANSWERS: list[tuple[str, str, bytes, str, str, tuple[int, int] | None, list[str]]] = [
    (
        "6 an error that says the length again",
        "openrouter",
        b": OPENROUTER PROCESSING\n\n" * 17 + data(HI, piece("length"), LENGTH_THEN_ERROR) + DONE,
        "Hi",
        "length",
        (9, 3),
        [],
    ),
    (
        "12 chunks without choices and without delta",
        "azure",
        data(
            {"choices": [], "id": "", "prompt_filter_results": []},
            HI,
            {"choices": [{"index": 0, "finish_reason": None, "content_filter_offsets": {}}]},
            STOP,
        )
        + DONE,
        "Hi",
        "stop",
        None,
        [],
    ),
    (
        "14 the finish is a number",
        "gemini on vertex",
        data(google("Hi"), google("", finishReason=1), end="\r\n\r\n"),
        "Hi",
        "stop",
        None,
        [],
    ),
    ("14 so is the length", "gemini on vertex", data(google("Hi", finishReason=2)), "Hi", "length", None, []),
    (
        "15 contents in lists",
        "mistral",
        data(
            piece(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]),
            piece(content=[{"type": "text", "text": "Hi"}]),
            STOP,
        )
        + DONE,
        "Hi",
        "stop",
        None,
        [],
    ),
    (
        "16 no index, whole arguments",
        "mistral",
        data(call(id="a12345678", name="f", arguments='{"x":1}'), piece("tool_calls")) + DONE,
        "",
        "tool_calls",
        None,
        ['{"x":1}'],
    ),
    (
        "16 empty ids behind the first",
        "openrouter",
        data(
            call(index=0, id="a", type="function", name="f", arguments=""),
            call(index=0, id="", type="", name="", arguments='{"x"'),
            call(index=0, id="", type="", name="", arguments=":1}"),
            piece("tool_calls"),
        )
        + DONE,
        "",
        "tool_calls",
        None,
        ['{"x":1}'],
    ),
    (
        "16 no arguments, first index 1",
        "vllm",
        data(call(index=1, id="a", name="f", arguments=None), call(index=1, arguments="{}"), piece("tool_calls"))
        + DONE,
        "",
        "tool_calls",
        None,
        ["{}"],
    ),
    (
        "16 no id at all",
        "openai",
        data(call(index=0, name="f", arguments="{}"), piece("tool_calls")) + DONE,
        "",
        "tool_calls",
        None,
        ["{}"],
    ),
    (
        "17 three objects in one call",
        "openrouter",
        data(
            call(index=0, id="a", name="f", arguments='{"a":1}'),
            call(index=0, arguments='{"b":2}'),
            call(index=0, arguments='{"c":3}'),
            piece("tool_calls"),
        )
        + DONE,
        "",
        "tool_calls",
        None,
        ['{"a":1}{"b":2}{"c":3}'],
    ),
    (
        "18 usage in every chunk",
        "perplexity",
        data(*[{**HI, "usage": usage(n)} for n in range(1, 9)], {**STOP, "usage": usage(9)}),
        "Hi" * 8,
        "stop",
        (9, 9),
        [],
    ),
    (
        "19 usage twice",
        "groq",
        data(HI, {**STOP, "x_groq": {"usage": usage(3)}}, {"choices": [], "usage": usage(3)}) + DONE,
        "Hi",
        "stop",
        (9, 3),
        [],
    ),
    (
        "19 usage behind the finish",
        "openrouter",
        data(HI, STOP, {**piece(content=""), "usage": usage(3)}) + DONE,
        "Hi",
        "stop",
        (9, 3),
        [],
    ),
    (
        "20 stop beside a call",
        "openai",
        data(call(index=0, id="a", name="f", arguments="{}"), STOP) + DONE,
        "",
        "tool_calls",
        None,
        ["{}"],
    ),
    ("20 no word for the finish", "snowflake", data(HI, piece("")) + DONE, "Hi", "unknown", None, []),
    (
        "20 one call",
        "azure",
        data(call(index=0, id="a", name="f", arguments="{}"), piece("tool_call")) + DONE,
        "",
        "tool_calls",
        None,
        ["{}"],
    ),
    ("21 no terminator", "cerebras", data(HI, STOP), "Hi", "stop", None, []),
    (
        "28 characters and CRLF cut in two",
        "openai",
        data(piece(content="漢🙂\u2028\u0085"), STOP, end="\r\n\r\n") + b"data: [DONE]\r\n\r\n",
        "漢🙂\u2028\u0085",
        "stop",
        None,
        [],
    ),
    (
        "29 an event merged into another, later",
        "openai",
        data(HI) + b'data: {"choices":[{"delta":{"content":"c\n\n' + data(STOP) + DONE,
        "Hi",
        "stop",
        None,
        [],
    ),
    (
        "23 padding before the first event",
        "deepseek",
        b"\n\n: keep-alive\n\n" * 9 + data(HI, STOP) + DONE,
        "Hi",
        "stop",
        None,
        [],
    ),
    ("34 lines where events were asked for", "ollama", LINE + LAST_LINE, "Hi", "stop", (9, 3), []),
]


def codec_of(place: str) -> Codec:
    known = CODECS.get(place)
    return known if known is not None else OpenAICodec(vendor(place) if place != "snowflake" else vendor("custom"))


@pytest.mark.parametrize(
    ("place", "stream", "kind", "partial"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS]
)
def test_what_is_no_answer_is_the_error_that_it_is(place: str, stream: bytes, kind: str, partial: str) -> None:
    codec = codec_of(place)
    if len(stream) < 20_000:
        check_chunking(codec, ASKED, stream, range(len(stream)))
    for pieces in ([stream], [stream[:99], stream[99:]]):
        _, error, _ = read_stream(codec, ASKED, pieces)
        assert isinstance(error, CallError)
        assert (error.kind, error.partial) == (kind, partial)


@pytest.mark.parametrize(
    ("place", "stream", "text", "finish", "tokens", "arguments"),
    [row[1:] for row in ANSWERS],
    ids=[row[0] for row in ANSWERS],
)
def test_what_is_an_answer_is_read(
    place: str, stream: bytes, text: str, finish: str, tokens: tuple[int, int] | None, arguments: list[str]
) -> None:
    codec = codec_of(place)
    check_chunking(codec, ASKED, stream, range(len(stream)))
    events, error, malformed = read_stream(codec, ASKED, [stream])
    assert error is None
    answer = fold(events, malformed_events=malformed)
    assert (answer.text, answer.finish) == (text, finish)
    assert (None if answer.usage is None else (answer.usage.input_tokens, answer.usage.output_tokens)) == tokens
    calls = answer.message.get("tool_calls", [])
    assert [one["function"]["arguments"] for one in calls] == arguments
    assert all(one["id"] for one in calls)
    assert malformed == int(b'"c\n' in stream)
