"""What the tests of Google's wire share: one codec for each platform, and replies from parts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.call import Call
from penstock.catalog import Vendor
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.wire.gemini import GeminiCodec

__all__ = ["CHAT", "GEMINI", "VERTEX", "answer", "asked", "chat", "frames", "refused", "reply"]

_VENDOR = Vendor(name="gemini", title="Google Gemini", wire="gemini", base_url="https://gemini.invalid/v1beta")
GEMINI = GeminiCodec(_VENDOR)
VERTEX = GeminiCodec(_VENDOR, "https://vertex.invalid/v1/projects/p/locations/l", platform="vertex")


def chat(**body: Any) -> Call:
    """A chat that says hello, with more or other things in its body."""
    return Call(id="1", model="m", body={"messages": [{"role": "user", "content": "hello"}], **body})


CHAT = chat()


def asked(call: Call, model: str = "gemini-2.5-flash", codec: GeminiCodec = GEMINI) -> dict[str, Any]:
    """What goes over the wire."""
    body: dict[str, Any] = json.loads(codec.encode_request(call, model, stream=False).body)
    return body


def refused(call: Call, model: str = "gemini-2.5-flash") -> CallError:
    """Why it is not sent at all."""
    with pytest.raises(CallError) as caught:
        GEMINI.encode_request(call, model, stream=False)
    assert (caught.value.kind, caught.value.sent) == ("bad_request", False)
    return caught.value


def answer(*parts: dict[str, Any], finish: Any = "STOP", **more: Any) -> dict[str, Any]:
    """An answer of one candidate."""
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], **more}


def reply(body: Any, status: int = 200, **headers: str) -> WireReply:
    return WireReply(status, headers, json.dumps(body).encode())


def frames(*bodies: Any) -> bytes:
    """A stream as Google writes it."""
    return b"".join(b"data: " + json.dumps(body).encode() + b"\r\n\r\n" for body in bodies)
