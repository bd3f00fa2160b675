"""Bedrock's wire in the simulator: Converse whole and streamed, embeddings, and refusals in AWS's words."""

import pytest
from tests.simulator.given import faulty

from penstock.call import Call
from penstock.catalog import Vendor
from penstock.clock import LoopClock
from penstock.errors import CallError
from penstock.fold import fold
from penstock.http import Timeouts
from penstock.simulator.memory import SimTransport
from penstock.simulator.scenario import parse_scenario
from penstock.testing import run
from penstock.wire.bedrock import BedrockCodec

CODEC = BedrockCodec(Vendor(name="bedrock", title="Amazon Bedrock"), "http://simulator/bedrock")
MODEL = "m"
ASKED = {"messages": [{"role": "user", "content": "How big is the moon?"}]}
NO_BOUNDS = Timeouts(connect=None, first_byte=None, between_bytes=None, total=None)


def asked(scenario="", *, kind="chat", stream=False, model=MODEL, key="", **body):
    call = Call(id="", model=model, kind=kind, stream=stream, body={**(ASKED if kind == "chat" else {}), **body})

    async def main():
        transport = SimTransport(parse_scenario(scenario) if isinstance(scenario, str) else scenario, LoopClock())
        request = CODEC.encode_request(call, model, stream=stream)
        if key:
            request.headers = {**request.headers, "authorization": f"Bearer {key}"}
        if not stream:
            reply = await transport.send(request, NO_BOUNDS)
            if reply.status != 200:
                raise CODEC.classify(reply)
            return CODEC.decode_reply(call, reply)
        wire = await transport.stream(request, NO_BOUNDS)
        if wire.status != 200:
            raise AssertionError(wire.status)
        decoder = CODEC.decoder(call)
        events = [event async for piece in wire for event in decoder.feed(piece)]
        return fold([*events, *decoder.end()], malformed_events=decoder.malformed_events)

    return run(main())


def test_a_stream_says_the_same_as_the_whole():
    whole, streamed = asked(), asked(stream=True)
    assert whole.text.endswith("How big is the moon?")
    assert (whole.text, whole.usage, whole.finish) == (streamed.text, streamed.usage, streamed.finish)
    assert whole.request_id.startswith("req-")


@pytest.mark.parametrize(
    ("model", "given", "vectors"),
    [
        ("amazon.titan-embed-text-v2:0", "a", 1),
        ("cohere.embed-english-v3", ["a", "b"], 2),
        ("cohere.embed-v4:0", "a", 1),
    ],
)
def test_embeddings_come_for_each_input(model, given, vectors):
    answer = asked(kind="embedding", model=model, input=given)
    assert len(answer.vectors) == vectors
    # Cohere's body tells no tokens.
    assert (answer.usage is not None) == model.startswith("amazon.")


def refusal(scenario, **more) -> CallError:
    with pytest.raises(CallError) as error:
        asked(scenario, **more)
    return error.value


def test_keys_are_refused_as_aws_refuses_them():
    assert refusal('keys = ["right"]').code == "MissingAuthenticationTokenException"
    wrong = refusal('keys = ["right"]', key="wrong")
    assert (wrong.kind, wrong.status, wrong.code) == ("auth", 403, "UnrecognizedClientException")
    assert asked('keys = ["right"]', key="right").text


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *[(400, "bad_request"), (403, "auth"), (404, "bad_request"), (408, "timeout"), (424, "server_error")],
        *[(429, "rate_limited"), (500, "server_error"), (503, "overloaded"), (418, "bad_request")],
    ],
)
def test_each_status_has_its_exception(status, kind):
    error = refusal(faulty("status", status=status))
    assert (error.kind, error.status) == (kind, status)


@pytest.mark.parametrize("fault", ["cut_stream", "stream_error", "truncated_body"])
def test_broken_streams_are_noticed(fault):
    error = refusal(faulty(fault), stream=True)
    assert error.kind in ("transport", "server_error")


def test_a_broken_event_is_counted():
    assert asked(faulty("malformed_event", after=0.5), stream=True).malformed_events == 1
