"""The Anthropic Messages wire of one provider, both halves: a `penstock.wire.codec.Codec`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from penstock.call import Call, Completion, RateLimits
from penstock.catalog import Vendor
from penstock.errors import CallError
from penstock.http import Headers, WireReply, WireRequest
from penstock.wire.anthropic import asked, errors, limits, server
from penstock.wire.anthropic.encoder import StreamEncoder
from penstock.wire.anthropic.forms import Form
from penstock.wire.anthropic.frames import FrameStreamDecoder
from penstock.wire.anthropic.models import facts
from penstock.wire.anthropic.reply import completion_in
from penstock.wire.anthropic.request import RequestEncoder
from penstock.wire.anthropic.stream import StreamDecoder

__all__ = ["AnthropicCodec"]


class AnthropicCodec:
    """Chats with `vendor` under `base_url` (default: the vendor's own); this wire has no embeddings.

    `form` says where the Messages API is served: `direct` under `{base_url}/v1/messages`; `vertex` under
    `https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}`; `bedrock` under
    `https://bedrock-runtime.{region}.amazonaws.com`. `headers` go with every request (`anthropic-beta` ...).
    `default_max_tokens` bounds an answer when the caller doesn't; the wire demands a number.
    """

    __slots__ = ("_request", "encode_request", "form", "vendor")

    def __init__(
        self,
        vendor: Vendor,
        base_url: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        form: Form = "direct",
        default_max_tokens: int | None = None,
    ) -> None:
        self.vendor = vendor
        self.form: Form = form
        self._request = RequestEncoder(
            vendor, base_url, headers or {}, form=form, default_max_tokens=default_max_tokens
        )
        # Bound once: a forwarding call would cost as much as the work.
        self.encode_request = self._request.encode

    def prefills(self, model: str) -> bool:
        """Whether a call with `prefill` may be sent to `model`: the newest ones refuse it."""
        return facts(model).prefills

    def decode_reply(self, call: Call, reply: WireReply) -> Completion:
        """The answer in a 2xx. Raises `CallError` when it isn't one."""
        return completion_in(call, reply)

    def decoder(self, call: Call) -> StreamDecoder:
        """A new stream's state."""
        decoder = FrameStreamDecoder(call) if self.form == "bedrock" else StreamDecoder(call)
        return decoder.or_whole(partial(self.decode_reply, call))

    def classify(self, reply: WireReply) -> CallError:
        """The error in a reply that is no success, `target` left empty."""
        return errors.classify(reply)

    def request_id(self, headers: Headers) -> str | None:
        """The provider's name for a stream that began with these headers."""
        return errors.answer_id_of(headers)

    def rate_limits(self, headers: Headers) -> RateLimits | None:
        """What the headers said; None when they said nothing. Never raises."""
        return limits.rate_limits(headers)

    def decode_request(self, request: WireRequest) -> Call:
        """The call that a client of the Messages API made. Raises `CallError` bad_request."""
        return asked.decode_request(request, self.form)

    def encode_reply(self, completion: Completion) -> WireReply:
        """A completion's first choice as a message."""
        return server.encode_reply(completion)

    def encoder(self, call: Call, *, model: str, id: str) -> StreamEncoder:  # noqa: A002, ARG002
        """A new stream's state, on the server's side."""
        return StreamEncoder(model=model, id=id, form=self.form)

    def encode_error(self, error: CallError) -> WireReply:
        """An error in Anthropic's shape, with the status that belongs to its class."""
        return server.encode_error(error)
