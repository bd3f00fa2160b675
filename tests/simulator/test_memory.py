from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from tests.simulator.given import CODEC, asked, call, faulty, in_memory, wire_request

from penstock.call import Completion
from penstock.clock import LoopClock
from penstock.errors import CallError
from penstock.http import Timeouts, WireReply
from penstock.simulator.memory import SimTransport
from penstock.simulator.scenario import Scenario
from penstock.testing import run

BOUNDED = Timeouts(connect=1.0, first_byte=2.0, between_bytes=3.0, total=10.0)
SLOW = "[models.m]\nttft_s = 1\ntokens_per_s = 10\noutput_tokens = 20"


def timed(act: Callable[[], Awaitable[object]]) -> tuple[object, float]:
    """What `act` came to, an error included, and the virtual seconds it took."""

    async def main() -> tuple[object, float]:
        clock = LoopClock()
        try:
            result = await act()
        except CallError as error:
            result = error
        return result, clock.now()

    return run(main)


def test_fast_answers_at_once_and_each_its_own_question() -> None:
    async def act() -> list[Completion]:
        transport = in_memory()
        return [CODEC.decode_reply(call(text=text), await asked(transport, text=text)) for text in ("one", "two")]

    answers, took_s = timed(act)
    assert isinstance(answers, list)
    assert ([answer.text[-3:] for answer in answers], took_s) == (["one", "two"], 0.0)


def test_a_whole_answer_takes_its_first_token_and_its_tokens() -> None:
    reply, took_s = timed(lambda: asked(in_memory(SLOW)))
    assert isinstance(reply, WireReply)
    assert (reply.status, took_s) == (200, pytest.approx(3.0))


def test_a_stream_comes_at_its_pace() -> None:
    async def act() -> list[float]:
        clock = LoopClock()
        stream = await in_memory(SLOW).stream(wire_request(stream=True), BOUNDED)
        times = [clock.now()]
        async for _ in stream:
            times.append(clock.now())
        await stream.aclose()
        return times

    times, _ = timed(act)
    assert times == pytest.approx([1.0, *(1.0 + number / 10 for number in range(20))])


def test_a_stream_decodes_to_the_same_answer_as_the_whole() -> None:
    async def act() -> tuple[str, str]:
        transport = in_memory(SLOW)
        whole = CODEC.decode_reply(call(), await asked(transport))
        stream = await transport.stream(wire_request(stream=True), BOUNDED)
        decoder = CODEC.decoder(call(stream=True))
        events = decoder.feed(await stream.read()) + decoder.end()
        return whole.text, "".join(getattr(event, "text", "") for event in events)

    texts, _ = timed(act)
    assert isinstance(texts, tuple)
    assert texts[0] == texts[1] != ""


@pytest.mark.parametrize(
    ("scenario", "kind", "code", "took_s"),
    [
        (faulty("reset"), "transport", "reset", 0.0),
        (faulty("close"), "transport", "cut", 0.0),
        (faulty("reset_mid_body"), "transport", "reset", 0.0),
        (faulty("truncated_body"), "transport", "cut", 0.0),
        (faulty("hang"), "timeout", "first_byte", 2.0),
        (faulty("hang_mid_body"), "timeout", "between_bytes", 3.0),
        (faulty("slow_drip", interval_s=1, piece_bytes=1), "timeout", "total", 10.0),
        (faulty("oversized_body", megabytes=100), "transport", "body_too_large", 0.0),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_broken_reply_is_the_error_of_a_real_transport(
    scenario: Scenario, kind: str, code: str, took_s: float, stream: bool
) -> None:
    async def act() -> object:
        transport = in_memory(scenario)
        if not stream:
            return await asked(transport, BOUNDED)
        opened = await transport.stream(wire_request(stream=True), BOUNDED)
        try:
            return await opened.read()
        finally:
            await opened.aclose()

    error, passed_s = timed(act)
    assert isinstance(error, CallError)
    assert (error.kind, error.code, error.sent, passed_s) == (kind, code, True, took_s)


@pytest.mark.parametrize("timeouts", [Timeouts(first_byte=0.3), Timeouts(total=0.3)])
def test_a_model_that_only_waits_keeps_to_the_timeouts(timeouts: Timeouts) -> None:
    error, took_s = timed(lambda: asked(in_memory("[models.m]\nttft_s = 1"), timeouts))
    assert isinstance(error, CallError)
    assert (error.kind, took_s) == ("timeout", 0.3)


def test_a_stream_that_is_left_is_not_delivered_and_frees_its_place() -> None:
    async def act() -> list[object]:
        transport = in_memory(SLOW + "\nlimits = { concurrency = 1 }")
        stream = await transport.stream(wire_request(stream=True), BOUNDED)
        await stream.__anext__()
        refused = await asked(transport)
        await stream.aclose()
        answered = await asked(transport)
        return [refused.status, answered.status, [row["delivered"] for row in transport.ledger.rows()]]

    assert timed(act)[0] == [429, 200, [False, True, True]]


def test_an_hour_of_limited_traffic_passes_at_once() -> None:
    async def act() -> int:
        clock = LoopClock()
        transport = in_memory("[models.m]\nlimits = { rpm = 60, burst = 0.02 }")
        answered = 0
        while clock.now() < 3600:
            reply = await asked(transport, text=str(answered))
            answered += reply.status == 200
            if reply.status == 429:
                await clock.sleep(float(reply.headers["retry-after-ms"]) / 1000)
        return answered

    answered, _ = timed(act)
    assert 3590 <= answered <= 3601  # type: ignore[operator]


def schedule(seed: int) -> list[tuple[str, float]]:
    async def act() -> list[tuple[str, float]]:
        clock = LoopClock()
        transport = SimTransport(None, clock, rng=random.Random(seed))
        seen = []
        for number in range(60):
            try:
                reply = await transport.send(wire_request(text=str(number), model="flaky"), BOUNDED)
                seen.append((str(reply.status), clock.now()))
            except CallError as error:
                seen.append((str(error.code), clock.now()))
        return seen

    found, _ = timed(act)
    assert isinstance(found, list)
    return found


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert schedule(1) == schedule(1)
    assert schedule(1) != schedule(2)
    assert len({outcome for outcome, _ in schedule(1)}) > 1


@pytest.mark.parametrize(("seed", "same"), [(7, True), (None, False)])
def test_ids_come_again_only_with_the_same_seed(seed: int | None, same: bool) -> None:
    async def act() -> str:
        return CODEC.decode_reply(call(), await asked(in_memory(seed=seed))).id

    assert (timed(act) == timed(act)) is same


def test_a_closed_transport_sends_nothing() -> None:
    async def act() -> object:
        transport = in_memory()
        await transport.aclose()
        return await asked(transport)

    error, _ = timed(act)
    assert isinstance(error, CallError)
    assert (error.code, error.sent) == ("closed", False)


def test_a_server_and_a_transport_can_share_a_simulator() -> None:
    async def act() -> int:
        first = in_memory()
        second = SimTransport(None, LoopClock(), simulator=first.simulator)
        await asked(first)
        await asked(second)
        return second.ledger.served

    assert timed(act)[0] == 2


def test_headers_of_a_reply_carry_its_limits() -> None:
    async def act() -> object:
        reply = await asked(in_memory("[models.m]\nlimits = { rpm = 100, tpm = 5000 }"), max_tokens=100)
        return CODEC.rate_limits(reply.headers)

    limits, _ = timed(act)
    told = msgspec.structs.asdict(limits)  # type: ignore[arg-type]
    assert (told["requests_limit"], told["requests_remaining"], told["requests_reset_s"]) == (100, 99, 0.6)
    assert (told["tokens_limit"], told["tokens_remaining"]) == (5000, 4895)
