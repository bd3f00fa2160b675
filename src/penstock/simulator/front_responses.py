"""OpenAI's Responses API: its own answers and streams, refusals and limits in the words of all its endpoints."""

from __future__ import annotations

from penstock.call import Call, Completion
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.simulator.front import OpenAIFront, StreamParts, deltas, parts
from penstock.wire.openai import OpenAICodec
from penstock.wire.responses import ResponsesCodec

__all__ = ["ResponsesFront"]


class ResponsesFront(OpenAIFront):
    """The Responses API of any provider that serves it."""

    broken_event = b'event: response.output_text.delta\ndata: {"type":"response.output_text.del\n\n'

    def __init__(self, codec: ResponsesCodec) -> None:
        super().__init__(OpenAICodec(codec.vendor))
        self._responses = codec

    def read(self, request: WireRequest) -> Call:
        return self._responses.decode_request(request)

    def whole(self, call: Call, completion: Completion) -> bytes:
        return self._responses.encode_reply(completion, call).body

    def streamed(self, call: Call, completion: Completion, *, paced: bool) -> StreamParts:
        """The ending is the whole answer once more: there is no terminator."""
        encoder = self._responses.encoder(call, model=completion.model, id=completion.id)
        return parts(encoder, completion, deltas(completion, paced=paced))

    def stream_error(self, call: Call, error: CallError) -> bytes:
        return self._responses.encoder(call, model=call.model, id="").fail(error)
