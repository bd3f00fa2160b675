"""The wire's words in the neutral form and back: endings, usage, thoughts, sources and images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from penstock.call import Finish, Usage
from penstock.wire.counts import more_of_input

__all__ = [
    "THOUGHT_FORMAT",
    "WIRE",
    "finish_of",
    "image_of",
    "marked_annotation",
    "reasoning_items",
    "said_of",
    "source_of",
    "thought_texts",
    "thoughts_of",
    "usage_object",
    "usage_of",
]

WIRE: Final = "responses"
"""What this wire is called in warnings and errors."""

THOUGHT_FORMAT: Final = "openai-responses-v1"
"""The `format` of reasoning details that only this wire can read (OpenRouter's name for it)."""

_CUT_SHORT: Final[dict[str, Finish]] = {"content_filter": "content_filter"}
_Object = dict[str, Any]


def finish_of(response: _Object, *, has_tool_calls: bool) -> tuple[Finish, str]:
    """What a response's end means, and the provider's own word for it: the reason where there is one."""
    status = response.get("status")
    if status == "incomplete":
        details = response.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        word = reason if isinstance(reason, str) else "incomplete"
        return _CUT_SHORT.get(word, "length"), word
    # Some write another word here for an answer that is whole ("complete").
    return ("tool_calls" if has_tool_calls else "stop"), status if isinstance(status, str) else "completed"


def usage_of(said: Any, *, reasoning_outside: bool) -> Usage | None:
    """Normalised token counts; None when nothing was said.

    The total tells whether reasoning is counted outside the output (xAI); without one `reasoning_outside` decides.
    """
    if not isinstance(said, dict):
        return None
    given, written = _count(said.get("input_tokens")), _count(said.get("output_tokens"))
    if given is None and written is None:
        return None
    inputs, outputs = said.get("input_tokens_details"), said.get("output_tokens_details")
    inputs = inputs if isinstance(inputs, dict) else {}
    reasoning = (_count(outputs.get("reasoning_tokens")) if isinstance(outputs, dict) else None) or 0
    given, written, total = given or 0, written or 0, _count(said.get("total_tokens"))
    if reasoning and (total == given + written + reasoning if total else reasoning_outside):
        written += reasoning
    return Usage(
        given,
        written,
        _count(inputs.get("cached_tokens")) or 0,
        reasoning,
        _count(inputs.get("cache_write_tokens")) or 0,
        _count(inputs.get("cache_write_1h_tokens")) or 0,
        _count(inputs.get("audio_tokens")) or 0,
        (_count(outputs.get("audio_tokens")) if isinstance(outputs, dict) else None) or 0,
        _count(inputs.get("audio_cached_tokens")) or 0,
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def usage_object(usage: Usage) -> _Object:
    """Token counts as OpenAI sends them here."""
    written: dict[str, int] = {"reasoning_tokens": usage.reasoning_tokens}
    if usage.audio_output_tokens:
        written["audio_tokens"] = usage.audio_output_tokens
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, **more_of_input(usage)},
        "output_tokens": usage.output_tokens,
        "output_tokens_details": written,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }


def said_of(parts: Any, *kinds: str) -> Iterable[_Object]:
    """The parts of a list that are of one of these kinds; nothing where it is no list."""
    return (
        [part for part in parts if isinstance(part, dict) and part.get("type") in kinds]
        if parts.__class__ is list
        else ()
    )


def thought_texts(item: _Object) -> list[str]:
    """What a reasoning item says, piece by piece: its summary, then its thoughts themselves."""
    pieces = [*said_of(item.get("summary"), "summary_text"), *said_of(item.get("content"), "reasoning_text", "text")]
    return [text for part in pieces if isinstance(text := part.get("text"), str) and text]


def thoughts_of(item: _Object, index: int, position: int) -> list[_Object]:
    """A reasoning item as items of `reasoning_details`: what must be sent back with the message, unchanged.

    `position` says how many of the message's text and calls came before it.
    """
    summary = [text for part in said_of(item.get("summary"), "summary_text") if (text := part.get("text"))]
    content = [text for part in said_of(item.get("content"), "reasoning_text", "text") if (text := part.get("text"))]
    named: _Object = {"format": THOUGHT_FORMAT, "index": index}
    if isinstance(item.get("id"), str):
        named["id"] = item["id"]
    if position:
        named["position"] = position
    details: list[_Object] = []
    if summary:
        details.append({"type": "reasoning.summary", **named, "summary": "\n\n".join(summary)})
    if content:
        details.append({"type": "reasoning.text", **named, "text": "\n\n".join(content)})
    if isinstance(item.get("encrypted_content"), str) and item["encrypted_content"]:
        details.append({"type": "reasoning.encrypted", **named, "data": item["encrypted_content"]})
    return details


def reasoning_items(details: Any, *, stored: bool) -> list[tuple[int, _Object]]:
    """The reasoning items in a message's `reasoning_details`, each with its position.

    What nobody but the provider could read goes back as it came; a summary alone says nothing unless the provider
    has `stored` the item under its id.
    """
    found: dict[Any, _Object] = {}
    positions: dict[Any, int] = {}
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict) or detail.get("format") != THOUGHT_FORMAT:
            continue
        which = detail.get("index", detail.get("id"))
        if not isinstance(which, int | str):
            continue
        item = found.setdefault(which, {"type": "reasoning", "summary": []})
        position = detail.get("position")
        positions[which] = position if isinstance(position, int) else 0
        if isinstance(detail.get("id"), str):
            item["id"] = detail["id"]
        if detail.get("type") == "reasoning.summary" and isinstance(detail.get("summary"), str):
            item["summary"].append({"type": "summary_text", "text": detail["summary"]})
        elif detail.get("type") == "reasoning.text" and isinstance(detail.get("text"), str):
            item["content"] = [{"type": "reasoning_text", "text": detail["text"]}]
        elif detail.get("type") == "reasoning.encrypted" and isinstance(detail.get("data"), str):
            item["encrypted_content"] = detail["data"]
    items: list[tuple[int, _Object]] = []
    for which, item in found.items():
        if "encrypted_content" not in item and not stored:
            # The id of what isn't stored is refused.
            item.pop("id", None)
            if "content" not in item:
                continue
        items.append((positions[which], item))
    return items


def source_of(annotation: Any) -> _Object | None:
    """A source in the form of chat completions; one that they don't know stays as it is."""
    if not isinstance(annotation, dict):
        return None
    if annotation.get("type") != "url_citation" or "url_citation" in annotation:
        return annotation
    return {
        "type": "url_citation",
        "url_citation": {name: value for name, value in annotation.items() if name != "type"},
    }


def marked_annotation(source: Any) -> _Object | None:
    """A source in this wire's form."""
    if not isinstance(source, dict):
        return None
    cited = source.get("url_citation")
    return {"type": "url_citation", **cited} if isinstance(cited, dict) else source


def image_of(item: _Object) -> _Object | None:
    """An image that was made, in the form of a message's `images`."""
    data = item.get("result")
    if item.get("type") != "image_generation_call" or not isinstance(data, str) or not data:
        return None
    kind = item.get("output_format")
    kind = kind if isinstance(kind, str) else "png"
    return {"type": "image_url", "image_url": {"url": f"data:image/{kind};base64,{data}"}}
