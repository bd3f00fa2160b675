"""A 200 is an answer, or an error that says why it isn't one."""

import json
from pathlib import Path

import msgspec
import pytest

from penstock.call import Call, Usage
from penstock.catalog import vendor
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.wire.openai import OpenAICodec

CASES = json.loads((Path(__file__).parent / "data" / "replies.json").read_text())
ANSWERS = [case for case in CASES if "kind_of_error" not in case]
FAILURES = [case for case in CASES if "kind_of_error" in case]
CHAT = Call(id="1", model="m", body={"messages": [{"role": "user", "content": "?"}]})
CODEC = OpenAICodec(vendor("openai"))


def decoded(case):
    body = case["text_body"] if "text_body" in case else case.get("prefix", "") + json.dumps(case["body"])
    call = msgspec.structs.replace(CHAT, kind=case.get("kind", "chat"))
    codec = OpenAICodec(vendor(case.get("vendor", "openai")))
    reply = WireReply(200, case.get("headers", {}), body.encode())
    completion = codec.decode_reply(call, reply)
    assert completion.raw == reply.body
    return completion


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case["name"])
def test_an_answer_is_read(case):
    completion = decoded(case)
    assert (completion.text, completion.finish) == (case["text"], case["finish"])
    if "usage" in case:
        assert completion.usage is None if case["usage"] is None else completion.usage == Usage(*case["usage"])
    if "tools" in case:
        calls = completion.message["tool_calls"]
        assert [[c["id"], c["function"]["name"], c["function"]["arguments"]] for c in calls] == case["tools"]
    if "reasoning" in case:
        assert completion.message["reasoning_content"] == case["reasoning"]
    for name in ("request_id", "model"):
        if name in case:
            assert getattr(completion, name) == case[name]


@pytest.mark.parametrize("case", FAILURES, ids=lambda case: case["name"])
def test_what_is_no_answer_says_why(case):
    with pytest.raises(CallError) as caught:
        decoded(case)
    assert caught.value.kind == case["kind_of_error"]
    assert caught.value.status == 200
    assert case.get("says", "") in caught.value.message
    assert caught.value.partial == case.get("partial", "")


def test_choices_come_in_order():
    case = next(case for case in CASES if case["name"] == "choices out of order")
    assert [choice.message["content"] for choice in decoded(case).choices] == ["a", "b"]


def test_empty_placeholders_are_not_sent_back():
    case = next(case for case in CASES if case["name"] == "placeholders in every field")
    assert not {"function_call", "audio"} & set(decoded(case).message)


@pytest.mark.parametrize(
    "body", [b'{"choices":[{"message":{"content":"\xff"}}]}', b'{"x":"\xff","choices":[{"message":{"content":"a"}}]}']
)
def test_invalid_utf8_is_no_answer_even_where_nobody_reads(body):
    with pytest.raises(CallError) as caught:
        CODEC.decode_reply(CHAT, WireReply(200, {}, body))
    assert caught.value.kind == "transport"


def test_half_a_surrogate_pair_and_nan_cost_no_answer():
    message, logprobs = b'{"role":"assistant","content":"so \\ud83d"}', b'{"content":[{"logprob":NaN}]}'
    body = b'{"choices":[{"message":%b,"logprobs":%b,"finish_reason":"length"}]}' % (message, logprobs)
    completion = CODEC.decode_reply(CHAT, WireReply(200, {}, body))
    assert completion.text == "so \ufffd"
    assert completion.choices[0].logprobs == {"content": [{"logprob": None}]}
    assert json.loads(completion.raw, parse_constant=pytest.fail)


def test_json_nested_without_end_is_no_answer():
    for body in (b"[" * 100_000, b'{"choices":' * 100_000, b'{"error":' + b"[" * 100_000):
        with pytest.raises(CallError) as caught:
            CODEC.decode_reply(CHAT, WireReply(200, {}, body))
        assert caught.value.kind == "transport"


def embedded(body, **asked):
    call = Call(id="1", model="m", body={"input": ["a", "b"], **asked}, kind="embedding")
    return CODEC.decode_reply(call, WireReply(200, {}, json.dumps(body).encode()))


def test_vectors_come_in_the_order_of_the_inputs():
    body = {
        "data": [{"index": 1, "embedding": [2.0]}, {"index": 0, "embedding": [1]}],
        "model": "e",
        "usage": {"prompt_tokens": 3, "total_tokens": 3},
    }
    completion = embedded(body)
    assert [list(vector) for vector in completion.vectors] == [[1.0], [2.0]]
    assert completion.usage.input_tokens == 3


def test_base64_vectors_are_little_endian_floats():
    body = {"data": [{"index": 0, "embedding": "AACAPwAAAMA="}, {"index": 1, "embedding": "AAAAAAAAgL8="}]}
    assert [list(vector) for vector in embedded(body).vectors] == [[1.0, -2.0], [0.0, -1.0]]


def test_a_total_is_enough_for_the_usage_of_embeddings():
    body = {"data": [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}], "usage": {"total_tokens": 7}}
    assert embedded(body).usage.input_tokens == 7


@pytest.mark.parametrize(
    "data",
    [
        [{"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}],
        [{"index": 0, "embedding": "AACAPw=="}, {"index": 1, "embedding": "AACAP"}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": ["x"]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [None]}],
    ],
    ids=["one is missing", "one came twice", "broken base64", "text", "null"],
)  # fmt: skip
def test_vectors_that_do_not_fit_the_inputs_are_no_answer(data):
    with pytest.raises(CallError) as caught:
        embedded({"data": data})
    assert caught.value.kind == "transport"


def test_no_vectors_at_all_is_empty():
    with pytest.raises(CallError) as caught:
        embedded({"data": []})
    assert caught.value.kind == "empty"


@pytest.mark.parametrize("asked", ["text", [1, 2, 3]], ids=["a string", "tokens"])
def test_one_input_has_one_vector_whatever_its_form(asked):
    body = {"data": [{"index": 0, "embedding": [1.0]}]}
    assert len(embedded(body, input=asked).vectors) == 1
