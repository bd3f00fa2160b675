"""OpenAI's words in the neutral form: finish reasons, usage, and assistant messages."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.call import Finish, Message, Usage
from penstock.wire.calls import id_of_its_own
from penstock.wire.openai.chunks import split_parts
from penstock.wire.openai.shapes import UsageShape

__all__ = ["FINISH", "FINISH_WORD", "finish_of", "mend_message", "says_something", "sources_of", "usage_of"]

FINISH: Final[dict[str, Finish]] = {
    **dict.fromkeys(("stop", "end_turn", "STOP", "stop_sequence", "COMPLETE", "eos", "eos_token", "1"), "stop"),
    **dict.fromkeys(("complete", "completed"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "MAX_TOKENS", "2", "incomplete", "max_output_tokens"), "length"),
    "model_context_window_exceeded": "length",
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call", "TOOL_CALL"), "tool_calls"),
    **dict.fromkeys(("content_filter", "content_filtered", "SAFETY", "RECITATION", "refusal"), "content_filter"),
    **dict.fromkeys(("MODEL_ARMOR", "guardrail_intervened", "PROHIBITED_CONTENT"), "content_filter"),
    **dict.fromkeys(("error", "ERROR", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"), "error"),
    **dict.fromkeys(("abort", "failed", "insufficient_system_resource"), "error"),
}  # type: ignore[dict-item, unused-ignore]
"""Every word for an ending that a vendor of this wire has used; anything else is `unknown`."""

FINISH_WORD: Final[dict[Finish, str | None]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
    "unknown": None,
}
"""OpenAI's own word for each ending."""


_PLACEHOLDERS: Final = (("function_call", "name"), ("audio", "id"))
# Snowflake sends both in every message, with nothing in them.


def finish_of(raw: str | None, *, has_tool_calls: bool = False) -> Finish:
    """What an ending means: `stop` after a tool call is a tool call (OpenAI says so when `tool_choice` names one)."""
    finish = FINISH.get(raw, "unknown") if raw else "unknown"
    if has_tool_calls and (finish == "stop" or finish == "unknown"):
        return "tool_calls"
    return finish


def usage_of(said: UsageShape | None, *, reasoning_outside: bool) -> Usage | None:
    """Normalised token counts; None when nothing was said.

    xAI counts reasoning outside `completion_tokens`. The total tells (prompt + completion + reasoning), also when
    another vendor passes such an answer on; `reasoning_outside` decides where there is no total.
    """
    if said is None:
        return None
    prompt, completion, total = said.prompt_tokens, said.completion_tokens, said.total_tokens
    if prompt is None and completion is None:
        prompt, completion = said.input_tokens, said.output_tokens
        if prompt is None and completion is None:
            if total is None:
                return None
            prompt = total  # Voyage: embeddings have only a total
    given, written = prompt or 0, completion or 0
    inputs, outputs = said.prompt_tokens_details, said.completion_tokens_details
    cached = inputs.cached_tokens if inputs is not None else None
    if cached is None:
        cached = said.prompt_cache_hit_tokens or said.cached_tokens or said.num_cached_tokens or 0
    reasoning = (outputs.reasoning_tokens if outputs is not None else None) or said.reasoning_tokens or 0
    if reasoning and (total == given + written + reasoning if total else reasoning_outside):
        written += reasoning
    heard = spoken = for_an_hour = heard_again = kept = 0
    if inputs is not None:
        kept, heard = inputs.cache_write_tokens or 0, inputs.audio_tokens or 0
        for_an_hour, heard_again = inputs.cache_write_1h_tokens or 0, inputs.audio_cached_tokens or 0
    if outputs is not None:
        spoken = outputs.audio_tokens or 0
    return Usage(given, written, cached, reasoning, kept, for_an_hour, heard, spoken, heard_again)


def mend_message(message: Message, answer_id: str = "") -> None:
    """Make a vendor's assistant message one that can be sent back to any vendor.

    A content list of text, thoughts and references becomes text, `reasoning_content` and `references`; `reasoning` is
    called `reasoning_content`; tool calls get what some vendors leave out (an id of their own, the type) and their
    arguments as a string; empty placeholders go. A missing `content` becomes None.
    """
    content = message.get("content")
    if content.__class__ is list:
        parts = split_parts(content)
        if not parts.rest:
            message["content"] = parts.text
            if parts.thinking:
                message["reasoning_content"] = parts.thinking
            if parts.references:
                message["references"] = parts.references
    elif content is None:
        message["content"] = None
    elif not isinstance(content, str):
        message["content"] = msgspec.json.encode(content).decode()
    thought = message.get("reasoning")
    if isinstance(thought, str) and message.get("reasoning_content") is None:
        message["reasoning_content"] = message.pop("reasoning")
    calls = message.get("tool_calls")
    if calls:
        _mend_tool_calls(message, calls, answer_id)
    elif calls is not None:
        del message["tool_calls"]  # an empty list, which nobody takes back
    for name, proof in _PLACEHOLDERS:
        value = message.get(name)
        if isinstance(value, dict) and not value.get(proof):
            del message[name]
    if message.get("role") is None:
        message["role"] = "assistant"


def _mend_tool_calls(message: Message, calls: Any, answer_id: str) -> None:
    ids: set[str] = set()
    mended: list[dict[str, Any]] = []
    for index, call in enumerate(calls if isinstance(calls, list) else []):
        if not isinstance(call, dict):
            continue
        id_ = call.get("id")
        call["id"] = id_ = id_ if id_ and id_ not in ids else id_of_its_own(answer_id, index)
        ids.add(id_)
        call["type"] = call.get("type") or "function"
        function = call.get("function")
        if isinstance(function, dict):
            arguments = function.get("arguments")
            if not isinstance(arguments, str):
                function["arguments"] = "" if arguments is None else msgspec.json.encode(arguments).decode()
        mended.append(call)
    message["tool_calls"] = mended


def sources_of(citations: Any, results: Any) -> list[dict[str, Any]]:
    """The pages that an answer names beside its choices (Perplexity, xAI), as OpenAI's `url_citation` annotations."""
    found = [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []
    pages = [(one.get("url"), one.get("title")) for one in found]
    if not pages and isinstance(citations, list):
        pages = [(one, None) for one in citations]
    return [
        {"type": "url_citation", "url_citation": {"url": url, "title": title if isinstance(title, str) else ""}}
        for url, title in pages
        if isinstance(url, str)
    ]


def says_something(message: Message) -> bool:
    """Whether there is an answer in it: text, a tool call, a refusal, or another kind of content."""
    get = message.get
    return bool(
        get("content")
        or get("tool_calls")
        or get("refusal")
        or get("function_call")
        or get("audio")
        or get("images")
    )  # fmt: skip
