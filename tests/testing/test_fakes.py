from __future__ import annotations

import asyncio

import pytest

from penstock.call import Call, Completion, TextDelta
from penstock.errors import CallError
from penstock.http import Timeouts, WireReply, WireRequest
from penstock.testing import Chunks, Delayed, FakeTransport, ScriptedHandler, run

REQUEST = WireRequest("POST", "http://sim.test/v1", {})
CALL = Call(id="c", model="m", body={})


def test_a_transport_follows_its_script_and_records_what_was_asked() -> None:
    transport = FakeTransport([Delayed(2, WireReply(200, {}, b"one")), CallError("transport", "reset")])

    async def main() -> float:
        assert (await transport.send(REQUEST, Timeouts())).body == b"one"
        with pytest.raises(CallError, match="reset"):
            await transport.send(REQUEST, Timeouts())
        return asyncio.get_running_loop().time()

    assert run(main) == 2
    assert transport.requests == [REQUEST, REQUEST]
    assert transport.open == 0


def test_a_script_that_is_over_says_so() -> None:
    with pytest.raises(AssertionError, match="script is over"):
        run(FakeTransport([]).send(REQUEST, Timeouts()))


def test_an_answer_later_than_the_timeout_is_a_timeout() -> None:
    transport = FakeTransport(lambda _: Delayed(700, WireReply(200, {})))

    async def main() -> float:
        with pytest.raises(CallError, match="timeout"):
            await transport.send(REQUEST, Timeouts(total=600))
        return asyncio.get_running_loop().time()

    assert run(main) == 600


def test_a_cancelled_send_is_no_longer_open() -> None:
    transport = FakeTransport(lambda _: Delayed(10, WireReply(200, {})))

    async def main() -> None:
        task = asyncio.create_task(transport.send(REQUEST, Timeouts()))
        await asyncio.sleep(1)
        assert transport.open == 1
        task.cancel()
        await asyncio.wait([task])

    run(main)
    assert transport.open == 0


def test_a_stream_is_open_until_it_is_closed() -> None:
    transport = FakeTransport([Chunks([b"a", 3, b"b"], headers={"x": "y"})])

    async def main() -> list[bytes]:
        stream = await transport.stream(REQUEST, Timeouts())
        seen = [piece async for piece in stream]
        assert transport.open == 1
        await stream.aclose()
        await stream.aclose()
        assert stream.headers == {"x": "y"}
        return seen

    assert run(main) == [b"a", b"b"]
    assert transport.open == 0


def test_a_pause_longer_than_between_bytes_is_a_timeout() -> None:
    transport = FakeTransport([Chunks([b"a", 20, b"b"])])

    async def main() -> None:
        stream = await transport.stream(REQUEST, Timeouts(between_bytes=15))
        with pytest.raises(CallError, match="timeout"):
            await stream.read()
        await stream.aclose()

    run(main)


def test_a_handler_answers_or_streams_and_counts_what_is_open() -> None:
    handler = ScriptedHandler([Completion(id="1"), Chunks([TextDelta("a")])])

    async def main() -> None:
        assert (await handler(CALL)).id == "1"  # type: ignore[union-attr]
        stream = await handler(CALL)
        assert handler.open == 1
        assert [event async for event in stream] == [TextDelta("a")]  # type: ignore[union-attr]

    run(main)
    assert handler.open == 0
