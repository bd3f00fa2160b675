"""From Gemini's contents to OpenAI's messages: the way that a client of this wire is understood."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.errors import CallError
from penstock.wire.gemini.contents import UNSIGNED
from penstock.wire.gemini.parts import camel, shown, text_of
from penstock.wire.gemini.signatures import REASONING, TEXT, Signatures

__all__ = ["messages_of"]

_OWN: Final = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")


def messages_of(instruction: Any, contents: Any) -> list[dict[str, Any]]:
    """The chat. Raises `CallError` bad_request for what is none."""
    messages: list[dict[str, Any]] = []
    if instruction is not None:
        parts = [{"text": instruction}] if isinstance(instruction, str) else _parts(instruction)
        messages += [{"role": "system", "content": part["text"]} for part in parts if isinstance(part.get("text"), str)]
    if isinstance(contents, dict):
        contents = [contents]
    if not isinstance(contents, list) or not contents:
        raise CallError("bad_request", "* GenerateContentRequest.contents: contents is not specified", status=400)
    unanswered: list[tuple[str, str]] = []
    for content in contents:
        if not isinstance(content, dict):
            raise CallError("bad_request", "Invalid value at 'contents': expected an object", status=400)
        parts = _parts(content)
        if content.get("role") == "model":
            messages.append(_said(parts, unanswered, turn=len(messages)))
        else:
            messages += _asked(parts, unanswered)
    return messages


def _parts(content: Any) -> list[dict[str, Any]]:
    parts = content.get("parts") if isinstance(content, dict) else None
    if isinstance(parts, dict):
        parts = [parts]
    if not isinstance(parts, list):
        raise CallError("bad_request", "Invalid value at 'parts': expected a list of objects", status=400)
    return [camel(part) for part in parts]


def _said(parts: list[dict[str, Any]], unanswered: list[tuple[str, str]], *, turn: int) -> dict[str, Any]:
    thoughts = [part for part in parts if part.get("thought")]
    rest = [part for part in parts if not part.get("thought")]
    texts = [part for part in rest if isinstance(part.get("text"), str)]
    message: dict[str, Any] = {"role": "assistant", "content": text_of(texts) or None}
    if thoughts:
        message["reasoning_content"] = text_of(thoughts)
    images = [_signed(part, seen) for part in rest if part.get("inlineData") and (seen := shown(part)) is not None]
    if images:
        message["images"] = images
    calls = [_call(part, f"call_{turn}_{place}") for place, part in enumerate(rest) if part.get("functionCall")]
    if calls:
        message["tool_calls"] = calls
        unanswered += [(call["id"], call["function"]["name"]) for call in calls]
    google = _signatures(texts, Signatures(TEXT)) | _signatures(thoughts, Signatures(REASONING))
    own = [part for part in rest if any(part.get(name) for name in _OWN)]
    if own:
        google["parts"] = own
    if google:
        message["extra_content"] = {"google": google}
    if not calls and not google and not images:
        message["content"] = message["content"] or ""
    return message


def _signatures(parts: list[dict[str, Any]], signatures: Signatures) -> dict[str, Any]:
    """What `extra_content.google` says of the signatures of these parts."""
    google: dict[str, Any] = {}

    def tell(said: dict[str, Any]) -> None:
        for name, value in said.items():
            google[name] = [*google.get(name, ()), *value] if isinstance(value, list) else value

    for part in parts:
        signatures.chars += len(text_of([part]))
        if part.get("thoughtSignature"):
            tell(signatures.sign(str(part["thoughtSignature"])))
    tell(signatures.settle())
    return google


def _signed(part: dict[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    """A picture with its signature."""
    signature = part.get("thoughtSignature")
    return {**seen, "extra_content": {"google": {"thought_signature": signature}}} if signature else seen


def _call(part: dict[str, Any], made: str) -> dict[str, Any]:
    said = camel(part["functionCall"])
    arguments = msgspec.json.encode(said.get("args") or {}).decode()
    call: dict[str, Any] = {
        "id": str(said.get("id") or made),
        "type": "function",
        "function": {"name": str(said.get("name") or ""), "arguments": arguments},
    }
    signature = part.get("thoughtSignature")
    if signature and signature != UNSIGNED:
        call["extra_content"] = {"google": {"thought_signature": signature}}
    return call


def _asked(parts: list[dict[str, Any]], unanswered: list[tuple[str, str]]) -> list[dict[str, Any]]:
    results = [_result(camel(part["functionResponse"]), unanswered) for part in parts if part.get("functionResponse")]
    rest = [part for part in parts if not part.get("functionResponse")]
    seen = [one for part in rest if (one := shown(part)) is not None]
    if not seen and results:
        return results
    if len(seen) == 1 and seen[0]["type"] == "text":
        return [*results, {"role": "user", "content": seen[0]["text"]}]
    return [*results, {"role": "user", "content": seen or ""}]


def _result(said: dict[str, Any], unanswered: list[tuple[str, str]]) -> dict[str, Any]:
    """A tool's message; without an id it answers the first open call of its name."""
    name = str(said.get("name") or "")
    id_ = str(said.get("id") or "") or next((id_ for id_, called in unanswered if called == name), f"call_{name}")
    unanswered[:] = [(open_id, called) for open_id, called in unanswered if open_id != id_]
    response = said.get("response")
    output = response.get("output") if isinstance(response, dict) and len(response) == 1 else None
    content: Any = output if isinstance(output, str) else msgspec.json.encode(response or {}).decode()
    others = said.get("parts")
    seen = [one for part in others if (one := shown(camel(part))) is not None] if isinstance(others, list) else []
    if seen:
        content = [{"type": "text", "text": content}, *seen]
    return {"role": "tool", "tool_call_id": id_, "content": content}
