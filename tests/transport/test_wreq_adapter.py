from __future__ import annotations

import asyncio

import pytest

from penstock.errors import CallError
from penstock.http import Pool, Timeouts
from penstock.testing.exam_transport.rules import post
from penstock.testing.exam_transport.server import Peer, reply, serve
from penstock.transport.wreq_adapter import WreqTransport
from penstock.transport.wreq_errors import call_error


async def _answer(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(reply())


@pytest.mark.parametrize(
    ("asked", "accepted"),
    [
        ((5.0, 5.0, 5.0), 1),
        ((5.0, 2.7, 2.6, 5.0), 1),
        ((2.7, 5.0, 5.0, 5.0, 2.6), 3),
        ((2.7, None, None, None, 5.0), 3),
    ],
)
def test_calls_share_connections_whatever_bounds_they_connect_with(
    asked: tuple[float | None, ...], accepted: int
) -> None:
    """Only a bound that grows after the first call costs connections: one once, one for good."""

    async def main() -> None:
        transport = WreqTransport(Pool())
        async with serve(_answer) as server:
            for connect in asked:
                await transport.send(post(server.url), Timeouts(connect=connect))
            assert server.accepted == accepted
            await transport.aclose()

    asyncio.run(main())


def test_usual_bound_takes_wreqs_own_timeouts_after_a_call_near_its_deadline() -> None:
    async def main() -> None:
        transport = WreqTransport(Pool())
        async with serve(_answer) as server:
            for connect in (0.3, 5.0, 5.0):
                await transport.send(post(server.url), Timeouts(connect=connect))
        assert transport._limits(Timeouts()).is_plain
        await transport.aclose()

    asyncio.run(main())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_localhost_is_either_family(host: str) -> None:
    async def main() -> None:
        transport = WreqTransport(Pool())
        try:
            async with serve(_answer, host=host) as server:
                url = f"http://localhost:{server.port}/"
                assert (await transport.send(post(url), Timeouts())).body == b"ok"
        except OSError:
            pytest.skip(f"this machine has no {host}")
        finally:
            await transport.aclose()

    asyncio.run(main())


def test_stream_dropped_unclosed_gives_back_what_it_took() -> None:
    async def main() -> None:
        transport = WreqTransport(Pool(max_connections=1))
        async with serve(_answer) as server:
            stream = await transport.stream(post(server.url), Timeouts())
            with pytest.warns(ResourceWarning, match="dropped unclosed"):
                del stream
            assert (await transport.send(post(server.url), Timeouts(total=5))).body == b"ok"
        await transport.aclose()

    asyncio.run(main())


def test_many_timeouts_leave_a_bounded_memory() -> None:
    async def main() -> None:
        transport = WreqTransport(Pool())
        async with serve(_answer) as server:
            for number in range(200):
                await transport.send(post(server.url), Timeouts(total=100 + number))
        assert len(transport._limits_of) <= 64
        await transport.aclose()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://user:secret@a.example:8443/v1?key=secret", "a.example:8443"),
        ("http://[::1]:80/", "[::1]:80"),
        ("not a url secret", "an address without a host"),
        ("http://[secret", "an address that is none"),
    ],
)
def test_errors_name_the_host_and_nothing_else(url: str, origin: str) -> None:
    error = call_error(RuntimeError(f"Invalid header value in {url}"), url)
    assert isinstance(error, CallError)
    assert (error.kind, error.sent) == ("bad_request", False)
    assert error.message == f"{origin}: HTTP can't carry this request"
