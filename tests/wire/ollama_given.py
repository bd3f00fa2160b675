"""What the tests of Ollama's wire ask with: a codec, calls, streams."""

from __future__ import annotations

import json
from typing import Any

from penstock.call import Call, Completion
from penstock.catalog import vendor
from penstock.fold import fold
from penstock.http import WireReply
from penstock.testing.exam_codec import check_chunking, read_stream
from penstock.wire.ollama import OllamaCodec

__all__ = ["ASKED", "CODEC", "answer", "asking", "body_of", "lines", "streamed"]

CODEC = OllamaCodec(vendor("ollama"), "http://ollama.test")
ASKED = Call(id="", model="m", body={"messages": [{"role": "user", "content": "?"}]})


def asking(**body: Any) -> Call:
    body.setdefault("messages", [{"role": "user", "content": "?"}])
    return Call(id="", model="m", body=body)


def body_of(call: Call) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(CODEC.encode_request(call, "m", stream=False).body)
    return body


def answer(body: Any, call: Call = ASKED) -> Completion:
    return CODEC.decode_reply(call, WireReply(200, {}, json.dumps(body).encode()))


def lines(*pieces: dict[str, Any]) -> bytes:
    return b"".join([json.dumps(piece).encode() + b"\n" for piece in pieces])


def streamed(data: bytes, call: Call = ASKED) -> Completion:
    """The answer in a stream, which is the same at every split. Raises what it raised."""
    check_chunking(CODEC, call, data, range(len(data)))
    events, error, malformed = read_stream(CODEC, call, [data])
    if error is not None:
        raise error
    return fold(events, call.kind, malformed_events=malformed)
