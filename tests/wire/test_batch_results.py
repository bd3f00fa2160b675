"""Lines of a provider's batch results: each holds a body of its wire, and its codec reads it like any reply."""

import json

import pytest

from penstock.call import Call
from penstock.catalog import vendor
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.wire.anthropic import AnthropicCodec
from penstock.wire.openai import OpenAICodec

CHAT = Call(id="1", model="m", body={"messages": [{"role": "user", "content": "?"}]})
OPENAI, ANTHROPIC = OpenAICodec(vendor("openai")), AnthropicCodec(vendor("anthropic"))
ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "stop"}]}
REFUSED = {"error": {"message": "no such model", "type": "invalid_request_error", "param": None, "code": None}}
MESSAGE = {
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "a"}],
    "stop_reason": "end_turn",
}
ERRORED = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}, "request_id": None}


def lines(*rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def openai_line(line):
    """`error` is null on each line that was answered at all, also with a 400."""
    row = json.loads(line)
    assert row["error"] is None
    reply = WireReply(row["response"]["status_code"], {}, json.dumps(row["response"]["body"]).encode())
    return OPENAI.decode_reply(CHAT, reply) if reply.status == 200 else OPENAI.classify(reply)


def test_openais_results_are_read_line_by_line():
    data = lines(
        {"custom_id": "1", "response": {"status_code": 200, "body": {**ANSWER, "error": None}}, "error": None},
        {"custom_id": "2", "response": {"status_code": 400, "body": REFUSED}, "error": None},
    )
    answered, refused = map(openai_line, data.splitlines())
    assert (answered.text, refused.kind, refused.message) == ("a", "bad_request", "no such model")


def test_anthropics_results_are_read_line_by_line():
    data = lines({"type": "succeeded", "message": {**MESSAGE, "error": None}}, {"type": "errored", "error": ERRORED})
    succeeded, errored = map(json.loads, data.splitlines())
    assert ANTHROPIC.decode_reply(CHAT, WireReply(200, {}, json.dumps(succeeded["message"]).encode())).text == "a"
    with pytest.raises(CallError) as caught:  # the line tells no status
        ANTHROPIC.decode_reply(CHAT, WireReply(200, {}, json.dumps(errored["error"]).encode()))
    assert (caught.value.kind, caught.value.message) == ("overloaded", "busy")


@pytest.mark.parametrize("codec", [OPENAI, ANTHROPIC])
def test_a_file_of_lines_is_no_answer(codec):
    with pytest.raises(CallError) as caught:
        codec.decode_reply(CHAT, WireReply(200, {"content-type": "application/json"}, lines(ANSWER, MESSAGE)))
    assert caught.value.kind == "transport"
