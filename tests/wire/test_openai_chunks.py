"""Mistral's contents that are lists of chunks: thoughts and references, there and back."""

import json

import pytest

from penstock.call import Call, Choice, Completion
from penstock.catalog import vendor
from penstock.fold import fold
from penstock.http import WireReply
from penstock.testing import exercise_codec
from penstock.testing.exam_codec import check_chunking, check_reply, read_stream
from penstock.wire.openai import OpenAICodec

MISTRAL = OpenAICodec(vendor("mistral"))
ASKED = Call(id="", model="m", body={"messages": [{"role": "user", "content": "?"}]})
THINKING = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
REFERENCE = {"type": "reference", "reference_ids": [0, "b"]}
CONTENT = [
    {**THINKING, "closed": True},
    {"type": "text", "text": "It is big"},
    REFERENCE,
    {"type": "text", "text": ", very."},
]


def sent(*messages):
    request = MISTRAL.encode_request(Call(id="", model="m", body={"messages": [*messages]}), "m", stream=False)
    return json.loads(request.body)["messages"]


def answer(content):
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}
    return MISTRAL.decode_reply(ASKED, WireReply(200, {}, json.dumps(body).encode())).message


def streamed(*contents):
    deltas = [{"delta": {"content": content}, "index": 0} for content in contents]
    chunks = [{"choices": [one]} for one in [*deltas, {"delta": {}, "index": 0, "finish_reason": "stop"}]]
    data = b"".join([b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks]) + b"data: [DONE]\n\n"
    check_chunking(MISTRAL, ASKED, data, range(len(data)))
    events, error, malformed = read_stream(MISTRAL, ASKED, [data])
    assert (error, malformed) == (None, 0)
    return fold(events).message


@pytest.mark.parametrize("read", [answer, lambda content: streamed(*[[part] for part in content])])
def test_a_list_is_read_as_text_thoughts_and_references_in_their_places(read):
    message = read(CONTENT)
    assert message["content"] == "It is big, very."
    assert message["reasoning_content"] == "Hm."
    assert message["references"] == [{**REFERENCE, "at": 9}]


def test_texts_of_a_stream_may_come_without_a_list():
    message = streamed("It ", "is big", [REFERENCE], ", very.")
    assert (message["content"], message["references"]) == ("It is big, very.", [{**REFERENCE, "at": 9}])


def test_an_answer_goes_back_as_the_list_that_it_came_as():
    (message,) = sent(answer(CONTENT))
    assert message == {"role": "assistant", "content": [THINKING, *CONTENT[1:]]}


def test_an_answer_of_another_provider_loses_what_mistral_refuses():
    (message,) = sent(
        {
            "role": "assistant",
            "content": "Big.",
            "refusal": None,
            "annotations": [],
            "reasoning_details": [{"type": "reasoning.text", "signature": "s"}],
        }
    )
    assert message == {"role": "assistant", "content": "Big."}


def test_ids_of_calls_become_ones_that_mistral_takes_and_still_belong_together():
    call = {"id": "call_abcdefghijklmnop", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    said, result = sent(
        {"role": "assistant", "content": None, "tool_calls": [{**call, "extra_content": {"a": 1}, "index": 0}]},
        {"role": "tool", "tool_call_id": call["id"], "content": "3"},
    )
    (made,) = said["tool_calls"]
    assert made == {**call, "id": result["tool_call_id"]}
    assert len(made["id"]) == 9
    assert made["id"].isalnum()


def test_ids_of_its_own_stay():
    (message,) = sent({"role": "tool", "tool_call_id": "qDEcl0n92", "content": "3"})
    assert message["tool_call_id"] == "qDEcl0n92"


def test_files_are_documents():
    files = [
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
        {"type": "file", "file": {"file_data": "https://x.test/a.pdf"}},
        {"type": "file", "file": {"file_id": "f1"}},
    ]
    (message,) = sent({"role": "user", "content": [{"type": "text", "text": "?"}, *files]})
    assert message["content"] == [
        {"type": "text", "text": "?"},
        {"type": "document_url", "document_url": "data:application/pdf;base64,aGk=", "document_name": "a.pdf"},
        {"type": "document_url", "document_url": "https://x.test/a.pdf"},
        {"type": "file", "file_id": "f1"},
    ]


def test_the_callers_messages_are_left_alone():
    mine = {"role": "assistant", "content": "x", "reasoning_content": "y"}
    sent(mine)
    assert mine == {"role": "assistant", "content": "x", "reasoning_content": "y"}


def test_an_image_among_the_chunks_stays_where_it_is():
    parts = [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": "https://x.test/a.png"}]
    assert answer(parts)["content"] == parts


def test_what_was_read_from_the_cache_is_told():
    body = {
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 70, "completion_tokens": 12, "total_tokens": 82, "num_cached_tokens": 69},
    }
    usage = MISTRAL.decode_reply(ASKED, WireReply(200, {}, json.dumps(body).encode())).usage
    assert usage is not None
    assert (usage.input_tokens, usage.cached_tokens) == (70, 69)


def test_the_server_half_writes_chunks_too():
    message = {"role": "assistant", "content": "It is big", "reasoning_content": "Hm.", "references": []}
    completion = Completion(choices=(Choice(message, "stop", "stop"),), model="m")
    check_reply(MISTRAL, ASKED, completion)
    said = json.loads(MISTRAL.encode_reply(completion).body)["choices"][0]["message"]
    assert said == {"role": "assistant", "content": [THINKING, {"type": "text", "text": "It is big"}]}


def test_it_passes_the_exam():
    exercise_codec(MISTRAL, kinds=("chat", "embedding"))
