"""Promises of streamed answers that were once broken: they are the same as in one piece."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from penstock import AsyncClient
from penstock.call import Call, Completion, Event, Finished, PartDelta, TextDelta
from penstock.catalog import vendor
from penstock.clock import LoopClock
from penstock.config import parse_config
from penstock.endpoint import Endpoint
from penstock.errors import CallError, unanswered
from penstock.fold import fold
from penstock.handler import OpenStream
from penstock.http import Timeouts, WireRequest
from penstock.race.relay import Relay
from penstock.simulator.memory import BASE_URL, SimStream, SimTransport
from penstock.simulator.scenario import parse_scenario
from penstock.testing import run
from penstock.testing.exam_codec import read_stream
from penstock.wire.openai import OpenAICodec
from penstock.wiring import build

CODEC = OpenAICodec(vendor("openai"))
CALL = Call(id="1", model="m", body={}, stream=True)


def read(*deltas: dict[str, Any], finish: str = "stop") -> list[Event]:
    """The events of a stream with these deltas."""
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    chunks = [{"id": "c", "model": "m", "created": 1, "choices": [choice]} for choice in choices]
    data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    events, error, _ = read_stream(CODEC, CALL, [data.encode()])
    assert error is None
    return events


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "index": 0}
CITED = {"type": "url_citation", "url_citation": {"url": "https://example.org", "title": "An example"}}


@pytest.mark.parametrize(
    ("deltas", "message"),
    [
        (
            [{"audio": {"id": "a1", "transcript": "Hel"}}, {"audio": {"transcript": "lo"}}, {"audio": {"data": "AA"}},
             {"audio": {"data": "BB"}}, {"audio": {"expires_at": 9}}],
            {"content": None, "audio": {"id": "a1", "transcript": "Hello", "data": "AABB", "expires_at": 9}},
        ),
        ([{"content": "Look:"}, {"images": [IMAGE]}, {"images": [IMAGE]}], {"content": "Look:", "images": [IMAGE]}),
        ([{"images": [IMAGE]}], {"content": None, "images": [IMAGE]}),
        (
            [{"content": "So it is."}, {"annotations": [CITED]}, {"annotations": [CITED]}],
            {"content": "So it is.", "annotations": [CITED, CITED]},
        ),
        (
            [{"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "I th"}]},
             {"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "ink", "signature": "s"}]},
             {"reasoning_details": [{"type": "reasoning.encrypted", "index": 0, "data": "xyz"}]}, {"content": "42"}],
            {"content": "42", "reasoning_details": [
                {"type": "reasoning.text", "index": 0, "text": "I think", "signature": "s"},
                {"type": "reasoning.encrypted", "index": 0, "data": "xyz"}]},
        ),
    ],
    ids=["audio", "images", "an image alone", "annotations", "reasoning details"],
)  # fmt: skip
def test_parts_of_a_message_that_have_no_event_of_their_own_are_kept(
    deltas: list[dict[str, Any]], message: dict[str, Any]
) -> None:
    assert fold(read(*deltas)).message == {"role": "assistant", **message}


def test_what_a_vendor_wants_back_with_a_tool_call_is_kept() -> None:
    signed = {"google": {"thought_signature": "abc"}}
    function = {"name": "find", "arguments": "{}"}
    delta = {"tool_calls": [{"index": 0, "id": "t", "type": "function", "function": function, "extra_content": signed}]}
    message = fold(read(delta, finish="tool_calls")).message
    assert message["tool_calls"] == [{"id": "t", "type": "function", "function": function, "extra_content": signed}]


def test_parts_go_through_the_server_half_unchanged() -> None:
    signed = {"index": 0, "id": "t", "function": {"name": "find", "arguments": "{}"}, "extra_content": {"a": 1}}
    events = read({"images": [IMAGE]}, {"annotations": [CITED]}, {"tool_calls": [signed]}, finish="tool_calls")
    encoder = CODEC.encoder(CALL, model="m", id="c")
    again, _, _ = read_stream(CODEC, CALL, [encoder.feed(events) + encoder.end()])
    assert fold(again).choices == fold(events).choices


def test_sound_that_comes_in_pieces_is_one_sound() -> None:
    pieces = [b64encode(sound).decode() for sound in (b"a", b"bcd", b"ef", b"ghij")]
    message = fold(read(*({"audio": {"data": piece}} for piece in pieces))).message
    assert b64decode(message["audio"]["data"], validate=True) == b"abcdefghij"


def test_folding_changes_no_event() -> None:
    events: list[Event] = [PartDelta({"audio": {"data": "AA"}}), PartDelta({"audio": {"data": "BB"}})]
    assert fold(events).message == fold(events).message


def asked(model: str, how: Any, **settings: Any) -> Any:
    async def main() -> Any:
        async with AsyncClient(model, config={}, **settings) as client:
            return await how(client)

    return run(main())


async def streamed(client: AsyncClient) -> Any:
    return await client.stream("hi").finish()


@pytest.mark.parametrize("how", [streamed, lambda client: client.generate("hi")], ids=["streamed", "in one piece"])
def test_an_answer_that_came_as_a_stream_has_its_request_id(how: Any) -> None:
    answer = asked("sim/fast", how, deadline=20)
    assert answer.request_id is not None
    assert answer.request_id.startswith("req-")
    assert [attempt.request_id for attempt in answer.attempts] == [answer.request_id]


class Watched(SimTransport):
    """Remembers what was asked for as a stream."""

    streams = 0

    async def stream(self, request: WireRequest, timeouts: Timeouts) -> SimStream:
        self.streams += 1
        return await super().stream(request, timeouts)


@pytest.mark.parametrize(("body", "streams"), [({}, 1), ({"audio": {"format": "wav", "voice": "v"}}, 0)])
def test_sound_that_is_wanted_in_one_piece_is_not_asked_for_as_a_stream(body: dict[str, Any], streams: int) -> None:
    async def main() -> int:
        transport = Watched(None, LoopClock())
        engine = build(parse_config({}, environ={}), transports=lambda _provider, _clock: transport)
        question = {"messages": [{"role": "user", "content": "hi"}], **body}
        await engine.handler("sim/fast")(Call(id="1", model="m", body=question))
        await engine.aclose()
        return transport.streams

    assert run(main()) == streams


def test_a_stream_that_broke_says_its_request_id() -> None:
    async def main() -> str | None:
        clock = LoopClock()
        scenario = parse_scenario('{"models": {"*": {"faults": [{"fault": "cut_stream"}]}}}')
        transport = SimTransport(scenario, clock)
        endpoint = Endpoint(OpenAICodec(vendor("openai"), BASE_URL), transport, model="m", name="sim/m", now=clock.now)
        body = {"messages": [{"role": "user", "content": "tell me a story"}]}
        stream = await endpoint.send(Call(id="1", model="m", body=body, stream=True), None)
        assert isinstance(stream, OpenStream)
        with pytest.raises(CallError) as caught:
            async for _ in stream:
                pass
        return caught.value.request_id

    assert str(run(main())).startswith("req-")


def test_a_completion_made_of_a_stream_is_decoded_to_the_same_again() -> None:
    completion = fold(read({"content": "Look:"}, {"images": [IMAGE]}))
    body = CODEC.encode_reply(completion)
    again = CODEC.decode_reply(CALL, body)
    assert isinstance(again, Completion)
    assert again.choices == completion.choices


def relayed(*first: Event) -> list[Event]:
    """What the caller gets of a stream that breaks after these events, and of the one that goes on."""

    async def broken() -> AsyncIterator[Event]:
        for event in first:
            yield event
        raise CallError("transport", "the stream was cut", target="a/m")

    async def whole() -> AsyncIterator[Event]:
        for event in (TextDelta("half and half"), PartDelta({"annotations": [CITED]}), Finished("stop")):
            yield event

    async def again(_call: Call, rung: str, error: CallError) -> OpenStream:
        if rung == "prefill":
            raise unanswered([], error)
        return OpenStream(whole())

    async def main() -> list[Event]:
        return [event async for event in Relay(CALL, OpenStream(broken()), again=again).stream()]

    return run(main())


def test_a_stream_with_reasoning_details_is_continued_and_one_with_an_image_is_not() -> None:
    details = PartDelta({"reasoning_details": [{"type": "reasoning.text", "index": 0, "text": "think"}]})
    assert fold(relayed(details, TextDelta("half "))).message == {
        "role": "assistant",
        "content": "half and half",
        "annotations": [CITED],
        **details.fields,
    }
    with pytest.raises(CallError, match="an image or sound had begun"):
        relayed(TextDelta("half "), PartDelta({"images": [IMAGE]}))
