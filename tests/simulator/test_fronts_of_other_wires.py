"""Cohere's, Ollama's and Mistral's wires in the simulator: whole and streamed, refusals and lists in their words."""

import json

import pytest

from penstock.call import Call
from penstock.catalog import vendor
from penstock.clock import LoopClock
from penstock.errors import CallError
from penstock.fold import fold
from penstock.http import Timeouts, WireRequest
from penstock.simulator.memory import SimTransport
from penstock.simulator.scenario import parse_scenario
from penstock.testing import run
from penstock.wire.cohere import CohereCodec
from penstock.wire.ollama import OllamaCodec
from penstock.wire.openai import OpenAICodec

CODECS = {
    "cohere": CohereCodec(vendor("cohere"), "http://simulator/cohere"),
    "mistral": OpenAICodec(vendor("mistral"), "http://simulator/mistral/v1"),
    "ollama": OllamaCodec(vendor("ollama"), "http://simulator/ollama"),
}
NO_BOUNDS = Timeouts(connect=None, first_byte=None, between_bytes=None, total=None)
THINKS = '[models."*"]\noutput_tokens = 20\nreasoning_tokens = 10'
each_wire = pytest.mark.parametrize("name", CODECS)


def exchanged(request, scenario=""):
    async def main():
        return await SimTransport(parse_scenario(scenario), LoopClock()).send(request, NO_BOUNDS)

    return run(main())


def asked(name, scenario=THINKS, *, stream=False, key="", **body):
    codec = CODECS[name]
    call = Call(id="", model="m", body={"messages": [{"role": "user", "content": "How big is the moon?"}], **body})
    request = codec.encode_request(call, "m", stream=stream)
    if key:
        request.headers = {**request.headers, "authorization": f"Bearer {key}"}
    reply = exchanged(request, scenario)
    if reply.status != 200:
        raise codec.classify(reply)
    if not stream:
        return codec.decode_reply(call, reply)
    decoder = codec.decoder(call)
    events = decoder.feed(reply.body)
    return fold([*events, *decoder.end()], malformed_events=decoder.malformed_events)


@each_wire
def test_a_stream_says_the_same_as_the_whole(name):
    whole, streamed = asked(name), asked(name, stream=True)
    assert "How big is the moon?" in whole.text
    assert whole.message["reasoning_content"]
    assert (whole.message, whole.usage, whole.finish) == (streamed.message, streamed.usage, streamed.finish)
    assert whole.request_id is None or whole.request_id.startswith("req-")


@each_wire
@pytest.mark.parametrize(
    ("scenario", "key", "kind"),
    [
        ('keys = ["sk-a"]', "", "auth"),
        ('keys = ["sk-a"]', "sk-b", "auth"),
        ('[models."*"]\nlimits = { rpm = 1, burst = 0.001, concurrency = 1, tpm = 1 }', "", "rate_limited"),
        ('[models."*"]\nfaults = [{ fault = "status", status = 404 }]', "", "bad_request"),
        ('[models."*"]\nfaults = [{ fault = "status", status = 418 }]', "", "bad_request"),
        ('[models."*"]\nfaults = [{ fault = "status", status = 502 }]', "", "server_error"),
        ('[models."*"]\nfaults = [{ fault = "status", status = 503 }]', "", "overloaded"),
    ],
)
def test_a_refusal_has_its_class(name, scenario, key, kind):
    with pytest.raises(CallError) as caught:
        asked(name, scenario, key=key)
    assert caught.value.kind in (kind, "too_big_for_limit" if kind == "rate_limited" else kind)


@pytest.mark.parametrize("name", ["cohere", "ollama"])
def test_an_account_without_credit_is_told_so(name):
    with pytest.raises(CallError) as caught:
        asked(name, 'out_of_quota = ["sk-poor"]', key="sk-poor")
    assert caught.value.kind == "quota_exhausted"


@each_wire
@pytest.mark.parametrize("fault", ["stream_error", "cut_stream", "malformed_event"])
def test_a_broken_stream_is_no_answer(name, fault):
    scenario = f'[models."*"]\noutput_tokens = 60\nfaults = [{{ fault = "{fault}", after = 0.5 }}]'
    if fault == "malformed_event":
        assert asked(name, scenario, stream=True).text
        return
    with pytest.raises(CallError) as caught:
        asked(name, scenario, stream=True)
    assert caught.value.partial


@pytest.mark.parametrize(("path", "named"), [("/cohere/v1/models", "name"), ("/ollama/api/tags", "model")])
def test_models_are_listed(path, named):
    reply = exchanged(WireRequest("GET", f"http://simulator{path}", {}))
    assert "fast" in [model[named] for model in json.loads(reply.body)["models"]]


def test_a_trial_key_of_cohere_is_told_its_calls():
    request = CODECS["cohere"].encode_request(
        Call(id="", model="m", body={"messages": [{"role": "user", "content": "?"}]}), "m", stream=False
    )
    limits = CODECS["cohere"].rate_limits(exchanged(request, '[models."*"]\nlimits = { rpm = 20 }').headers)
    assert limits is not None
    assert (limits.requests_limit, limits.requests_remaining) == (20, 19)


def test_ollama_queues_only_so_many():
    with pytest.raises(CallError, match="server busy"):
        asked("ollama", '[models."*"]\nfaults = [{ fault = "status", status = 503 }]')


@pytest.mark.parametrize(("name", "model"), [("cohere", ""), ("ollama", "m"), ("mistral", "m")])
def test_the_model_is_named_where_the_wire_does(name, model):
    assert asked(name).model == model
