"""Each fault as a client really meets it, byte by byte, over a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest
from tests.simulator.given import Seen, chat, faulty, on_loop, raw, seen, serving, unchunked

from penstock.simulator.http1 import Request
from penstock.simulator.scenario import FAULTS, Scenario
from penstock.simulator.script import Piece, Script


def meet(scenario: Scenario | str, *, stream: bool = False) -> Seen:
    async def main() -> Seen:
        async with serving(scenario) as (_, port):
            return await seen(port, raw(chat(stream=stream)))

    return on_loop(main())


def right(*, stream: bool = False) -> bytes:
    """The body without any fault."""
    body = meet("[models.m]\noutput_tokens = 40", stream=stream).body
    return unchunked(body)[0] if stream else body


def with_output(name: str, **settings: Any) -> Scenario:
    scenario = faulty(name, **settings)
    behaviour = msgspec.structs.replace(scenario.models["m"], output_tokens=40)
    return Scenario(models={"m": behaviour})


def test_a_whole_answer_comes_with_its_length() -> None:
    got = meet("")
    assert (got.status, len(got.body), got.ending) == (200, got.length, "eof")
    assert msgspec.json.decode(got.body)["choices"][0]["message"]["content"].startswith("sim:")


def test_a_stream_comes_in_events_and_ends_with_done() -> None:
    content, ended = unchunked(meet("", stream=True).body)
    assert ended
    assert content.startswith(b'data: {"id":"chatcmpl-sim-')
    assert content.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limit_exceeded"), (500, None), (503, None), (418, None)])
def test_a_status_comes_with_the_providers_error_body(status: int, code: str | None) -> None:
    got = meet(faulty("status", status=status, retry_after_s=2.5))
    assert got.status == status
    assert b"retry-after: 3\r\nretry-after-ms: 2500\r\n" in got.head
    assert msgspec.json.decode(got.body)["error"]["code"] == code


@pytest.mark.parametrize(("name", "ending"), [("reset", "reset"), ("close", "eof")])
def test_a_connection_ends_before_any_header(name: str, ending: str) -> None:
    assert meet(faulty(name)) == Seen(b"", ending)


@pytest.mark.parametrize("status", [502, 200])
def test_a_proxy_speaks_html(status: int) -> None:
    got = meet(faulty("html", status=status))
    assert (got.status, got.body[:6]) == (status, b"<html>")
    assert b"content-type: text/html" in got.head


def test_an_error_comes_under_a_200() -> None:
    got = meet(faulty("error_in_200", message="upstream failed"))
    assert (got.status, msgspec.json.decode(got.body)["error"]["message"]) == (200, "upstream failed")


@pytest.mark.parametrize("stream", [False, True])
def test_an_empty_body_is_empty(stream: bool) -> None:
    got = meet(faulty("empty_body"), stream=stream)
    assert (got.status, got.body, got.length) == (200, b"", 0)


def test_an_empty_answer_says_nothing_and_stops() -> None:
    whole = msgspec.json.decode(meet(faulty("empty_answer")).body)
    assert (whole["choices"][0]["message"]["content"], whole["choices"][0]["finish_reason"]) == ("", "stop")
    assert b'"content":"sim' not in unchunked(meet(faulty("empty_answer"), stream=True).body)[0]


def test_a_filter_cuts_the_answer_and_says_so() -> None:
    choice = msgspec.json.decode(meet(faulty("content_filter", after=0.5)).body)["choices"][0]
    assert choice["finish_reason"] == "content_filter"
    assert len(choice["message"]["content"]) == 20


def test_an_unfit_answer_is_whole_and_of_another_form() -> None:
    for fault, text in (
        (faulty("unfit_answer"), '{"unexpected":true}'),
        (faulty("unfit_answer", message="no idea"), "no idea"),
    ):
        choice = msgspec.json.decode(meet(fault).body)["choices"][0]
        assert (choice["message"]["content"], choice["finish_reason"]) == (text, "stop")


def test_a_fenced_answer_has_the_right_one_in_it() -> None:
    text = msgspec.json.decode(meet(faulty("fenced_answer")).body)["choices"][0]["message"]["content"]
    assert text.startswith("Here is the answer:\n\n```json\nsim:")
    assert text.endswith("\n```\n\nAnything else?")


def test_invalid_json_is_whole_by_its_length() -> None:
    got = meet(faulty("invalid_json"))
    assert len(got.body) == got.length
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(got.body)


def test_an_oversized_body_is_valid_and_large() -> None:
    got = meet(faulty("oversized_body", megabytes=3))
    assert len(got.body) == got.length > 3 * 1024 * 1024
    assert msgspec.json.decode(got.body)["object"] == "chat.completion"
    content, ended = unchunked(meet(faulty("oversized_body", megabytes=3), stream=True).body)
    assert ended
    assert max(map(len, content.split(b"\n"))) > 3 * 1024 * 1024


def test_a_truncated_body_is_shorter_than_it_said() -> None:
    got = meet(with_output("truncated_body", after=0.5))
    assert got.ending == "eof"
    assert (len(got.body), got.length) == (len(right()) // 2, len(right()))


@pytest.mark.parametrize("stream", [False, True])
def test_a_reset_comes_in_the_middle_of_the_body(stream: bool) -> None:
    async def main() -> tuple[bytes, str]:
        async with serving(with_output("reset_mid_body")) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(raw(chat(stream=stream)))
                head = await reader.readuntil(b"\r\n\r\n")
                with pytest.raises(ConnectionResetError):
                    while True:
                        await reader.readexactly(65_536)
                return head, "reset"
            finally:
                writer.close()

    head, _ = on_loop(main())
    assert head.startswith(b"HTTP/1.1 200 OK")


def test_a_truncated_stream_ends_in_the_middle_of_an_event() -> None:
    got = meet(with_output("truncated_body"), stream=True)
    content, ended = unchunked(got.body)
    assert (ended, got.ending, content[-2:] == b"\n\n") == (False, "eof", False)


def without_ids(content: bytes) -> list[Any]:
    return [
        (chunk.get("choices"), chunk.get("usage"))
        for chunk in (
            msgspec.json.decode(event[6:]) for event in content.split(b"\n\n") if event.startswith(b"data: {")
        )
    ]


def test_a_cut_stream_ends_between_events_without_a_finish() -> None:
    content, ended = unchunked(meet(with_output("cut_stream"), stream=True).body)
    assert ended
    events = without_ids(content)
    assert events == without_ids(right(stream=True))[: len(events)]
    assert b'"finish_reason":"stop"' not in content


def test_a_stream_without_done_is_otherwise_whole() -> None:
    content, ended = unchunked(meet(with_output("no_done"), stream=True).body)
    assert ended
    assert b"[DONE]" not in content
    assert without_ids(content) == without_ids(right(stream=True))


def test_a_malformed_event_stands_among_whole_ones() -> None:
    content, ended = unchunked(meet(with_output("malformed_event"), stream=True).body)
    broken = []
    for event in content.split(b"\n\n")[:-2]:
        try:
            msgspec.json.decode(event[6:])
        except msgspec.DecodeError:
            broken.append(event)
    assert ended
    assert len(broken) == 1
    assert content.endswith(b"[DONE]\n\n")


def test_a_stream_error_is_the_last_event() -> None:
    content, ended = unchunked(meet(with_output("stream_error", message="boom"), stream=True).body)
    assert ended
    assert msgspec.json.decode(content.split(b"\n\n")[-2][6:])["error"]["message"] == "boom"
    assert b"[DONE]" not in content


@pytest.mark.parametrize("stream", [False, True])
def test_a_drip_is_whole_at_its_end(stream: bool) -> None:
    got = meet(with_output("slow_drip", piece_bytes=100, interval_s=0.0), stream=stream)
    content = unchunked(got.body)[0] if stream else got.body
    assert len(content) == len(right(stream=stream))


@pytest.mark.parametrize(
    ("scenario", "stream", "first"),
    [
        (faulty("hang"), False, b""),
        (with_output("hang_mid_body"), False, b"HTTP/1.1 200 OK"),
        (with_output("hang_mid_body"), True, b"HTTP/1.1 200 OK"),
    ],
)
def test_a_hanging_reply_leaves_the_connection_open_and_silent(scenario: Scenario, stream: bool, first: bytes) -> None:
    async def main() -> bytes:
        async with serving(scenario) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw(chat(stream=stream)))
            got = b""
            if first:
                got = await reader.readuntil(b"sim:")
            await others_are_served(port)
            assert not reader.at_eof()
            rest = asyncio.create_task(reader.readuntil(b"[DONE]" if stream else b"system_fingerprint"))
            await others_are_served(port)
            assert not rest.done()
            rest.cancel()
            writer.close()
            return got

    assert on_loop(main()).startswith(first)


async def others_are_served(port: int) -> None:
    got = await seen(port, raw(chat(model="other")))
    assert got.status == 200


def test_every_fault_is_met_by_a_test_here() -> None:
    with open(__file__, encoding="utf-8") as file:
        text = file.read()
    assert [name for name in FAULTS if f'"{name}"' not in text] == []


def on_one_connection(scenario: Scenario | str, act: Callable[[Any, Any], Awaitable[bytes]]) -> bytes:
    async def main() -> bytes:
        async with serving(scenario) as (_, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                return await act(reader, writer)
            finally:
                writer.close()

    return on_loop(main())


def test_pipelined_requests_are_answered_in_order() -> None:
    models = ["m", "slow", "m", "slow", "m"]

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        asked = [
            raw(chat(f"question {number}", model=model, stream=number == 3), close=number == 4)
            for number, model in enumerate(models)
        ]
        writer.write(b"".join(asked))
        return await reader.read(-1)

    got = on_one_connection("[models.slow]\nttft_s = 0.001\noutput_tokens = 30", act)
    places = [got.find(f"question {number}".encode()) for number in (0, 1, 2, 4)]
    assert places == sorted(places)
    assert got.count(b"HTTP/1.1 200 OK") == 5


def test_more_than_is_buffered_can_be_pipelined() -> None:
    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        for number in range(4):
            writer.write(raw(chat("x" * 900_000 + f"question {number}"), close=number == 3))
        async with asyncio.timeout(30):
            return await reader.read(-1)

    got = on_one_connection("[models.m]\nttft_s = 0.001", act)
    assert [got.count(f"question {number}".encode()) for number in range(4)] == [1] * 4


def test_a_continue_is_answered_before_the_body_is_sent() -> None:
    data = raw(chat())
    head, _, body = data.partition(b"\r\n\r\n")

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        return await reader.read(-1)

    assert on_one_connection("", act).startswith(b"HTTP/1.1 200 OK")


def test_what_is_no_http_is_refused_and_closed() -> None:
    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(b"hello\r\n\r\n")
        return await reader.read(-1)

    assert on_one_connection("", act).startswith(b"HTTP/1.1 400 Bad Request")


def test_a_client_that_leaves_frees_its_concurrency_and_is_not_delivered() -> None:
    scenario = """
        [models.m]
        limits = { concurrency = 1 }
        faults = [{ fault = "hang", prompt_contains = "wait" }]
    """

    async def main() -> tuple[list[int], bool]:
        async with serving(scenario) as (served, port):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(raw(chat("wait for me")))
            statuses = []
            while not statuses or served.ledger.served == len(statuses):
                statuses.append((await seen(port, raw(chat("now", model="other")))).status)
            statuses = [(await seen(port, raw(chat("now")))).status]
            writer.close()
            await writer.wait_closed()
            while statuses[-1] == 429:
                statuses.append((await seen(port, raw(chat("now")))).status)
            return statuses, any(row["delivered"] for row in served.ledger.rows() if row["fault"] == "hang")

    statuses, delivered = on_loop(main())
    assert (statuses[0], statuses[-1], delivered) == (429, 200, False)


def test_a_limit_is_told_in_headers_and_enforced() -> None:
    async def main() -> list[Seen]:
        async with serving("[models.m.limits]\nrpm = 2\ntpm = 1000") as (_, port):
            return [await seen(port, raw(chat())) for _ in range(3)]

    first, _, third = on_loop(main())
    assert b"x-ratelimit-limit-requests: 2\r\nx-ratelimit-remaining-requests: 1\r\n" in first.head
    assert third.status == 429
    assert b"retry-after: 30" in third.head
    error = msgspec.json.decode(third.body)["error"]
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    assert "Limit 2, Used 2, Requested 1. Please try again in" in error["message"]


def test_a_new_scenario_is_played_from_then_on() -> None:
    async def main() -> list[int]:
        async with serving() as (_, port):
            text = '{"models":{"m":{"faults":[{"fault":"status","status":503}]}}}'
            before = await seen(port, raw(chat()))
            post = b"POST /sim/scenario HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
            changed = await seen(port, post % (len(text), text.encode()))
            after = await seen(port, raw(chat()))
            wrong = await seen(port, post % (3, b"x=1"))
            return [before.status, changed.status, after.status, wrong.status]

    assert on_loop(main()) == [200, 200, 503, 400]


def test_a_client_that_does_not_read_holds_its_reply_back_until_it_does() -> None:
    async def main() -> tuple[int, int]:
        async with serving(faulty("oversized_body", megabytes=64)) as (served, port):
            pulled = 0
            script_of = served.script

            def counted(asked: Request) -> Script:
                script = script_of(asked)
                pieces = script.pieces

                def each() -> Iterator[Piece]:
                    nonlocal pulled
                    for piece in pieces:
                        pulled += 1
                        yield piece

                script.pieces = each()
                return script

            served.script = counted  # type: ignore[method-assign]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
            writer.write(raw(chat()))
            while not pulled:
                await others_are_served(port)
            await others_are_served(port)
            held = pulled
            async with asyncio.timeout(30):
                size = len(await reader.read(-1))
            writer.close()
            return held, size

    held, size = on_loop(main())
    # Sixteen pieces are a megabyte; what the kernel takes on loopback is a few.
    assert 0 < held < 16 * 32
    assert size > 64 * 1024 * 1024
