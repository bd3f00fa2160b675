"""Gemini's words in the neutral form and back: finish reasons, usage, log probabilities, sources."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from penstock.call import Choice, Finish, Usage
from penstock.wire.gemini.shapes import UsageShape

__all__ = [
    "FINISH",
    "annotations_in",
    "created_of",
    "finish_of",
    "finish_word",
    "logprobs_of",
    "logprobs_result",
    "usage_metadata",
    "usage_of",
]

FINISH: Final[dict[str, Finish]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"), "content_filter"),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"), "content_filter"),
    **dict.fromkeys(("MODEL_ARMOR", "JAILBREAK", "ESCALATION", "PUP_LIMITED_DISABLED"), "content_filter"),
    **dict.fromkeys(("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"), "error"),
    **dict.fromkeys(("MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE"), "error"),
}  # type: ignore[dict-item, unused-ignore]
"""Every word for an ending with a meaning; `OTHER` and what comes after this was written are `unknown`."""

_BY_NUMBER: Final = (
    *("FINISH_REASON_UNSPECIFIED", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "BLOCKLIST"),
    *("PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "MODEL_ARMOR"),
)
"""Vertex's numbers, which it sends when asked for `enum-encoding=int`."""

_WORD: Final[dict[Finish, str]] = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "error": "MALFORMED_RESPONSE",
    "unknown": "OTHER",
}


def finish_of(said: str | int | None, *, has_tool_calls: bool) -> tuple[Finish, str | None]:
    """What an ending means, and Gemini's word for it. There is none for tool calls: they stop."""
    if isinstance(said, int):
        said = _BY_NUMBER[said] if 0 <= said < len(_BY_NUMBER) else str(said)
    finish = FINISH.get(said, "unknown") if said else "unknown"
    if has_tool_calls and (finish == "stop" or finish == "unknown"):
        finish = "tool_calls"
    return finish, said or None


def finish_word(choice: Choice) -> str:
    """The ending in Gemini's word; its own where it means the same."""
    raw = choice.finish_raw
    if raw and FINISH.get(raw) == choice.finish:
        return raw
    return _WORD[choice.finish]


def usage_of(said: UsageShape | None) -> Usage | None:
    """Normalised token counts; None when nothing was counted.

    Thoughts are counted beside the candidates, the results of Google's own tools beside the prompt.
    """
    if said is None:
        return None
    given, written, thoughts = said.prompt_token_count, said.candidates_token_count, said.thoughts_token_count
    if given is None and written is None and thoughts is None:
        return None
    reasoning = thoughts or 0
    return Usage(
        (given or 0) + (said.tool_use_prompt_token_count or 0),
        (written or 0) + reasoning,
        said.cached_content_token_count or 0,
        reasoning,
        audio_input_tokens=_sound_in(said.prompt_tokens_details) + _sound_in(said.tool_use_prompt_tokens_details),
        audio_output_tokens=_sound_in(said.candidates_tokens_details),
        audio_cached_tokens=_sound_in(said.cache_tokens_details),
    )


def _sound_in(details: msgspec.Raw) -> int:
    """Tokens of sound among counts by modality. Nearly always there are none."""
    said = bytes(details)
    if b"AUDIO" not in said:
        return 0
    counts = msgspec.json.decode(said)
    told = [one.get("tokenCount") for one in counts if isinstance(one, dict) and one.get("modality") == "AUDIO"]
    return sum(count for count in told if isinstance(count, int) and count > 0)


def usage_metadata(usage: Usage) -> dict[str, Any]:
    """Token counts as Gemini sends them; what is zero is left out, as it does."""
    counts = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning_tokens,
        "thoughtsTokenCount": usage.reasoning_tokens,
        "cachedContentTokenCount": usage.cached_tokens,
    }
    said = {name: count for name, count in counts.items() if count}
    heard = {
        "promptTokensDetails": (usage.audio_input_tokens, usage.input_tokens),
        "candidatesTokensDetails": (usage.audio_output_tokens, usage.output_tokens - usage.reasoning_tokens),
        "cacheTokensDetails": (usage.audio_cached_tokens, usage.cached_tokens),
    }
    details = {
        name: [{"modality": "TEXT", "tokenCount": max(0, of - count)}, {"modality": "AUDIO", "tokenCount": count}]
        for name, (count, of) in heard.items()
        if count
    }
    return {"promptTokenCount": usage.input_tokens, **said, "totalTokenCount": usage.total_tokens, **details}


def created_of(said: Any) -> int:
    """Seconds since 1970 of a `createTime`; 0 when it says nothing."""
    if not isinstance(said, str):
        return 0
    try:
        return int(datetime.fromisoformat(said).timestamp())
    except (ValueError, OverflowError):
        return 0


def logprobs_of(said: Any) -> dict[str, Any] | None:
    """`logprobsResult` in OpenAI's form; None when there is none."""
    chosen = said.get("chosenCandidates") if isinstance(said, dict) else None
    if not isinstance(chosen, list):
        return None
    tops = said.get("topCandidates")
    tops = tops if isinstance(tops, list) else []
    content: list[dict[str, Any]] = []
    for place, one in enumerate(chosen):
        top = tops[place].get("candidates") if place < len(tops) and isinstance(tops[place], dict) else None
        others = [_token(other) for other in top if isinstance(other, dict)] if isinstance(top, list) else []
        content.append({**_token(one if isinstance(one, dict) else {}), "top_logprobs": others})
    return {"content": content}


def _token(said: dict[str, Any]) -> dict[str, Any]:
    token = said.get("token")
    token = token if isinstance(token, str) else ""
    return {"token": token, "logprob": said.get("logProbability"), "bytes": list(token.encode("utf-8", "replace"))}


def logprobs_result(logprobs: Any) -> dict[str, Any] | None:
    """The way back."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list):
        return None
    said = [one for one in content if isinstance(one, dict)]
    return {
        "chosenCandidates": [_candidate(one) for one in said],
        "topCandidates": [{"candidates": [_candidate(top) for top in one.get("top_logprobs") or ()]} for one in said],
    }


def _candidate(said: dict[str, Any]) -> dict[str, Any]:
    return {"token": said.get("token"), "logProbability": said.get("logprob")}


def annotations_in(grounding: Any) -> list[dict[str, Any]]:
    """The web pages that a grounded answer rests on, as OpenAI's `url_citation` annotations."""
    chunks = grounding.get("groundingChunks") if isinstance(grounding, dict) else None
    pages = [chunk.get("web") for chunk in chunks if isinstance(chunk, dict)] if isinstance(chunks, list) else []
    return [
        {"type": "url_citation", "url_citation": {"url": page.get("uri"), "title": page.get("title")}}
        for page in pages
        if isinstance(page, dict)
    ]
