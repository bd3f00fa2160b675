"""The Responses wire of one provider, both halves: a `penstock.wire.codec.Codec`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from penstock.call import Call, Completion
from penstock.catalog import Vendor
from penstock.errors import CallError
from penstock.http import Headers, WireReply, WireRequest
from penstock.wire import refusals
from penstock.wire.fault import request_id_of
from penstock.wire.limits import limits_reader
from penstock.wire.responses import asked, server
from penstock.wire.responses.encoder import StreamEncoder
from penstock.wire.responses.reply import completion_in
from penstock.wire.responses.request import RequestEncoder
from penstock.wire.responses.stream import StreamDecoder

__all__ = ["ResponsesCodec"]


class ResponsesCodec:
    """Chats with `vendor` at `{base_url}/responses`; this wire has neither text completions nor embeddings.

    `base_url` None: the vendor's own. A resource of Azure OpenAI is asked under `/openai/v1`. `headers` go with every
    request. Nothing is stored at the provider unless the call says `store: true`.
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

    def prefills(self, model: str) -> bool:  # noqa: ARG002
        """False: this wire answers an assistant message at the end by a new one."""
        return False

    def decode_reply(self, call: Call, reply: WireReply) -> Completion:  # noqa: ARG002
        """The answer in a 2xx. Raises `CallError` when it isn't one."""
        return completion_in(reply, self.vendor)

    def decoder(self, call: Call) -> StreamDecoder:
        """A new stream's state."""
        return StreamDecoder(self.vendor).or_whole(partial(self.decode_reply, call))

    def classify(self, reply: WireReply) -> CallError:
        """The error in a reply that is no success, `target` left empty."""
        return refusals.classify(reply, self.rate_limits)

    def request_id(self, headers: Headers) -> str | None:
        """The provider's name for a stream that began with these headers."""
        return headers.get(self.vendor.request_id) or request_id_of(headers)

    def decode_request(self, request: WireRequest) -> Call:
        """The call that a client of the Responses API made. Raises `CallError` bad_request."""
        return asked.decode_request(request)

    def encode_reply(self, completion: Completion, call: Call | None = None) -> WireReply:
        """A completion's first choice as a response; with `call`, beside what it asked for."""
        return server.encode_reply(completion, call)

    def encoder(self, call: Call, *, model: str, id: str) -> StreamEncoder:  # noqa: A002
        """A new stream's state, on the server's side."""
        return StreamEncoder(call, model=model, id=id)

    def encode_error(self, error: CallError) -> WireReply:
        """An error in OpenAI's shape, with the status that belongs to its class."""
        return refusals.encode_error(error)
