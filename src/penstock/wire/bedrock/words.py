"""Converse's words in the neutral form and back: endings, usage, thoughts."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from typing import Any, Final

from penstock.call import Finish, Usage
from penstock.errors import CallError
from penstock.wire.sending import refusal

__all__ = [
    "ANSWER_TOOL",
    "FINISH",
    "STOP_REASON",
    "WIRE",
    "answers_by_tool",
    "finish_of",
    "more_fields",
    "more_in",
    "redacted_thought",
    "refused",
    "signed_thought",
    "source_of",
    "thought_blocks",
    "usage_object",
    "usage_of",
]

WIRE: Final = "bedrock"

FINISH: Final[dict[str, Finish]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
"""Every `stopReason`; anything else is `unknown`."""

STOP_REASON: Final[dict[Finish, str]] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "content_filtered",
    "error": "malformed_model_output",
    "unknown": "end_turn",
}

ANSWER_TOOL: Final = "structured_answer"
"""The tool whose arguments are the answer, where a model has no structured output of its own."""

_THOUGHT_FORMAT: Final = "anthropic-claude-v1"
"""Only Claude signs its thoughts: this is the `format` in which every wire of Claude's gives and takes them."""


_MORE: Final = "penstock"


def refused(why: str) -> CallError:
    """The wire can't say it, and leaving it out would change what was asked."""
    return refusal(WIRE, why)


def answers_by_tool(body: dict[str, Any]) -> bool:
    """Whether a call with this body may be answered in the arguments of `ANSWER_TOOL`."""
    wanted = body.get("response_format")
    return isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema")


def finish_of(raw: str | None, *, has_tool_calls: bool, by_tool: bool) -> Finish:
    """What a `stopReason` means; `by_tool` when the answer came in the arguments of `ANSWER_TOOL`."""
    finish = FINISH.get(raw, "unknown") if raw else "unknown"
    if finish == "tool_calls" and by_tool and not has_tool_calls:
        return "stop"
    if has_tool_calls and finish in ("stop", "unknown"):
        return "tool_calls"
    return finish


def usage_of(said: Any, *, reasoning: int = 0) -> Usage | None:
    """Normalised token counts. The input leaves out what a cache was read for or written, as the total shows."""
    if not isinstance(said, dict):
        return None
    given, written = _count(said.get("inputTokens")), _count(said.get("outputTokens"))
    cached = _count(said.get("cacheReadInputTokens")) or _count(said.get("cacheReadInputTokenCount"))
    kept = _count(said.get("cacheWriteInputTokens")) or _count(said.get("cacheWriteInputTokenCount"))
    if not (given or written or cached or kept or "inputTokens" in said):
        return None
    if said.get("totalTokens") != given + written:
        given += cached + kept
    details = said.get("cacheDetails") if kept else None
    for_an_hour = 0
    if isinstance(details, list):
        hours = [one for one in details if isinstance(one, dict) and one.get("ttl") == "1h"]
        for_an_hour = sum(_count(one.get("inputTokens")) for one in hours)
    return Usage(given, written, cached, reasoning, kept, for_an_hour)


def more_fields(refusal: str | None, usage: Usage) -> dict[str, Any]:
    """What Converse has no field for, for `additionalModelResponseFields`; {} when there is nothing of it."""
    said: dict[str, Any] = {"refusal": refusal} if refusal else {}
    if usage.reasoning_tokens:
        said["reasoning_tokens"] = usage.reasoning_tokens
    return {_MORE: said} if said else {}


def more_in(fields: Any) -> tuple[str, int]:
    """The refusal and the reasoning tokens in `additionalModelResponseFields`, where a server like ours wrote them."""
    said = fields.get(_MORE) if isinstance(fields, dict) else None
    if not isinstance(said, dict):
        return "", 0
    refusal = said.get("refusal")
    return refusal if isinstance(refusal, str) else "", _count(said.get("reasoning_tokens"))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def usage_object(usage: Usage) -> dict[str, Any]:
    """Token counts as Converse sends them."""
    said: dict[str, Any] = {
        "inputTokens": max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "outputTokens": usage.output_tokens,
        "totalTokens": usage.total_tokens,
    }
    if usage.cached_tokens or usage.cache_write_tokens:
        said["cacheReadInputTokens"] = usage.cached_tokens
        said["cacheWriteInputTokens"] = usage.cache_write_tokens
    if usage.cache_write_1h_tokens:
        said["cacheDetails"] = [
            {"ttl": "5m", "inputTokens": max(0, usage.cache_write_tokens - usage.cache_write_1h_tokens)},
            {"ttl": "1h", "inputTokens": usage.cache_write_1h_tokens},
        ]
    return said


def signed_thought(index: int, text: str, signature: str) -> dict[str, Any]:
    """A signed thought as an item of `reasoning_details`: what must be sent back with the message, unchanged."""
    return {
        "type": "reasoning.text",
        "format": _THOUGHT_FORMAT,
        "index": index,
        "text": text,
        "signature": signature,
    }


def redacted_thought(index: int, content: str) -> dict[str, Any]:
    """The same for a redacted one. Converse wraps Claude's own text in base64 once more."""
    try:
        data = b64decode(content, validate=True).decode("latin-1")
    except (Base64Error, ValueError):
        data = content
    return {"type": "reasoning.encrypted", "format": _THOUGHT_FORMAT, "index": index, "data": data}


def thought_blocks(details: Any) -> list[dict[str, Any]]:
    """The blocks of `reasoning_details` that Claude signed or closed; what others thought means nothing here."""
    blocks: list[dict[str, Any]] = []
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict) or detail.get("format") not in (None, _THOUGHT_FORMAT):
            continue
        text, signature, data = (detail.get(name) for name in ("text", "signature", "data"))
        if detail.get("type") == "reasoning.text" and isinstance(signature, str) and signature:
            said = {"text": text if isinstance(text, str) else "", "signature": signature}
            blocks.append({"reasoningContent": {"reasoningText": said}})
        elif detail.get("type") == "reasoning.encrypted" and isinstance(data, str) and data:
            closed = b64encode(data.encode("latin-1", "replace")).decode("ascii")
            blocks.append({"reasoningContent": {"redactedContent": closed}})
    return blocks


def source_of(citation: Any) -> dict[str, Any] | None:
    """A citation of a web page as OpenAI's annotation; None for any other (`raw` has them)."""
    location = citation.get("location") if isinstance(citation, dict) else None
    web = location.get("web") if isinstance(location, dict) else None
    if not isinstance(web, dict) or not isinstance(web.get("url"), str):
        return None
    return {"type": "url_citation", "url_citation": {"url": web["url"], "title": citation.get("title") or ""}}
