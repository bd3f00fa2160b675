"""What a wire format is: two halves, no I/O. One codec object per provider; it holds settings and no state."""

from __future__ import annotations

from typing import Protocol

from penstock.call import Call, Completion, Event, RateLimits
from penstock.errors import CallError
from penstock.http import Headers, WireReply, WireRequest

__all__ = ["Codec", "Decoder", "Encoder"]


class Decoder(Protocol):
    """One stream's state: bytes in at any split, events out."""

    @property
    def done(self) -> bool:
        """Nothing more will come but the end: call `end` now, without waiting for the connection to close."""
        ...

    @property
    def malformed_events(self) -> int:
        """Events that were skipped because nobody could read them."""
        ...

    def feed(self, data: bytes) -> list[Event]:
        """The events that are complete now.

        Raises `CallError` (with `partial`) for an error that came in band. When events precede it in `data` they are
        returned, `done` is True, and the next `feed` or `end` raises it.
        """
        ...

    def end(self) -> list[Event]:
        """The last events. Raises `CallError` `transport` when the stream was cut, `empty` when nothing came."""
        ...


class Encoder(Protocol):
    """One stream's state on the server's side: events in, bytes out. What it makes, the `Decoder` reads back."""

    def feed(self, events: list[Event]) -> bytes: ...

    def end(self) -> bytes:
        """What the wire says last (a terminator, or nothing)."""
        ...

    def fail(self, error: CallError) -> bytes:
        """An error in the middle of the stream, in the wire's own form."""
        ...


class Codec(Protocol):
    """From the neutral form to a provider's bytes and back.

    Client half: `encode_request`, `prefills`, `decode_reply`, `decoder`, `classify`, `request_id`, `rate_limits`.
    Server half, for the simulator and the gateway: `decode_request`, `encode_reply`, `encoder`, `encode_error`.
    """

    def encode_request(self, call: Call, model: str, *, stream: bool) -> WireRequest:
        """The request for the provider's own model id `model`, unsigned.

        Raises `CallError` bad_request when the wire can't say it.
        """
        ...

    def prefills(self, model: str) -> bool:
        """Whether a call with `prefill` may be sent to the provider's model `model`."""
        ...

    def decode_reply(self, call: Call, reply: WireReply) -> Completion:
        """The answer in a 2xx. Raises `CallError` when it isn't one: a 200 is not yet a success."""
        ...

    def decoder(self, call: Call) -> Decoder: ...

    def classify(self, reply: WireReply) -> CallError:
        """The error in a reply that is no success, `target` left empty."""
        ...

    def request_id(self, headers: Headers) -> str | None:
        """The provider's name for a stream that began with these headers; replies and errors hold their own."""
        ...

    def rate_limits(self, headers: Headers) -> RateLimits | None:
        """What the headers said; None when they said nothing. Never raises."""
        ...

    def decode_request(self, request: WireRequest) -> Call:
        """The call a client of this wire made; `model` as it wrote it. Raises `CallError` bad_request."""
        ...

    def encode_reply(self, completion: Completion) -> WireReply: ...

    def encoder(self, call: Call, *, model: str, id: str) -> Encoder: ...  # noqa: A002

    def encode_error(self, error: CallError) -> WireReply: ...
