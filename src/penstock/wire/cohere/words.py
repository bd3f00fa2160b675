"""Cohere's words in the neutral form and back: endings, usage, log probabilities."""

from __future__ import annotations

from typing import Any, Final

from penstock.call import Finish, Usage
from penstock.errors import CallError
from penstock.wire.sending import refusal

__all__ = ["FINISH", "WIRE", "WORD", "finish_of", "logprobs_of", "refused", "tokens_in", "usage_object", "usage_of"]

WIRE: Final = "cohere"

FINISH: Final[dict[str, Finish]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
    "ERROR": "error",
    "TIMEOUT": "error",
}
"""Every `finish_reason`, those of the API's first version too; anything else is `unknown`."""

WORD: Final[dict[Finish, str]] = {
    "stop": "COMPLETE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "content_filter": "ERROR_TOXIC",
    "error": "ERROR",
    "unknown": "COMPLETE",
}


def refused(why: str) -> CallError:
    """The wire can't say it, and leaving it out would change what was asked."""
    return refusal(WIRE, why)


def finish_of(raw: str | None, *, has_tool_calls: bool) -> Finish:
    """What a `finish_reason` means; one that says nothing of the calls of tools in the answer is about them."""
    finish = FINISH.get(raw, "unknown") if raw else "unknown"
    return "tool_calls" if has_tool_calls and finish in ("stop", "unknown") else finish


_PARTS = Usage.__struct_fields__[3:]


def usage_of(said: Any) -> Usage | None:
    """Token counts: what the model read and wrote (`tokens`), else what is paid for (`billed_units`).

    `tokens` counts the instructions that Cohere adds too, and what came from a cache is in it.
    """
    if not isinstance(said, dict):
        return None
    for name in ("tokens", "billed_units"):
        counts = said.get(name)
        if isinstance(counts, dict) and ("input_tokens" in counts or "output_tokens" in counts):
            cached = _count(said.get("cached_tokens"))
            given, written = _count(counts.get("input_tokens")), _count(counts.get("output_tokens"))
            return Usage(given, written, cached, **{name: _count(counts[name]) for name in _PARTS if name in counts})
    return None


def tokens_in(meta: Any) -> Usage | None:
    """What a request for embeddings read; None when it isn't told."""
    billed = meta.get("billed_units") if isinstance(meta, dict) else None
    if not isinstance(billed, dict) or not ("input_tokens" in billed or "image_tokens" in billed):
        return None
    return Usage(_count(billed.get("input_tokens")) + _count(billed.get("image_tokens")))


def _count(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) and 0 < value < 2**53 else 0


def usage_object(usage: Usage) -> dict[str, Any]:
    """Token counts as Cohere sends them; what it has no name for stands beside its own."""
    tokens = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    said: dict[str, Any] = {"billed_units": dict(tokens), "tokens": tokens}
    if usage.cached_tokens:
        said["cached_tokens"] = usage.cached_tokens
    tokens |= {name: count for name in _PARTS if (count := getattr(usage, name))}
    return said


def logprobs_of(said: Any) -> dict[str, Any] | None:
    """Log probabilities in OpenAI's form: one entry for each piece of text that Cohere names."""
    pieces = said if isinstance(said, list) else [said]
    content = [
        {"token": piece["text"], "logprob": sum(piece["logprobs"]), "bytes": None, "top_logprobs": []}
        for piece in pieces
        if isinstance(piece, dict) and isinstance(piece.get("text"), str) and _are_numbers(piece.get("logprobs"))
    ]
    return {"content": content} if content else None


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, (int, float)) for value in values)
