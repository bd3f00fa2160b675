"""What the tests of the Responses wire ask with: a codec, calls, responses, and the streams they come in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from penstock.call import Call, Completion
from penstock.catalog import Vendor
from penstock.fold import fold
from penstock.http import WireReply
from penstock.testing.exam_codec import read_stream
from penstock.wire.responses import ResponsesCodec

__all__ = ["BASE", "MODEL", "VENDOR", "asking", "codec", "data", "heard", "response", "sent", "sse", "streamed", "text"]

BASE = "https://api.example.org/v1"
MODEL = "gpt-4o-mini"
VENDOR = Vendor(name="example", title="Example", base_url=BASE)
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 17,
}


def codec(vendor: Vendor = VENDOR, base_url: str | None = None, **settings: Any) -> ResponsesCodec:
    return ResponsesCodec(vendor, base_url, **settings)


def asking(**body: Any) -> Call:
    body.setdefault("messages", [{"role": "user", "content": "?"}])
    return Call(id="1", model=MODEL, body=body)


def data(name: str) -> Any:
    return json.loads((Path(__file__).parent / "data" / name).read_text())


def sent(model: str = MODEL, **body: Any) -> dict[str, Any]:
    """The body that goes out for a chat."""
    said: dict[str, Any] = json.loads(codec().encode_request(asking(**body), model, stream=False).body)
    return said


def text(said: str, **fields: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": said, "annotations": [], **fields}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def response(*output: dict[str, Any], **fields: Any) -> dict[str, Any]:
    base = {"id": "resp_1", "object": "response", "created_at": 1700000000, "model": "m-1", "status": "completed"}
    return {**base, "error": None, "incomplete_details": None, "output": list(output), "usage": USAGE, **fields}


def heard(said: Any, **headers: str) -> Completion:
    """The completion in a response's body."""
    return codec().decode_reply(asking(), WireReply(200, headers, json.dumps(said).encode()))


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(
        [b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events]
    )


def streamed(stream: bytes) -> Completion:
    events, error, malformed = read_stream(codec(), asking(), [stream])
    if error is not None:
        raise error
    return fold(events, malformed_events=malformed)
