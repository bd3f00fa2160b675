"""The simulator on a socket: a bare protocol that plays scripts, and the short cut for plain questions."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from typing import Final, cast

import msgspec

from penstock.simulator.answering import Quick, Simulator
from penstock.simulator.http1 import MAX_BODY_BYTES, HttpError, RequestReader, reply_head
from penstock.simulator.script import Piece, Script

__all__ = ["Connection", "start_server"]

_BACKLOG: Final = 16_384
_MAX_PIPELINED_BYTES: Final = 1024 * 1024
_RESET_CHECK_S: Final = 0.005
_LONGEST_HANG_S: Final = 3600.0
_WRITE_BYTES: Final = 65_536
_LAST: Final[Piece] = (0.0, b"")
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_FAST_HEAD: Final = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req-%b\r\ncontent-length: %d\r\n\r\n%b"
)


class Connection(asyncio.Protocol):
    """One client: its requests are answered in the order they came, one at a time."""

    __slots__ = (
        "_busy",
        "_connections",
        "_keep_alive",
        "_loop",
        "_on_end",
        "_pieces",
        "_reader",
        "_script",
        "_simulator",
        "_stopped",
        "_timer",
        "_transport",
        "_writable",
    )

    def __init__(self, simulator: Simulator, loop: asyncio.AbstractEventLoop, connections: set[Connection]) -> None:
        self._simulator = simulator
        self._loop = loop
        self._connections = connections
        self._reader = RequestReader(MAX_BODY_BYTES)
        self._transport: asyncio.Transport
        self._busy = False
        self._keep_alive = True
        self._writable = True
        self._stopped = False
        self._timer: asyncio.TimerHandle | None = None
        self._script: Script | None = None
        self._pieces: Iterator[Piece] = iter(())
        self._on_end: Callable[[bool], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports only quack like asyncio's, so no isinstance here.
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._connections.discard(self)
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()
        self._over(delivered=False)

    def abort(self) -> None:
        """Close without waiting for what is unsent."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        if not self._busy:
            self._answer()
        elif self._reader.buffered > _MAX_PIPELINED_BYTES:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._script is not None and self._timer is None:
            self._play(b"")
            self._next()

    # -- one request after the other

    def _answer(self) -> None:
        """Answer what is there until one answer has to wait."""
        out: list[bytes] = []
        while not (self._busy or self._stopped):
            try:
                request = self._reader.next()
            except HttpError as error:
                self._refuse(out, error)
                return
            if request is None:
                if self._reader.take_continue():
                    out.append(_CONTINUE)
                break
            self._keep_alive = request.head.keep_alive
            quick = self._simulator.quick(request)
            if quick is not None:
                self._reply(out, quick)
                continue
            if out:
                self._transport.write(b"".join(out))
                out = []
            self._start(self._simulator.script(request))
        if out:
            self._transport.write(out[0] if len(out) == 1 else b"".join(out))
        if self._stopped:
            self._transport.close()

    def _reply(self, out: list[bytes], quick: Quick) -> None:
        reply = _FAST_HEAD % (quick.id, len(quick.body), quick.body)
        if quick.wait_s > 0.0:
            self._busy = True
            self._on_end = quick.on_end
            self._timer = self._loop.call_later(quick.wait_s, self._deliver, reply)
            return
        out.append(reply)
        self._stopped = not self._keep_alive

    def _refuse(self, out: list[bytes], error: HttpError) -> None:
        body = msgspec.json.encode({"error": {"message": str(error), "type": "invalid_request_error"}})
        headers = {"content-type": "application/json", "connection": "close"}
        self._transport.write(b"".join([*out, reply_head(error.status, headers, len(body)), body]))
        self._close()

    def _deliver(self, reply: bytes) -> None:
        self._timer = None
        self._transport.write(reply)
        self._over(delivered=True)
        self._next()

    def _over(self, *, delivered: bool) -> None:
        """The reply has ended: say so once, and drop what is left of it."""
        self._busy = False
        self._script = None
        self._pieces = iter(())
        on_end, self._on_end = self._on_end, None
        if on_end is not None:
            on_end(delivered)
        if delivered and not self._keep_alive:
            self._stopped = True

    def _next(self) -> None:
        """Go on with what was pipelined, after a reply that a timer or the peer's reading ended."""
        if self._busy:
            return
        if not self._stopped:
            self._transport.resume_reading()
            self._answer()
        else:
            self._transport.close()

    # -- playing a script

    def _start(self, script: Script) -> None:
        self._busy = True
        self._script = script
        self._on_end = script.on_end
        self._pieces = iter(script.pieces)
        if script.wait_s > 0.0:
            self._timer = self._loop.call_later(script.wait_s, self._later, b"")
        else:
            self._play(self._head_of(script))

    def _head_of(self, script: Script) -> bytes:
        return reply_head(script.status, script.headers, script.length) if script.status else b""

    def _play(self, out: bytes) -> None:
        """Write `out` and every piece whose time has come; a piece that has to wait sets the timer."""
        script = self._script
        assert script is not None
        parts = [out] if out else []
        size = len(out)
        while self._writable:
            wait_s, data = next(self._pieces, _LAST)
            if not data:
                self._finish(parts, script)
                return
            if script.length is None:
                data = b"%x\r\n%b\r\n" % (len(data), data)
            if wait_s > 0.0:
                self._timer = self._loop.call_later(wait_s, self._later, data)
                break
            parts.append(data)
            size += len(data)
            if size > _WRITE_BYTES:
                self._transport.write(b"".join(parts))
                parts, size = [], 0
        if parts:
            self._transport.write(b"".join(parts))

    def _later(self, data: bytes) -> None:
        self._timer = None
        script = self._script
        assert script is not None
        self._play(data or self._head_of(script))
        self._next()

    def _finish(self, parts: list[bytes], script: Script) -> None:
        if script.end == "complete" and script.length is None and script.status:
            parts.append(b"0\r\n\r\n")
        if parts:
            self._transport.write(b"".join(parts))
        if script.end == "complete":
            self._over(delivered=True)
        else:
            _ENDS[script.end](self)

    def _close(self) -> None:
        self._stopped = True
        self._transport.close()

    def _reset(self) -> None:
        if self._transport.get_write_buffer_size():
            # What came before the reset has to leave first: an abort throws it away.
            self._timer = self._loop.call_later(_RESET_CHECK_S, self._reset)
            return
        self._stopped = True
        self._timer = None
        peer: socket.socket = self._transport.get_extra_info("socket")
        # A linger of zero seconds makes the close an RST.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _hang(self) -> None:
        self._timer = self._loop.call_later(_LONGEST_HANG_S, self._close)


_ENDS: Final[dict[str, Callable[[Connection], None]]] = {
    "close": Connection._close,
    "reset": Connection._reset,
    "hang": Connection._hang,
}


async def start_server(
    simulator: Simulator, host: str = "127.0.0.1", *, port: int = 0
) -> tuple[asyncio.Server, set[Connection]]:
    """Listen; the server's sockets tell the port. Closing the server leaves the connections, which can be aborted."""
    loop = asyncio.get_running_loop()
    connections: set[Connection] = set()
    server = await loop.create_server(
        lambda: Connection(simulator, loop, connections), host, port, backlog=_BACKLOG, reuse_address=True
    )
    return server, connections
