"""What the tests of Cohere's wire ask with: a codec, calls, streams."""

from __future__ import annotations

import json
from typing import Any

from penstock.call import Call, Completion
from penstock.catalog import Vendor
from penstock.fold import fold
from penstock.http import WireReply
from penstock.testing.exam_codec import check_chunking, read_stream
from penstock.wire.cohere import CohereCodec

__all__ = ["ASKED", "CODEC", "answer", "asking", "body_of", "sse", "streamed"]

CODEC = CohereCodec(Vendor(name="cohere", title="Cohere", wire="cohere"), "https://api.example.org")
ASKED = Call(id="", model="m", body={"messages": [{"role": "user", "content": "?"}]})


def asking(**body: Any) -> Call:
    body.setdefault("messages", [{"role": "user", "content": "?"}])
    return Call(id="", model="m", body=body)


def body_of(call: Call, model: str = "command-a-03-2025") -> dict[str, Any]:
    body: dict[str, Any] = json.loads(CODEC.encode_request(call, model, stream=False).body)
    return body


def answer(body: Any, call: Call = ASKED) -> Completion:
    return CODEC.decode_reply(call, WireReply(200, {}, json.dumps(body).encode()))


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(
        [b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events]
    )


def streamed(data: bytes) -> Completion:
    """The answer in a stream, which is the same at every split. Raises what it raised."""
    check_chunking(CODEC, ASKED, data, range(len(data)))
    events, error, malformed = read_stream(CODEC, ASKED, [data])
    if error is not None:
        raise error
    return fold(events, malformed_events=malformed)
