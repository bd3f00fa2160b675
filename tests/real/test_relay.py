"""A stream that breaks goes on at llama.cpp's server, which continues an assistant message (saying it again first)."""

from __future__ import annotations

import asyncio

import pytest

from penstock.call import Call, Completion, Event, Rung, TextDelta
from penstock.catalog import vendor
from penstock.endpoint import Endpoint
from penstock.errors import CallError, Unanswered
from penstock.fold import fold
from penstock.handler import OpenStream, primed
from penstock.race.relay import Relay
from penstock.testing import Chunks, ScriptedHandler
from penstock.transport import open_transport
from penstock.wire.openai import OpenAICodec

pytestmark = pytest.mark.real_server

BODY = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 60, "temperature": 0}


@pytest.mark.parametrize("rung", ["prefill", "anew"])
@pytest.mark.parametrize("at", [30, 47])
def test_a_broken_answer_goes_on_as_the_whole_one_does(llama_url: str, llama_key: str, rung: Rung, at: int) -> None:
    async def main() -> tuple[Completion, Completion]:
        transport = open_transport("aiohttp")
        codec = OpenAICodec(vendor("llamacpp"), llama_url)
        clock = asyncio.get_running_loop().time
        endpoint = Endpoint(codec, transport, model="tiny-random", name="llamacpp/tiny-random", now=clock)

        async def again(call: Call, which: Rung, error: CallError) -> OpenStream:
            if which != rung:
                raise Unanswered("not this rung", (), error)
            reply = await endpoint.send(call, llama_key)
            assert not isinstance(reply, Completion)
            return await primed(reply)

        try:
            whole = await endpoint.send(Call(id="r", model="m", body=BODY), llama_key)
            assert isinstance(whole, Completion)
            call = Call(id="r", model="m", body=BODY, stream=True)
            # A delta for each token, as the server sends them.
            begun: list[Event] = [TextDelta(char) for char in whole.text[:at]]
            first = await ScriptedHandler([Chunks([*begun, CallError("transport", "cut")])])(call)
            assert isinstance(first, OpenStream)
            return whole, fold([event async for event in Relay(call, first, again=again).stream()])
        finally:
            await transport.aclose()

    whole, joined = asyncio.run(main())
    assert len(whole.text) == 60
    assert (joined.text, joined.finish) == (whole.text, whole.finish)
