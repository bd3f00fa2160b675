"""One finished item: as the journal keeps it, as a line of the output, and as the outcome that reports read."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from penstock.batch.outcome import Outcome
from penstock.batch.schema import ANSWERED
from penstock.call import Finding, Kind, PromptVersion, Status, Usage

__all__ = ["Meta", "Record", "Stored", "answer_line", "answer_pieces", "encode", "error_line", "one_line", "outcome_of"]

encode = msgspec.json.Encoder().encode


class Meta(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What is known about how an item ended. Its JSON is the `penstock` object of the output line, as it stands."""

    target: str
    attempts: int
    latency_s: float
    cost_usd: float | None
    cached: bool
    status: Status
    usage: Usage | None
    kind: Kind
    at_s: float
    joined: bool = False
    """Answered by an equal row's answer: nothing was sent for this one."""
    prompt: PromptVersion | None = None
    """The prompt of a library that was asked."""
    guards: tuple[Finding, ...] = ()
    """What the guards of its route found, and what they did."""
    http_status: int = 200
    error_code: str | None = None
    error_message: str | None = None


class Record(NamedTuple):
    """A row of `answers`, in the order of its columns."""

    idx: int
    custom_id: str
    digest: bytes
    state: int
    body: int | None
    request_id: str | None
    meta: bytes


class Stored(NamedTuple):
    """What an output needs of an item: a row of `answers` with its body."""

    idx: int
    custom_id: str
    state: int
    request_id: str | None
    meta: bytes
    raw: bytes | None


_decode_meta = msgspec.json.Decoder(Meta).decode


def one_line(raw: bytes) -> bytes:
    """The same JSON on one line, big integers and all; already compact bodies are not copied."""
    if b"\n" in raw or b"\r" in raw:
        return msgspec.json.format(raw, indent=-1)
    return raw


def answer_line(item: Stored, run_id: str) -> bytes:
    """A line of OUT, in the form of OpenAI's batch output, newline included."""
    return b"".join(answer_pieces(item, run_id))


def answer_pieces(item: Stored | Record, run_id: str, raw: bytes | None = None) -> tuple[bytes, bytes, bytes]:
    """The same in pieces, for one who joins many lines: the body isn't copied. A record's body is `raw`."""
    if isinstance(item, Stored):
        raw = item.raw
    return (
        b'{"id":"batch_req_%b_%d","custom_id":%b,"response":{"status_code":200,"request_id":%b,"body":'
        % (run_id.encode(), item.idx, encode(item.custom_id), encode(item.request_id)),
        one_line(raw or b"null"),
        b'},"error":null,"penstock":%b}\n' % item.meta,
    )


def error_line(item: Stored) -> bytes:
    """A line of the errors file, newline included. `response` is the provider's own, null when none came."""
    meta = _decode_meta(item.meta)
    response: dict[str, Any] | None = None
    if item.raw:
        response = {"status_code": meta.http_status, "request_id": item.request_id, "body": _json_or_text(item.raw)}
    error = {"code": meta.error_code, "message": meta.error_message}
    line = {"custom_id": item.custom_id, "response": response, "error": error}
    if meta.target:
        line["penstock"] = {"target": meta.target, "attempts": meta.attempts, "latency_s": meta.latency_s}
    return encode(line) + b"\n"


def _json_or_text(raw: bytes) -> Any:
    try:
        return msgspec.Raw(one_line(msgspec.json.encode(msgspec.json.decode(raw))))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw.decode("utf-8", "replace")


def outcome_of(item: Stored) -> Outcome:
    meta = _decode_meta(item.meta)
    usage = meta.usage
    return Outcome(
        index=item.idx,
        custom_id=item.custom_id,
        kind=meta.kind,
        state="answered" if item.state == ANSWERED else "failed",
        target=meta.target,
        attempts=meta.attempts,
        latency_s=meta.latency_s,
        at_s=meta.at_s,
        status=meta.status,
        http_status=meta.http_status,
        request_id=item.request_id,
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        cached_tokens=usage.cached_tokens if usage else 0,
        reasoning_tokens=usage.reasoning_tokens if usage else 0,
        cost_usd=meta.cost_usd,
        cached=meta.cached,
        joined=meta.joined,
        prompt=str(meta.prompt) if meta.prompt is not None else "",
        error_code=meta.error_code,
        error_message=meta.error_message,
        body=item.raw or b"",
    )
