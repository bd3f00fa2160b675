"""Ollama's own wire as its server speaks it: answers, and refusals in its own words. It says nothing of limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from penstock.call import Call, Completion
from penstock.errors import CallError, ErrorKind
from penstock.http import WireRequest
from penstock.simulator.front import StreamParts, deltas, parts
from penstock.simulator.limits import Refusal, Snapshot
from penstock.simulator.refused import BadKey, Failed, NoKey, OutOfQuota, Refused, phrase_of
from penstock.wire.ollama import OllamaCodec

__all__ = ["OllamaFront"]

_BUSY: Final = "server busy, please try again.  maximum pending requests exceeded"
_STATUSES: Final[dict[int, tuple[ErrorKind, str]]] = {
    401: ("auth", "unauthorized"),
    403: ("auth", "forbidden"),
    404: ("bad_request", "model 'sim' not found"),
    429: ("rate_limited", "you've reached your hourly usage limit, please try again later"),
    500: ("server_error", "llama runner process has terminated: exit status 2"),
    503: ("overloaded", _BUSY),
}


class OllamaFront:
    """The wire that `codec` speaks, in Ollama's words."""

    json_headers: Mapping[str, str] = {"content-type": "application/json; charset=utf-8"}
    stream_headers: Mapping[str, str] = {"content-type": "application/x-ndjson"}
    request_id = "x-request-id"
    broken_event = b'{"model":"broken","created_at":"2026-01-01T00:00:00Z","message":{"role":"assist\n'

    def __init__(self, codec: OllamaCodec) -> None:
        self._codec = codec

    def read(self, request: WireRequest) -> Call:
        return self._codec.decode_request(request)

    def whole(self, call: Call, completion: Completion) -> bytes:
        return self._codec.encode_reply(completion, call).body

    def streamed(self, call: Call, completion: Completion, *, paced: bool) -> StreamParts:
        """Calls of tools come whole, in the end."""
        encoder = self._codec.encoder(call, model=completion.model, id=completion.id)
        stream = parts(encoder, completion, deltas(completion, paced=paced))
        return stream._replace(deltas=[piece for piece in stream.deltas if piece])

    def stream_error(self, call: Call, error: CallError) -> bytes:
        return self._codec.encoder(call, model=call.model, id="").fail(error)

    def error(self, error: CallError) -> bytes:
        return error.body or self._codec.encode_error(error).body

    def error_headers(self, error: CallError) -> dict[str, str]:  # noqa: ARG002 - Ollama never says how long to wait
        return {}

    def refused(self, why: Refused, model: str) -> CallError:
        """The error with Ollama's own status, words and body."""
        match why:
            case NoKey() | BadKey():
                return _error(401, "auth", "unauthorized")
            case OutOfQuota():
                return _error(
                    429, "quota_exhausted", "you've reached your weekly usage limit, please upgrade to continue"
                )
            case Refusal():
                if why.what == "concurrency":
                    return _error(503, "overloaded", _BUSY)
                kind: ErrorKind = "too_big_for_limit" if math.isinf(why.wait_s) else "rate_limited"
                return _error(429, kind, _STATUSES[429][1])
            case Failed():
                return _failed(why, model)

    def limit_headers(self, told: Mapping[Literal["requests", "tokens"], Snapshot]) -> dict[str, str]:  # noqa: ARG002
        return {}

    def models(self, names: Sequence[str], created: int) -> bytes:
        at = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        details = {"format": "gguf", "family": "sim", "parameter_size": "1B", "quantization_level": "Q4_0"}
        models = [
            {"name": name, "model": name, "modified_at": at, "size": 0, "digest": "", "details": details}
            for name in names
        ]
        return msgspec.json.encode({"models": models})


def _failed(why: Failed, model: str) -> CallError:
    status = why.status
    phrase = phrase_of(status)
    kind, message = _STATUSES.get(status, ("server_error" if status >= 500 else "bad_request", phrase.lower()))
    return _error(status, kind, why.message or message.replace("'sim'", f"'{model}'"))


def _error(status: int, kind: ErrorKind, message: str) -> CallError:
    return CallError(kind, message, status=status, body=msgspec.json.encode({"error": message}))
