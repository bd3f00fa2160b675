"""OpenAI's JSON as typed shapes, and the forgiving reader for vendors whose types differ.

The typed decoders skip what nobody reads, which makes them fast. What they refuse goes through plain JSON and is
bent into the same shapes, so that there is one meaning and two ways to it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

__all__ = [
    "Chunk",
    "ChunkChoice",
    "Delta",
    "Embeddings",
    "Reply",
    "ReplyChoice",
    "TokenDetails",
    "ToolFragment",
    "ToolFunction",
    "UsageShape",
    "Vector",
    "bend_chunk",
    "bend_embeddings",
    "bend_reply",
    "decode_chunk",
    "decode_embeddings",
    "decode_reply",
]


class TokenDetails(msgspec.Struct, gc=False):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    audio_cached_tokens: int | None = None


class UsageShape(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: TokenDetails | None = None
    completion_tokens_details: TokenDetails | None = None
    prompt_cache_hit_tokens: int | None = None  # DeepSeek
    cached_tokens: int | None = None  # Moonshot
    num_cached_tokens: int | None = None  # Mistral
    reasoning_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


class _GroqExtra(msgspec.Struct):
    usage: UsageShape | None = None
    error: Any = None


class ReplyChoice(msgspec.Struct):
    message: dict[str, Any] | None = None
    text: str | None = None
    finish_reason: str | None = None
    index: int = 0
    logprobs: Any = None
    usage: UsageShape | None = None
    error: Any = None  # OpenRouter


class Reply(msgspec.Struct):
    """A whole chat or text completion."""

    citations: Any = None  # Perplexity, xAI
    search_results: Any = None  # Perplexity
    choices: list[ReplyChoice] | None = None
    usage: UsageShape | None = None
    model: str | None = None
    id: str | None = None
    created: int | None = None
    x_groq: _GroqExtra | None = None
    error: Any = None


class Vector(msgspec.Struct):
    embedding: list[float] | str
    index: int | None = None


class Embeddings(msgspec.Struct):
    data: list[Vector] | None = None
    usage: UsageShape | None = None
    model: str | None = None
    id: str | None = None
    created: int | None = None
    error: Any = None


class ToolFunction(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class ToolFragment(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: ToolFunction | None = None
    extra_content: Any = None  # Gemini


class Delta(msgspec.Struct):
    content: str | list[Any] | None = None
    tool_calls: list[ToolFragment] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    function_call: ToolFunction | None = None
    audio: Any = None
    images: Any = None  # OpenRouter
    annotations: Any = None
    reasoning_details: Any = None  # OpenRouter


class ChunkChoice(msgspec.Struct):
    delta: Delta | None = None
    text: str | None = None
    finish_reason: str | None = None
    index: int = 0
    logprobs: Any = None
    message: Delta | None = None
    usage: UsageShape | None = None  # Moonshot
    error: Any = None  # OpenRouter


class Chunk(msgspec.Struct):
    """One event of a streamed chat or text completion."""

    citations: Any = None
    search_results: Any = None
    choices: list[ChunkChoice] | None = None
    usage: UsageShape | None = None
    model: str | None = None
    id: str | None = None
    created: int | None = None
    x_groq: _GroqExtra | None = None
    error: Any = None


_reply = msgspec.json.Decoder(Reply).decode
_embeddings = msgspec.json.Decoder(Embeddings).decode
_chunk = msgspec.json.Decoder(Chunk).decode
_anything = msgspec.json.Decoder().decode
_T = TypeVar("_T")


def _bent(data: bytes, bend: Callable[[dict[str, Any]], _T]) -> _T:
    """What the typed decoder refused, read as plain JSON. Raises `ValueError` for what is no JSON object."""
    try:
        return bend(_object(data))
    except (RecursionError, OverflowError) as error:
        raise ValueError("JSON nested too deeply, or with a number too large") from error


def _object(data: bytes) -> dict[str, Any]:
    whole = _anything(data)
    if isinstance(whole, list) and whole and isinstance(whole[0], dict) and "error" in whole[0]:
        whole = whole[0]  # Google's form: an array of one error
    if not isinstance(whole, dict):
        raise ValueError("JSON, but not an object")
    return whole


def decode_reply(body: bytes) -> Reply:
    """A chat or text completion. Raises `ValueError` for what is no JSON object."""
    try:
        return _reply(body)
    except (msgspec.ValidationError, RecursionError):
        return _bent(body, bend_reply)


def decode_embeddings(body: bytes) -> Embeddings:
    """A list of embeddings. Raises `ValueError` for what is no JSON object."""
    try:
        return _embeddings(body)
    except (msgspec.ValidationError, RecursionError):
        return _bent(body, bend_embeddings)


def decode_chunk(data: bytes) -> Chunk:
    """One event's data. Raises `ValueError` for what is no JSON object."""
    try:
        return _chunk(data)
    except (msgspec.ValidationError, RecursionError):
        return _bent(data, bend_chunk)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        return msgspec.json.encode(value).decode()
    return str(value)


def _int(value: Any) -> int | None:
    if isinstance(value, bool) or value is None:
        return None
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _details(value: Any) -> TokenDetails | None:
    if not isinstance(value, dict):
        return None
    return TokenDetails(**{name: _int(value.get(name)) for name in TokenDetails.__struct_fields__})


def _usage(value: Any) -> UsageShape | None:
    if not isinstance(value, dict):
        return None
    counts = {
        name: _details(value.get(name)) if name.endswith("_details") else _int(value.get(name))
        for name in UsageShape.__struct_fields__
    }
    return UsageShape(**counts)  # type: ignore[arg-type]


def _groq(value: Any) -> _GroqExtra | None:
    return _GroqExtra(_usage(value.get("usage")), value.get("error")) if isinstance(value, dict) else None


def _envelope(whole: dict[str, Any]) -> dict[str, Any]:
    return {
        "usage": _usage(whole.get("usage")),
        "model": _text(whole.get("model")),
        "id": _text(whole.get("id")),
        "created": _int(whole.get("created")),
        "error": whole.get("error"),
    }


def _sources(whole: dict[str, Any]) -> dict[str, Any]:
    return {"citations": whole.get("citations"), "search_results": whole.get("search_results")}


def bend_reply(whole: dict[str, Any]) -> Reply:
    """The shape of a reply whose types are not OpenAI's."""
    choices = [
        ReplyChoice(
            message=choice["message"] if isinstance(choice.get("message"), dict) else None,
            text=_text(choice.get("text")),
            finish_reason=_text(choice.get("finish_reason")),
            index=_int(choice.get("index")) or 0,
            logprobs=choice.get("logprobs"),
            usage=_usage(choice.get("usage")),
            error=choice.get("error"),
        )
        for choice in _dicts(whole.get("choices"))
    ]
    return Reply(choices=choices, x_groq=_groq(whole.get("x_groq")), **_sources(whole), **_envelope(whole))


def bend_embeddings(whole: dict[str, Any]) -> Embeddings:
    """The same for embeddings; what is no vector is left out."""
    vectors = [
        Vector(
            item["embedding"] if isinstance(item["embedding"], str) else [float(x) for x in item["embedding"]],
            _int(item.get("index")),
        )
        for item in _dicts(whole.get("data"))
        if isinstance(item.get("embedding"), str) or _is_vector(item.get("embedding"))
    ]
    return Embeddings(data=vectors, **_envelope(whole))


def _is_vector(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(x, (int, float)) for x in value)


def _function(value: Any) -> ToolFunction | None:
    return ToolFunction(_text(value.get("name")), _text(value.get("arguments"))) if isinstance(value, dict) else None


def _delta(value: Any) -> Delta | None:
    if not isinstance(value, dict):
        return None
    content = value.get("content")
    return Delta(
        content=content if isinstance(content, list) else _text(content),
        tool_calls=[
            ToolFragment(
                _int(call.get("index")),
                _text(call.get("id")),
                _function(call.get("function")),
                call.get("extra_content"),
            )
            for call in _dicts(value.get("tool_calls"))
        ],
        reasoning_content=_text(value.get("reasoning_content")),
        reasoning=_text(value.get("reasoning")),
        refusal=_text(value.get("refusal")),
        function_call=_function(value.get("function_call")),
        **{name: value.get(name) for name in ("audio", "images", "annotations", "reasoning_details")},
    )


def bend_chunk(whole: dict[str, Any]) -> Chunk:
    """The same for a stream's event."""
    choices = [
        ChunkChoice(
            delta=_delta(choice.get("delta")),
            text=_text(choice.get("text")),
            finish_reason=_text(choice.get("finish_reason")),
            index=_int(choice.get("index")) or 0,
            logprobs=choice.get("logprobs"),
            message=_delta(choice.get("message")),
            usage=_usage(choice.get("usage")),
            error=choice.get("error"),
        )
        for choice in _dicts(whole.get("choices"))
    ]
    return Chunk(choices=choices, x_groq=_groq(whole.get("x_groq")), **_sources(whole), **_envelope(whole))
