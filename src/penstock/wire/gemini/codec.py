"""Google's wire of one provider, both halves: a `penstock.wire.codec.Codec`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec

from penstock.call import Call, Completion, RateLimits
from penstock.catalog import Vendor, prefills
from penstock.errors import CallError
from penstock.http import Headers, WireReply, WireRequest
from penstock.wire.gemini import errors, server
from penstock.wire.gemini.embeddings import method_for, vectors_in, vectors_out
from penstock.wire.gemini.encoder import StreamEncoder, answer_object
from penstock.wire.gemini.reply import completion_in
from penstock.wire.gemini.request import Platform, RequestEncoder
from penstock.wire.gemini.stream import StreamDecoder

__all__ = ["GeminiCodec"]


class GeminiCodec:
    """Chats and embeddings of Google's models, on the Gemini API or (`platform="vertex"`) on Vertex AI.

    `base_url` is what stands before `/models/...`: `https://generativelanguage.googleapis.com/v1beta`; on Vertex what
    stands before `/publishers/...`: `https://HOST/v1/projects/PROJECT/locations/LOCATION`. `headers` go with every
    request; the key is put on by a `Sign`. There are no text completions. All requests share one headers dict.
    """

    __slots__ = ("_is_vertex", "_request", "encode_request", "platform", "vendor")

    def __init__(
        self,
        vendor: Vendor,
        base_url: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        platform: Platform = "gemini",
    ) -> None:
        self.vendor = vendor
        self.platform = platform
        self._is_vertex = platform == "vertex"
        self._request = RequestEncoder(vendor, base_url, headers or {}, platform)
        self.encode_request = self._request.encode

    def prefills(self, model: str) -> bool:
        """Whether a call with `prefill` may be sent to `model`."""
        return prefills(self.vendor, model)

    def decode_reply(self, call: Call, reply: WireReply) -> Completion:
        """The answer in a 2xx. Raises `CallError` when it isn't one."""
        if call.kind == "embedding":
            asked = call.body.get("input")
            return vectors_in(
                reply, inputs=len(asked) if isinstance(asked, list) else (1 if asked is not None else None)
            )
        return completion_in(reply)

    def decoder(self, call: Call) -> StreamDecoder:
        """A new stream's state."""
        return StreamDecoder().or_whole(partial(self.decode_reply, call))

    def classify(self, reply: WireReply) -> CallError:
        """The error in a reply that is no success, `target` left empty."""
        return errors.classify(reply)

    def request_id(self, headers: Headers) -> str | None:
        """The provider's name for a stream that began with these headers; Google seldom gives one."""
        return errors.request_id_of(headers)

    def rate_limits(self, headers: Headers) -> RateLimits | None:  # noqa: ARG002 - nothing is said there
        """None: Google's headers say nothing about limits."""
        return None

    def decode_request(self, request: WireRequest) -> Call:
        """The call that a client of Google's API made. Raises `CallError` bad_request."""
        return server.decode_request(request)

    def encode_reply(self, completion: Completion, call: Call | None = None) -> WireReply:
        """A completion as Google sends it; vectors in the form that answers `call`."""
        headers = {"content-type": "application/json; charset=UTF-8"}
        if completion.request_id:
            headers["x-request-id"] = completion.request_id
        if completion.kind == "embedding":
            asked = call.body if call is not None else {}
            method = method_for(asked, call.model if call is not None else "", vertex=self._is_vertex)
            said = vectors_out(completion, method)
        else:
            said = answer_object(completion, vertex=self._is_vertex)
        return WireReply(200, headers, msgspec.json.encode(said))

    def encoder(self, call: Call, *, model: str, id: str) -> StreamEncoder:  # noqa: A002, ARG002 - one form for all
        """A new stream's state, on the server's side."""
        return StreamEncoder(model=model, id=id, vertex=self._is_vertex)

    def encode_error(self, error: CallError) -> WireReply:
        """An error in Google's shape, with the status that belongs to its class."""
        return server.encode_error(error, vertex=self._is_vertex)
