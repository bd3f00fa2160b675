"""Cohere's own wire, both halves: a `penstock.wire.codec.Codec`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from penstock.call import Call, Completion, RateLimits
from penstock.catalog import Vendor
from penstock.errors import CallError
from penstock.http import Headers, WireReply, WireRequest
from penstock.wire.cohere import asked, errors, server
from penstock.wire.cohere.encoder import StreamEncoder
from penstock.wire.cohere.reply import completion_in, embeddings_in
from penstock.wire.cohere.request import RequestEncoder
from penstock.wire.cohere.stream import StreamDecoder
from penstock.wire.fault import request_id_of
from penstock.wire.sending import NOWHERE

__all__ = ["CohereCodec"]


class CohereCodec:
    """Chats by `/v2/chat`, embeddings by `/v2/embed`.

    `base_url` is the vendor's own unless given, with or without the `/v2`; `headers` go with every request. Requests
    are signed elsewhere, with the key as a bearer.
    """

    __slots__ = ("_request", "encode_request", "vendor")

    def __init__(
        self, vendor: Vendor, base_url: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.vendor = vendor
        self._request = RequestEncoder(base_url or vendor.base_url or NOWHERE, headers or {})
        # Bound once: a forwarding call would cost as much as the work.
        self.encode_request = self._request.encode

    def prefills(self, model: str) -> bool:  # noqa: ARG002 - the protocol's word
        """Cohere continues no assistant message."""
        return False

    def decode_reply(self, call: Call, reply: WireReply) -> Completion:
        """The answer in a 2xx. Raises `CallError` when it isn't one."""
        return embeddings_in(call, reply) if call.kind == "embedding" else completion_in(reply)

    def decoder(self, call: Call) -> StreamDecoder:
        """A new stream's state."""
        return StreamDecoder().or_whole(partial(self.decode_reply, call))

    def classify(self, reply: WireReply) -> CallError:
        """The error in a reply that is no success, `target` left empty."""
        return errors.classify(reply)

    def request_id(self, headers: Headers) -> str | None:
        """Cohere's name for a stream that began with these headers."""
        return request_id_of(headers)

    def rate_limits(self, headers: Headers) -> RateLimits | None:
        """What a trial key may still ask in this minute; other keys are told nothing. Never raises."""
        limit, left = (_count(headers.get(f"x-trial-endpoint-call-{what}")) for what in ("limit", "remaining"))
        return None if limit is None and left is None else RateLimits(requests_limit=limit, requests_remaining=left)

    def decode_request(self, request: WireRequest) -> Call:
        """The call that a client of Cohere made. Raises `CallError` bad_request."""
        return asked.decode_request(request)

    def encode_reply(self, completion: Completion, call: Call | None = None) -> WireReply:
        """A completion's first choice as Cohere sends it; vectors in the form that `call` asks for."""
        return server.encode_reply(completion, call)

    def encoder(self, call: Call, *, model: str, id: str) -> StreamEncoder:  # noqa: A002, ARG002
        """A new stream's state, on the server's side."""
        return StreamEncoder(model=model, id=id)

    def encode_error(self, error: CallError) -> WireReply:
        """An error in Cohere's shape, with the status that belongs to its class."""
        return server.encode_error(error)


def _count(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 19 else None
