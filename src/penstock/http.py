"""HTTP as values: what a codec writes and reads, and what a transport moves. No socket, no clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

import msgspec

__all__ = ["Headers", "Pool", "Timeouts", "Transport", "WireReply", "WireRequest", "WireStream"]

Headers = Mapping[str, str]
"""Header fields by lower-case name; values of a repeated field are joined with ", "."""


class WireRequest(msgspec.Struct):
    """One HTTP request. `url` is absolute; `headers` carry no Host and no Content-Length.

    A codec may share one `headers` dict between requests: whoever adds a field copies it first.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: bytes = b""


class WireReply(msgspec.Struct):
    """One whole HTTP reply; `body` is decoded of any content-encoding."""

    status: int
    headers: Headers
    body: bytes = b""


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds; None for no bound. Every phase is bounded on its own, and `total` bounds them all together.

    `first_byte` runs from the request's end to the first byte of the reply's body (for a unary call it is the
    whole wait for the answer, so it is None there unless the caller asks); `between_bytes` between two pieces of
    the body.
    """

    connect: float | None = 5.0
    first_byte: float | None = None
    between_bytes: float | None = 15.0
    total: float | None = 600.0


class Pool(msgspec.Struct, frozen=True):
    """A provider's connections: sizes, limits and trust. `proxy` and `ca_file` None: from the environment."""

    max_connections: int = 1000
    max_body_bytes: int = 64 * 1024 * 1024
    max_header_bytes: int = 64 * 1024
    idle_s: float = 30.0
    proxy: str | None = None
    ca_file: str | None = None
    http2: bool = False


class WireStream(Protocol):
    """A reply whose body is still coming. Close it to give the connection back (or drop it when unread)."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Headers: ...

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body's pieces as they come, never empty; raises `CallError` when it is cut or stalls."""
        ...

    async def read(self) -> bytes:
        """What is left of the body, within the limit; for error bodies."""
        ...

    async def aclose(self) -> None: ...


class Transport(Protocol):
    """Moves bytes and nothing else. Raises only `CallError` and `CancelledError`.

    The kinds are `transport`, `timeout`, and `bad_request` for what HTTP can't carry: no URL, a line break in a header.

    `CallError.sent` is False when it is certain that the server never saw the request. A cancelled call closes its
    connection at once and gives its permit back. `penstock.testing.exercise_transport` is the exam.
    """

    async def send(self, request: WireRequest, timeouts: Timeouts) -> WireReply:
        """The whole reply, whatever its status."""
        ...

    async def stream(self, request: WireRequest, timeouts: Timeouts) -> WireStream:
        """The reply once its header has come."""
        ...

    async def aclose(self) -> None: ...
