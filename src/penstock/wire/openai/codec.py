"""The OpenAI wire of one provider, both halves: a `penstock.wire.codec.Codec`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from penstock.call import Call, Completion
from penstock.catalog import Vendor, prefills
from penstock.errors import CallError
from penstock.http import Headers, WireReply, WireRequest
from penstock.wire import refusals
from penstock.wire.fault import request_id_of
from penstock.wire.limits import limits_reader
from penstock.wire.openai import server
from penstock.wire.openai.chunks import in_chunks
from penstock.wire.openai.encoder import StreamEncoder
from penstock.wire.openai.reply import completion_in, embeddings_in
from penstock.wire.openai.request import RequestEncoder
from penstock.wire.openai.stream import StreamDecoder

__all__ = ["OpenAICodec"]


class OpenAICodec:
    """Chat completions, text completions and embeddings of `vendor`, under `base_url` (default: the vendor's own).

    `headers` go with every request (`OpenAI-Organization`, `X-Title` ...). All requests share one headers dict.
    """

    __slots__ = ("_request", "encode_request", "rate_limits", "vendor")

    def __init__(
        self, vendor: Vendor, base_url: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.vendor = vendor
        self._request = RequestEncoder(vendor, base_url, headers or {})
        # Bound once: a forwarding call would cost as much as the work.
        self.encode_request = self._request.encode
        self.rate_limits = limits_reader(vendor)

    def prefills(self, model: str) -> bool:
        """Whether a call with `prefill` may be sent to `model`."""
        return prefills(self.vendor, model)

    def decode_reply(self, call: Call, reply: WireReply) -> Completion:
        """The answer in a 2xx. Raises `CallError` when it isn't one."""
        if call.kind == "embedding":
            asked = call.body.get("input")
            inputs = len(asked) if isinstance(asked, list) and not (asked and isinstance(asked[0], int)) else 1
            return embeddings_in(reply, self.vendor, inputs=inputs if asked is not None else None)
        return completion_in(call.kind, reply, self.vendor)

    def decoder(self, call: Call) -> StreamDecoder:
        """A new stream's state."""
        return StreamDecoder(call.kind, self.vendor).or_whole(partial(self.decode_reply, call))

    def classify(self, reply: WireReply) -> CallError:
        """The error in a reply that is no success, `target` left empty."""
        return refusals.classify(reply, self.rate_limits)

    def request_id(self, headers: Headers) -> str | None:
        """The provider's name for a stream that began with these headers."""
        return headers.get(self.vendor.request_id) or request_id_of(headers)

    def decode_request(self, request: WireRequest) -> Call:
        """The call that a client of OpenAI's API made. Raises `CallError` bad_request."""
        return server.decode_request(request)

    def encode_reply(self, completion: Completion, call: Call | None = None) -> WireReply:
        """A completion as OpenAI sends it; with `call`, in the embedding format that it asks for."""
        said = in_chunks(completion) if self.vendor.contents == "chunks" else completion
        return server.encode_reply(said, call)

    def encoder(self, call: Call, *, model: str, id: str) -> StreamEncoder:  # noqa: A002
        """A new stream's state, on the server's side."""
        has_chunks = self.vendor.contents == "chunks"
        return StreamEncoder(call, model=model, id=id, in_chunks=has_chunks, tells_usage=not self.vendor.stream_usage)

    def encode_error(self, error: CallError) -> WireReply:
        """An error in OpenAI's shape, with the status that belongs to its class."""
        return refusals.encode_error(error)
