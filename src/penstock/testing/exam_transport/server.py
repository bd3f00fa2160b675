"""A server that follows a script, byte by byte: delay, split, reset, half-close, truncate, stall.

It serves on loopback in the loop under test, over TCP or TLS, and remembers every request and connection.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CA_FILE", "Arrived", "Black", "Peer", "Script", "Server", "black_hole", "relay", "reply", "serve"]

CA_FILE = Path(__file__).parent / "tls" / "ca.pem"
_SERVER_PEM = Path(__file__).parent / "tls" / "server.pem"
_PATIENCE_S = 5.0


@dataclass
class Arrived:
    """One request as it came."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for field_name, value in self.headers if field_name == name), None)


class Peer:
    """The server's end of one connection."""

    def __init__(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.number = server.accepted
        """1 for the server's first connection."""

    async def request(self) -> Arrived:
        """The next whole request; `asyncio.IncompleteReadError` when the client closed instead."""
        arrived = await self.head()
        if length := int(arrived.header("content-length") or 0):
            arrived.body = await self.reader.readexactly(length)
        elif arrived.header("transfer-encoding"):
            while size := int(await self.reader.readline(), 16):
                arrived.body += (await self.reader.readexactly(size + 2))[:-2]
            await self.reader.readline()
        self.server.requests.append(arrived)
        self.server.changed()
        return arrived

    async def head(self) -> Arrived:
        """The next request's header alone; its body stays unread and the server doesn't count it."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        pairs = (line.partition(":") for line in lines[1:] if line)
        return Arrived(method, target, [(name.lower(), value.strip()) for name, _, value in pairs], b"")

    async def send(self, data: bytes) -> None:
        try:
            self.writer.write(data)
        except RuntimeError as error:
            # uvloop's word for a connection that the client has closed.
            raise ConnectionResetError(str(error)) from error
        await self.writer.drain()

    def half_close(self) -> None:
        self.writer.write_eof()

    def reset(self) -> None:
        """Drop the connection with an RST."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def cut(self) -> None:
        """Close the TCP connection without TLS's own good-bye."""
        self.writer.transport.abort()

    async def paused(self, seconds: float) -> None:
        """Read nothing for a while: what the client sends stays with the kernels, and then with the client."""
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(seconds)
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def gone(self) -> None:
        """Wait until the client has closed its end, whatever it still sends; `TimeoutError` after 5 s."""
        async with asyncio.timeout(_PATIENCE_S):
            with suppress(ConnectionError, ssl.SSLError):
                while await self.reader.read(65536):
                    pass


Script = Callable[[Peer], Awaitable[None]]
"""What happens on one connection; it is closed when the script returns."""


@dataclass
class Server:
    """A listening server; `url` ends without a slash."""

    url: str = ""
    port: int = 0
    accepted: int = 0
    open: int = 0
    most_open: int = 0
    requests: list[Arrived] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    _change: asyncio.Event = field(default_factory=asyncio.Event)

    def changed(self) -> None:
        self._change.set()

    async def until(self, condition: Callable[[Server], bool]) -> None:
        """Wait until `condition` holds, looked at on every change; `TimeoutError` after 5 s."""
        async with asyncio.timeout(_PATIENCE_S):
            while not condition(self):
                self._change.clear()
                await self._change.wait()

    def count(self, target: str) -> int:
        """How often `target` was asked for."""
        return sum(arrived.target == target for arrived in self.requests)


def reply(body: bytes = b"ok", *, status: str = "200 OK", headers: str = "") -> bytes:
    """A whole reply; `headers` are lines that end in CRLF."""
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body


async def relay(peer: Peer, port: int) -> None:
    """Join this connection to `port` of this machine until one side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        sink.close()

    try:
        await asyncio.gather(pump(peer.reader, writer), pump(reader, peer.writer))
    finally:
        writer.close()


@asynccontextmanager
async def serve(script: Script, *, tls: bool = False, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    """A server that runs `script` on every connection. A script that fails fails the exam's point at the end."""
    server = Server()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.accepted += 1
        server.open += 1
        server.most_open = max(server.most_open, server.open)
        server.changed()
        task = asyncio.ensure_future(_run(script, Peer(server, reader, writer)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(_SERVER_PEM)
    listening = await asyncio.start_server(accept, host, 0, ssl=context, backlog=2048)
    server.port = listening.sockets[0].getsockname()[1]
    server.url = f"{'https' if tls else 'http'}://{host}:{server.port}"
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if server.failures:
        raise server.failures[0]


async def _run(script: Script, peer: Peer) -> None:
    server = peer.server
    try:
        await script(peer)
    except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
        pass  # The client went away, which is its right.
    except asyncio.CancelledError:
        peer.writer.transport.abort()
        raise
    except Exception as error:  # noqa: BLE001 - told at the end, in the point's own task
        server.failures.append(error)
    finally:
        with suppress(ConnectionError, ssl.SSLError, RuntimeError):
            peer.writer.close()
        server.open -= 1
        server.changed()


@dataclass
class Black:
    """An address that takes no connection and refuses none."""

    url: str
    port: int

    def connecting(self) -> int | None:
        """How many sockets of this machine still try to connect there; None where the system doesn't tell."""
        table = Path("/proc/net/tcp")
        if not table.exists():
            return None
        rows = (line.split() for line in table.read_text().splitlines()[1:])
        return sum(row[2].endswith(f":{self.port:04X}") and row[3] == "02" for row in rows)


@asynccontextmanager
async def black_hole() -> AsyncIterator[Black]:
    """A listener whose queue is full: further connections stay in the air."""
    sockets = [socket.socket() for _ in range(4)]
    listener, *fillers = sockets
    try:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for filler in fillers:
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(("127.0.0.1", port))
        hole = Black(f"http://127.0.0.1:{port}", port)
        yield hole
    finally:
        for each in sockets:
            each.close()
