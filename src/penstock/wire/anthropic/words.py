"""Anthropic's words in the neutral form and back: endings, usage, and the parts of an assistant message."""

from __future__ import annotations

from typing import Any, Final

from penstock.call import Finish, Usage
from penstock.wire.anthropic.shapes import UsageShape

__all__ = [
    "ANSWER_TOOL",
    "FINISH",
    "STOP_REASON",
    "THOUGHT_FORMAT",
    "answers_by_tool",
    "encrypted_thought",
    "finish_of",
    "may_preface",
    "signed_thought",
    "source_of",
    "usage_object",
    "usage_of",
]

FINISH: Final[dict[str, Finish]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    # The answer goes on when it is sent back: until then it is cut short.
    "pause_turn": "length",
    "compaction": "length",
    "refusal": "content_filter",
}
"""Every `stop_reason`; anything else is `unknown`."""

STOP_REASON: Final[dict[Finish, str]] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
    "error": "end_turn",
    "unknown": "end_turn",
}

ANSWER_TOOL: Final = "structured_answer"
"""The tool whose arguments are the answer, where a model has no structured output of its own."""

THOUGHT_FORMAT: Final = "anthropic-claude-v1"
"""The `format` of reasoning details that only this wire can read (OpenRouter's name for it)."""


def finish_of(raw: str | None, *, has_tool_calls: bool, by_tool: bool = False) -> Finish:
    """What a `stop_reason` means; `by_tool` when the only tool called was the one that carries the answer."""
    finish = FINISH.get(raw, "unknown") if raw else "unknown"
    if finish == "tool_calls" and by_tool and not has_tool_calls:
        return "stop"
    if has_tool_calls and finish in ("stop", "unknown"):
        return "tool_calls"
    return finish


def answers_by_tool(body: dict[str, Any]) -> bool:
    """Whether a call with this body may be answered in the arguments of `ANSWER_TOOL`."""
    wanted = body.get("response_format")
    return isinstance(wanted, dict) and wanted.get("type") in ("json_object", "json_schema")


def may_preface(body: dict[str, Any]) -> bool:
    """Whether text may stand before the tool that carries the answer: nobody who thinks can be forced to call it.

    A strict schema is left out: most models that think have it natively, and then the text is the answer.
    """
    wanted = body.get("response_format")
    if not answers_by_tool(body) or not isinstance(wanted, dict):
        return False
    wrapper = wanted.get("json_schema")
    is_strict = isinstance(wrapper, dict) and wrapper.get("strict") is True
    return not is_strict and any(body.get(name) is not None for name in ("reasoning_effort", "reasoning", "thinking"))


def usage_of(said: UsageShape | None) -> Usage | None:
    """Normalised token counts: Anthropic's input leaves out what a cache was read for or written."""
    if said is None or (said.input_tokens is None and said.output_tokens is None):
        return None
    cached, written = said.cache_read_input_tokens or 0, said.cache_creation_input_tokens or 0
    details, lasting = said.output_tokens_details, said.cache_creation
    return Usage(
        (said.input_tokens or 0) + cached + written,
        said.output_tokens or 0,
        cached,
        (details.thinking_tokens or 0) if details is not None else 0,
        written,
        (lasting.ephemeral_1h_input_tokens or 0) if lasting is not None and written else 0,
    )


def usage_object(usage: Usage) -> dict[str, Any]:
    """Token counts as Anthropic sends them."""
    said: dict[str, Any] = {
        "input_tokens": max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens),
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.cache_write_tokens:
        said["cache_creation"] = {
            "ephemeral_5m_input_tokens": max(0, usage.cache_write_tokens - usage.cache_write_1h_tokens),
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        }
    if usage.reasoning_tokens:
        said["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return said


def signed_thought(index: int, text: str, signature: str) -> dict[str, Any]:
    """A thinking block as an item of `reasoning_details`: what must be sent back with the message, unchanged."""
    return {
        "type": "reasoning.text",
        "format": THOUGHT_FORMAT,
        "index": index,
        "text": text,
        "signature": signature,
    }


def encrypted_thought(index: int, data: str) -> dict[str, Any]:
    """The same for a redacted block."""
    return {"type": "reasoning.encrypted", "format": THOUGHT_FORMAT, "index": index, "data": data}


def source_of(citation: Any) -> dict[str, Any] | None:
    """A citation of a web page as OpenAI's annotation; None for any other (`raw` has them)."""
    if not isinstance(citation, dict) or not isinstance(citation.get("url"), str):
        return None
    return {"type": "url_citation", "url_citation": {"url": citation["url"], "title": citation.get("title") or ""}}
