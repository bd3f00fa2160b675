"""Ollama's words in the neutral form and back: endings, usage, times, arguments, log probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from penstock.call import Finish, Usage
from penstock.errors import CallError
from penstock.wire.ollama.shapes import PieceShape
from penstock.wire.sending import refusal

__all__ = [
    "FINISH",
    "WIRE",
    "WORD",
    "arguments_object",
    "arguments_of",
    "created_of",
    "finish_of",
    "instant_of",
    "logprobs_of",
    "refused",
    "usage_fields",
    "usage_of",
]

WIRE: Final = "ollama"

FINISH: Final[dict[str, Finish]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
    # The model was only loaded or unloaded: nothing was asked.
    "load": "unknown",
    "unload": "unknown",
}
"""Every `done_reason`; `tool_calls` and `content_filter` are words of servers like ours."""

WORD: Final[dict[Finish, str]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "stop",
    "content_filter": "content_filter",
    "error": "error",
    "unknown": "stop",
}


def refused(why: str) -> CallError:
    """The wire can't say it, and leaving it out would change what was asked."""
    return refusal(WIRE, why)


def finish_of(raw: str | None, *, has_tool_calls: bool) -> Finish:
    """What a `done_reason` means: calls of tools end with `stop`, and older servers give no reason at all."""
    finish = FINISH.get(raw, "unknown") if raw else "stop"
    return "tool_calls" if has_tool_calls and finish in ("stop", "unknown") else finish


_PARTS = Usage.__struct_fields__[2:]


def usage_of(said: PieceShape) -> Usage | None:
    """Token counts. The input's is left out when all of it was still in the server's cache: then it is 0."""
    if said.prompt_eval_count is None and said.eval_count is None:
        return None
    more = said.usage_details if isinstance(said.usage_details, dict) else {}
    given, written = _count(said.prompt_eval_count), _count(said.eval_count)
    return Usage(given, written, **{name: _count(more[name]) for name in _PARTS if name in more})


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def usage_fields(usage: Usage) -> dict[str, Any]:
    """Token counts as Ollama sends them; what it has no name for is called `usage_details`."""
    said: dict[str, Any] = {"prompt_eval_count": usage.input_tokens, "eval_count": usage.output_tokens}
    told = {name: count for name in _PARTS if (count := getattr(usage, name))}
    return {**said, "usage_details": told} if told else said


def created_of(text: str | None) -> int:
    """Seconds since 1970 of `created_at`; 0 for what is no time."""
    try:
        return max(0, int(datetime.fromisoformat(text).timestamp())) if text else 0
    except (ValueError, OverflowError):
        return 0


def instant_of(created: int) -> str:
    """`created_at` of seconds since 1970."""
    return datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def arguments_of(said: msgspec.Raw) -> str:
    """A call's arguments in the model's spelling: here they are an object, elsewhere a text that holds one."""
    raw = bytes(said).strip()
    if not raw or raw == b"null":
        return "{}"
    if raw[:1] == b'"':
        return str(msgspec.json.decode(raw))
    return raw.decode()


def arguments_object(arguments: Any) -> Mapping[str, Any] | msgspec.Raw | None:
    """The object that `arguments` spell, in the same spelling where that is one line; None when it is none."""
    if not isinstance(arguments, str):
        return arguments if isinstance(arguments, dict) else None
    try:
        given = msgspec.json.decode(arguments.strip() or "{}")
    except (ValueError, RecursionError):
        return None
    if not isinstance(given, dict):
        return None
    return given if "\n" in arguments or "\r" in arguments else msgspec.Raw((arguments.strip() or "{}").encode())


def logprobs_of(said: Any) -> dict[str, Any] | None:
    """Log probabilities in OpenAI's form; None when there are none."""
    content = [
        {
            "token": one["token"],
            "logprob": one.get("logprob"),
            "bytes": one.get("bytes"),
            "top_logprobs": one.get("top_logprobs") or [],
        }
        for one in (said if isinstance(said, list) else ())
        if isinstance(one, dict) and isinstance(one.get("token"), str)
    ]
    return {"content": content} if content else None
