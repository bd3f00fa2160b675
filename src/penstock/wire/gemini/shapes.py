"""Gemini's JSON as typed shapes, and the forgiving reader for what doesn't fit them.

The typed decoders skip what nobody reads, which makes them fast. The arguments of a function call stay the bytes
that came.
"""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.wire.bending import bent

__all__ = [
    "Blob",
    "Candidate",
    "Content",
    "Embeddings",
    "FunctionCall",
    "Part",
    "Reply",
    "UsageShape",
    "Values",
    "arguments_of",
    "decode_embeddings",
    "decode_reply",
]


class UsageShape(msgspec.Struct, rename="camel", gc=False):
    prompt_token_count: int | None = None
    candidates_token_count: int | None = None
    total_token_count: int | None = None
    thoughts_token_count: int | None = None
    cached_content_token_count: int | None = None
    tool_use_prompt_token_count: int | None = None
    prompt_tokens_details: msgspec.Raw = msgspec.Raw()
    cache_tokens_details: msgspec.Raw = msgspec.Raw()
    candidates_tokens_details: msgspec.Raw = msgspec.Raw()
    tool_use_prompt_tokens_details: msgspec.Raw = msgspec.Raw()


class Blob(msgspec.Struct, rename="camel", gc=False):
    mime_type: str | None = None
    data: str | None = None


class FunctionCall(msgspec.Struct, rename="camel"):
    name: str | None = None
    args: msgspec.Raw = msgspec.Raw()
    id: str | None = None
    partial_args: Any = None
    will_continue: bool | None = None


class Part(msgspec.Struct, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None
    inline_data: Blob | None = None
    file_data: Any = None
    executable_code: Any = None
    code_execution_result: Any = None
    tool_call: Any = None
    tool_response: Any = None
    part_metadata: Any = None


class Content(msgspec.Struct, rename="camel"):
    parts: list[Part] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    content: Content | None = None
    finish_reason: str | int | None = None
    index: int | None = None
    finish_message: str | None = None
    logprobs_result: Any = None
    grounding_metadata: Any = None


class Reply(msgspec.Struct, rename="camel"):
    """A whole answer, or one event of a stream."""

    candidates: list[Candidate] | None = None
    usage_metadata: UsageShape | None = None
    prompt_feedback: Any = None
    model_version: str | None = None
    response_id: str | None = None
    create_time: Any = None
    error: Any = None


class _Statistics(msgspec.Struct):
    token_count: float | None = None


class Values(msgspec.Struct):
    values: list[float] | None = None
    statistics: _Statistics | None = None  # Vertex


class _Prediction(msgspec.Struct):
    embeddings: Values | None = None


class Embeddings(msgspec.Struct, rename="camel"):
    """Vectors in each of the three forms: `batchEmbedContents`, `embedContent`, and Vertex's `predict`."""

    embeddings: list[Values] | None = None
    embedding: Values | None = None
    predictions: list[_Prediction] | None = None
    usage_metadata: UsageShape | None = None
    model_version: str | None = None
    error: Any = None


_reply = msgspec.json.Decoder(Reply).decode
_embeddings = msgspec.json.Decoder(Embeddings).decode


def decode_reply(data: bytes) -> Reply:
    """An answer or an event. Raises `ValueError` for what is no JSON object, or none of Gemini's."""
    if not data.isascii():
        data.decode("utf-8")  # the typed decoder skips what it doesn't read
    try:
        return _reply(data)
    except (msgspec.MsgspecError, RecursionError):
        return bent(data, Reply)


def decode_embeddings(data: bytes) -> Embeddings:
    """The same for vectors."""
    if not data.isascii():
        data.decode("utf-8")
    try:
        return _embeddings(data)
    except (msgspec.MsgspecError, RecursionError):
        return bent(data, Embeddings)


def arguments_of(call: FunctionCall) -> str:
    """A call's arguments as JSON text: the bytes that came, on one line; `{}` where there are none."""
    raw = bytes(call.args)
    if not raw or raw == b"null":
        return "{}"
    if b"\n" in raw or b"\r" in raw:
        # Laid out for people. A line break inside a text would be written as \n.
        try:
            return msgspec.json.encode(msgspec.json.decode(raw)).decode()
        except (ValueError, RecursionError):
            pass
    return raw.decode("utf-8", "replace")
