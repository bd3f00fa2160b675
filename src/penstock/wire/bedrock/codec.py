"""Amazon Bedrock's own wire, both halves: a `penstock.wire.codec.Codec`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from penstock.call import Call, Completion, RateLimits
from penstock.catalog import Vendor, prefills
from penstock.errors import CallError
from penstock.http import Headers, WireReply, WireRequest
from penstock.wire.bedrock import asked, errors, server
from penstock.wire.bedrock.encoder import StreamEncoder
from penstock.wire.bedrock.reply import completion_in, embeddings_in
from penstock.wire.bedrock.request import RequestEncoder
from penstock.wire.bedrock.stream import StreamDecoder
from penstock.wire.fault import request_id_of
from penstock.wire.sending import NOWHERE

__all__ = ["BedrockCodec"]


class BedrockCodec:
    """Chats by Converse, and embeddings of Titan and Cohere by InvokeModel.

    `base_url` is the region's: `https://bedrock-runtime.{region}.amazonaws.com`; it has no default. `headers` go with
    every request. Requests are signed elsewhere, or carry a Bedrock API key as a bearer.
    """

    __slots__ = ("_request", "encode_request", "vendor")

    def __init__(
        self, vendor: Vendor, base_url: str | None = None, *, headers: Mapping[str, str] | None = None
    ) -> None:
        self.vendor = vendor
        self._request = RequestEncoder(vendor, base_url or vendor.base_url or NOWHERE, headers or {})
        # Bound once: a forwarding call would cost as much as the work.
        self.encode_request = self._request.encode

    def prefills(self, model: str) -> bool:
        """Whether a call with `prefill` may be sent to `model`."""
        return prefills(self.vendor, model)

    def decode_reply(self, call: Call, reply: WireReply) -> Completion:
        """The answer in a 2xx. Raises `CallError` when it isn't one."""
        return embeddings_in(call, reply) if call.kind == "embedding" else completion_in(call, reply)

    def decoder(self, call: Call) -> StreamDecoder:
        """A new stream's state."""
        return StreamDecoder(call).or_whole(partial(self.decode_reply, call))

    def classify(self, reply: WireReply) -> CallError:
        """The error in a reply that is no success, `target` left empty."""
        return errors.classify(reply)

    def request_id(self, headers: Headers) -> str | None:
        """AWS's name for a stream that began with these headers."""
        return request_id_of(headers)

    def rate_limits(self, headers: Headers) -> RateLimits | None:  # noqa: ARG002 - the protocol's word
        """Bedrock says nothing of its limits."""
        return None

    def decode_request(self, request: WireRequest) -> Call:
        """The call that a client of Bedrock made. Raises `CallError` bad_request."""
        return asked.decode_request(request)

    def encode_reply(self, completion: Completion, call: Call | None = None) -> WireReply:
        """A completion's first choice as Converse sends it; vectors in the form of the model that `call` asks."""
        return server.encode_reply(completion, call)

    def encoder(self, call: Call, *, model: str, id: str) -> StreamEncoder:  # noqa: A002, ARG002
        """A new stream's state, on the server's side."""
        return StreamEncoder(model=model)

    def encode_error(self, error: CallError) -> WireReply:
        """An error in Bedrock's shape, with the status that belongs to its class."""
        return server.encode_error(error)
