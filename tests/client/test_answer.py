"""An answer tells what came, and a digest tells equal requests."""

import pickle

import msgspec
import pytest

import penstock
from penstock.answer import Answer, Chunk
from penstock.call import Attempt, Choice, Completion, Finished, ReasoningDelta, Started, TextDelta, ToolDelta, Usage
from penstock.errors import BadRequest, CallError

BODY = {"messages": [{"role": "user", "content": "hi"}], "temperature": 0}
TOOL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def whole(finish="stop", **message):
    said = {"role": "assistant", "content": "Hello", **message}
    return Completion(
        choices=(Choice(said, finish),),
        usage=Usage(3, 2),
        model="m-1",
        raw=b"{}",
        request_id="req_1",
        target="sim/m",
        attempts=(Attempt(id="1", target="sim/m"),),
        requests_sent=1,
        latency_s=0.5,
    )


def test_an_answer_tells_everything_that_came():
    answer = Answer(whole(tool_calls=[TOOL]), body=BODY)
    assert (answer.text, answer.status, answer.finish_reason, answer.error) == ("Hello", "success", "stop", None)
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.cost) == (3, 2, None)
    assert (answer.model, answer.target, len(answer.attempts), answer.latency_s) == ("m-1", "sim/m", 1, 0.5)
    assert (answer.tool_calls, answer.message["content"], answer.raw, answer.cached) == ([TOOL], "Hello", b"{}", False)


def test_a_model_that_its_provider_does_not_name_is_the_one_that_was_asked():
    said = msgspec.structs.replace(whole(), model="", target="bedrock/amazon.nova-pro-v1:0")
    assert Answer(said, body=BODY).model == "amazon.nova-pro-v1:0"


@pytest.mark.parametrize(
    ("finish", "status"), [("length", "truncated"), ("content_filter", "filtered"), ("stop", "success")]
)
def test_the_status_is_the_finish_reasons(finish, status):
    assert Answer(whole(finish), body=BODY).status == status


def test_a_failed_answer_has_its_error_and_the_attempts():
    error = BadRequest(
        "sim/m: 400 no", [Attempt(id="1", target="sim/m", ended_s=2.0)], CallError("bad_request", "no", request_id="r")
    )
    answer = Answer(None, body=BODY, error=error)
    assert (answer.status, answer.text, answer.error, answer.message) == ("failed", "", error, {})
    assert (answer.target, answer.latency_s, answer.request_id, answer.usage) == ("sim/m", 2.0, "r", Usage())
    assert answer.to_dict()["error"] == {"code": "bad_request", "message": "sim/m: 400 no"}


def test_an_answer_can_be_pickled():
    answer = Answer(whole(), body=BODY, model="sim/m")
    again = pickle.loads(pickle.dumps(answer))
    assert again.to_dict() == answer.to_dict()


def test_the_hash_is_of_what_can_change_the_answer():
    same = {
        "temperature": 0,
        "messages": [{"content": "hi", "role": "user"}],
        "user": "u",
        "metadata": {"a": "b"},
        "stream": True,
    }
    assert penstock.request_hash(BODY) == penstock.request_hash(same)
    assert penstock.request_hash(BODY) != penstock.request_hash({**BODY, "temperature": 1})
    assert len(penstock.request_hash(BODY)) == 64


def test_the_hash_of_an_answer_is_that_of_its_request():
    assert Answer(whole(), body=BODY).request_hash == penstock.request_hash(BODY)
    assert Answer(whole(), body=BODY, model="m").request_hash == penstock.request_hash({"model": "m", **BODY})


@pytest.mark.parametrize(
    ("event", "chunk"),
    [
        (TextDelta("a"), Chunk(text="a")),
        (ReasoningDelta("a"), Chunk(reasoning="a")),
        (ToolDelta(0, "c1", "f"), Chunk(tool_call_delta=ToolDelta(0, "c1", "f"))),
        (Started("m"), None),
        (Finished("stop"), None),
    ],
)
def test_a_chunk_is_what_a_reader_sees_of_an_event(event, chunk):
    assert Chunk.of(event) == chunk
