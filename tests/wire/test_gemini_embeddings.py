"""Vectors in Google's three forms, asked for and answered."""

import json

import pytest
from tests.wire.gemini_given import GEMINI, VERTEX, reply

from penstock.call import Call, Completion, Usage
from penstock.errors import CallError
from penstock.http import WireReply


def embed(**body) -> Call:
    return Call(id="1", model="m", body={"input": ["a", "b"], **body}, kind="embedding")


def sent(codec, call, model):
    request = codec.encode_request(call, model, stream=False)
    return request.url.rpartition(":")[2], json.loads(request.body)


def test_a_list_is_a_batch_in_which_each_names_the_model():
    method, body = sent(GEMINI, embed(dimensions=8, task_type="RETRIEVAL_QUERY"), "e")
    each = {"model": "models/e", "outputDimensionality": 8, "taskType": "RETRIEVAL_QUERY"}
    assert method == "batchEmbedContents"
    assert body == {"requests": [{**each, "content": {"parts": [{"text": text}]}} for text in "ab"]}


def test_one_text_is_embedded_alone():
    assert sent(GEMINI, embed(input="a"), "e") == (
        "embedContent",
        {"model": "models/e", "content": {"parts": [{"text": "a"}]}},
    )


def test_vertex_predicts_and_embeds_by_the_newest_models():
    call = embed(dimensions=8, task_type="RETRIEVAL_QUERY", encoding_format="float", user="u")
    assert sent(VERTEX, call, "text-embedding-005") == (
        "predict",
        {
            "instances": [{"content": text, "task_type": "RETRIEVAL_QUERY"} for text in "ab"],
            "parameters": {"outputDimensionality": 8},
        },
    )
    assert sent(VERTEX, embed(input="a", dimensions=8), "gemini-embedding-2") == (
        "embedContent",
        {"content": {"parts": [{"text": "a"}]}, "embedContentConfig": {"outputDimensionality": 8}},
    )


def test_several_texts_are_refused_where_one_is_embedded():
    with pytest.raises(CallError) as caught:
        VERTEX.encode_request(embed(), "gemini-embedding-2", stream=False)
    assert (caught.value.kind, caught.value.sent) == ("bad_request", False)


@pytest.mark.parametrize("inputs", [None, [], [1, 2], [[1, 2]], 7, ["a", 1]])
def test_only_texts_are_embedded(inputs):
    with pytest.raises(CallError) as caught:
        GEMINI.encode_request(embed(input=inputs), "e", stream=False)
    assert (caught.value.kind, caught.value.sent) == ("bad_request", False)


ANSWERS = [
    ({"embeddings": [{"values": [0.5, 1]}, {"values": [0.25, 2]}]}, None),
    ({"embeddings": [{"values": [0.5, 1]}, {"values": [0.25, 2]}], "usageMetadata": {"promptTokenCount": 3}}, Usage(3)),
    (
        {
            "predictions": [
                {"embeddings": {"values": [0.5, 1], "statistics": {"token_count": 1, "truncated": False}}},
                {"embeddings": {"values": [0.25, 2], "statistics": {"token_count": 2.0}}},
            ]
        },
        Usage(3),
    ),
]


@pytest.mark.parametrize(("body", "usage"), ANSWERS)
def test_vectors_come_in_the_order_of_the_inputs(body, usage):
    completion = GEMINI.decode_reply(embed(), reply(body))
    assert completion.vectors == ([0.5, 1.0], [0.25, 2.0])
    assert completion.usage == usage


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"embeddings": [{"values": [1]}]}, "transport"),
        ({"embeddings": []}, "empty"),
        ({"embeddings": [{"values": [1]}, {}]}, "empty"),
        ({}, "empty"),
        ({"embeddings": [{"values": ["x"]}]}, "transport"),
        ({"error": {"code": 503, "status": "UNAVAILABLE", "message": "m"}}, "overloaded"),
        ("text", "transport"),
    ],
)
def test_what_holds_no_vectors_is_no_answer(body, kind):
    with pytest.raises(CallError) as caught:
        GEMINI.decode_reply(embed(), reply(body))
    assert caught.value.kind == kind


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"{"])
def test_what_is_no_json_is_no_answer(body):
    with pytest.raises(CallError) as caught:
        GEMINI.decode_reply(embed(), WireReply(200, {}, body))
    assert caught.value.kind == "transport"


@pytest.mark.parametrize(
    ("codec", "model"),
    [(GEMINI, "e"), (VERTEX, "text-embedding-005"), (VERTEX, "gemini-embedding-2"), (GEMINI, "gemini-embedding-2")],
)
@pytest.mark.parametrize("inputs", ["a", ["a", "b"]])
def test_what_is_asked_is_heard_and_answered_in_its_form(codec, model, inputs):
    if model == "gemini-embedding-2" and codec is VERTEX:
        inputs = "a"
    call = embed(input=inputs, dimensions=4, task_type="RETRIEVAL_QUERY")
    heard = codec.decode_request(codec.encode_request(call, model, stream=False))
    assert heard.body == {"model": model, "input": inputs, "dimensions": 4, "task_type": "RETRIEVAL_QUERY"}
    vectors = tuple([[0.5, 1.0]] * (1 if isinstance(inputs, str) else 2))
    told = codec.encode_reply(Completion(kind="embedding", vectors=vectors, usage=Usage(5), model="m"), heard)
    completion = codec.decode_reply(call, told)
    assert (completion.vectors, completion.usage, completion.model) == (vectors, Usage(5), "m")
