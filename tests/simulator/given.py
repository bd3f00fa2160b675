"""What the simulator's tests ask with: requests, a served scenario, and a client that sees every byte."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import msgspec

from penstock.call import Call
from penstock.catalog import vendor
from penstock.clock import LoopClock
from penstock.http import Timeouts, WireReply, WireRequest
from penstock.simulator.answering import Simulator
from penstock.simulator.http1 import Head, Request
from penstock.simulator.memory import BASE_URL, SimTransport
from penstock.simulator.scenario import Scenario, parse_scenario
from penstock.simulator.script import Script
from penstock.simulator.server import start_server
from penstock.wire.openai.codec import OpenAICodec

T = TypeVar("T")
KEY = "sk-test-not-a-key"
PATIENT = Timeouts(connect=None, first_byte=None, between_bytes=None, total=None)
CODEC = OpenAICodec(vendor("openai"), BASE_URL)


def chat(text: str = "How big is the moon?", **body: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], **body}


def call(**body: Any) -> Call:
    asked = chat(**body)
    return Call(id="c", model=asked["model"], body=asked, stream=bool(asked.get("stream")))


def faulty(name: str, **settings: Any) -> Scenario:
    """A scenario in which every request meets the fault."""
    return parse_scenario(msgspec.json.encode({"models": {"m": {"faults": [{"fault": name, **settings}]}}}).decode())


def simulator(scenario: Scenario | str = "", now: Callable[[], float] = lambda: 0.0, **settings: Any) -> Simulator:
    return Simulator(parse_scenario(scenario) if isinstance(scenario, str) else scenario, now, **settings)


def request(body: Any = None, path: str = "/v1/chat/completions", *, method: str = "POST", key: str = KEY) -> Request:
    data = b"" if body is None else msgspec.json.encode(body)
    headers = {"authorization": f"Bearer {key}"} if key else {}
    path, _, query = path.partition("?")
    return Request(Head(method, path, query, headers, len(data), keep_alive=True, expects_continue=False), data)


def body_of(script: Script) -> bytes:
    data = b"".join(piece for _, piece in script.pieces)
    if script.on_end is not None:
        script.on_end(True)
    return data


def json_of(script: Script) -> Any:
    return msgspec.json.decode(body_of(script))


def wire_request(*, key: str = KEY, **body: Any) -> WireRequest:
    asked = call(**body)
    made = CODEC.encode_request(asked, asked.model, stream=asked.stream)
    made.headers = {**made.headers, "authorization": f"Bearer {key}"}
    return made


def in_memory(scenario: Scenario | str = "", **settings: Any) -> SimTransport:
    """A transport on the running loop's clock."""
    return SimTransport(parse_scenario(scenario) if isinstance(scenario, str) else scenario, LoopClock(), **settings)


async def asked(transport: SimTransport, timeouts: Timeouts = PATIENT, **body: Any) -> WireReply:
    return await transport.send(wire_request(**body), timeouts)


def on_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run on the loop that the command uses: uvloop where it exists."""
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop

    return uvloop.run(main)


@asynccontextmanager
async def serving(scenario: Scenario | str = "", **settings: Any) -> AsyncIterator[tuple[Simulator, int]]:
    """The simulator on a free port of the loopback, with the loop's own time."""
    served = simulator(scenario, asyncio.get_running_loop().time, **settings)
    server, connections = await start_server(served)
    try:
        yield served, server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in list(connections):
            connection.abort()
        await server.wait_closed()


class Seen(NamedTuple):
    """All that came back, and how the connection ended: `eof` or `reset`."""

    data: bytes
    ending: str

    @property
    def status(self) -> int:
        return int(self.data.split(b" ", 2)[1])

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def length(self) -> int:
        return int(self.head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])


def raw(body: Any, *, path: str = "/v1/chat/completions", close: bool = True) -> bytes:
    data = msgspec.json.encode(body)
    connection = "close" if close else "keep-alive"
    return (
        f"POST {path} HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {KEY}\r\nConnection: {connection}\r\n"
        f"Content-Length: {len(data)}\r\n\r\n".encode()
        + data
    )


async def seen(port: int, data: bytes) -> Seen:
    """Send `data` and read to the connection's end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    got = bytearray()
    ending = "eof"
    try:
        writer.write(data)
        while piece := await reader.read(65_536):
            got += piece
    except ConnectionResetError:
        ending = "reset"
    finally:
        writer.close()
    return Seen(bytes(got), ending)


def unchunked(data: bytes) -> tuple[bytes, bool]:
    """A chunked body's content, and whether its end came."""
    content = b""
    while data:
        size_line, _, rest = data.partition(b"\r\n")
        size = int(size_line, 16)
        if size == 0:
            return content, True
        content += rest[:size]
        data = rest[size + 2 :]
    return content, False
