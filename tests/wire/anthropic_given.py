"""What the tests of the Anthropic wire ask with: codecs of each form, calls, streams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from penstock.call import Call, Completion
from penstock.catalog import Vendor
from penstock.fold import fold
from penstock.testing.exam_codec import read_stream
from penstock.wire.anthropic import AnthropicCodec, Form

__all__ = ["BASES", "VENDOR", "asking", "codec", "data", "sse", "streamed"]

VENDOR = Vendor(name="anthropic", title="Anthropic", wire="anthropic", base_url="https://api.example.org")
BASES: dict[Form, str] = {
    "direct": "https://api.example.org",
    "vertex": "https://eu.example.org/v1/projects/p/locations/eu",
    "bedrock": "https://bedrock.example.org",
}


def codec(form: Form = "direct", **settings: Any) -> AnthropicCodec:
    return AnthropicCodec(VENDOR, BASES[form], form=form, **settings)


def asking(**body: Any) -> Call:
    prefill = body.pop("prefill", False)
    body.setdefault("messages", [{"role": "user", "content": "?"}])
    return Call(id="1", model="claude-sonnet-4-5", body=body, prefill=prefill)


def data(name: str) -> Any:
    return json.loads((Path(__file__).parent / "data" / name).read_text())


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(
        [b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events]
    )


def streamed(stream: bytes, call: Call | None = None) -> Completion:
    call = call or asking()
    events, error, malformed = read_stream(codec(), call, [stream])
    if error is not None:
        raise error
    return fold(events, malformed_events=malformed)
