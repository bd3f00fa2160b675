"""Contents that are lists of chunks: Mistral's form of an answer with thoughts and references in it, both ways.

In the neutral form the text is `content`, thoughts are `reasoning_content`, and each reference is an item of
`references` that says behind how many characters of the text it stood (`at`).
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec

from penstock.call import Completion, Message
from penstock.wire.dropping import dropped

__all__ = [
    "Parts",
    "chunks_of",
    "further",
    "in_chunks",
    "reference_chunk",
    "split_parts",
    "thinking_chunk",
    "with_chunks",
]

_Chunk = dict[str, Any]


class Parts(NamedTuple):
    """What a list of chunks holds."""

    text: str
    thinking: str
    references: list[_Chunk]
    rest: bool
    """There are chunks of other types in it."""


def split_parts(content: list[Any]) -> Parts:
    """Text, thoughts and references of a list of chunks."""
    text: list[str] = []
    thinking: list[str] = []
    references: list[_Chunk] = []
    rest = False
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            text.append(part["text"])
        elif kind == "thinking":
            inner = part.get("thinking")
            thinking.append(split_parts(inner).text if isinstance(inner, list) else str(inner or ""))
        elif kind == "reasoning" and isinstance(part.get("summary"), list):  # Databricks
            thinking.extend(str(one.get("text") or "") for one in part["summary"] if isinstance(one, dict))
        elif kind == "reference":
            references.append({**part, "at": sum(map(len, text))})
        elif isinstance(part, str):
            text.append(part)
        else:
            rest = True
    return Parts("".join(text), "".join(thinking), references, rest)


def further(references: list[_Chunk], by: int) -> list[_Chunk]:
    """References that stand in a piece of the text which `by` characters were before."""
    return [{**one, "at": one["at"] + by} for one in references]


def in_chunks(completion: Completion) -> Completion:
    """The same answer with its messages as Mistral sends them."""
    choices = tuple([msgspec.structs.replace(one, message=_in_chunks(one.message)) for one in completion.choices])
    return msgspec.structs.replace(completion, choices=choices)


def _in_chunks(message: Message) -> Message:
    said = {name: value for name, value in message.items() if name not in ("reasoning_content", "references")}
    if said.get("refusal") is None:
        said.pop("refusal", None)
    return {**said, "content": chunks_of(message)}


def chunks_of(message: Message) -> Any:
    """The content of an assistant's message: a text, or chunks where it holds thoughts or references."""
    content = message.get("content")
    thought = message.get("reasoning_content") or message.get("reasoning")
    references = message.get("references")
    if not thought and not references:
        return content
    chunks: list[Any] = [thinking_chunk(thought)] if isinstance(thought, str) and thought else []
    if isinstance(content, list):
        return [*chunks, *content]
    text, begun = content or "", 0
    for one in references if isinstance(references, list) else ():
        at = one.get("at") if isinstance(one, dict) else None
        if not isinstance(at, int) or not begun <= at <= len(text):
            continue
        if at > begun:
            chunks.append({"type": "text", "text": text[begun:at]})
        chunks.append(reference_chunk(one))
        begun = at
    return [*chunks, {"type": "text", "text": text[begun:]}] if text[begun:] else chunks


def thinking_chunk(text: str) -> _Chunk:
    """A thought as a chunk."""
    return {"type": "thinking", "thinking": [{"type": "text", "text": text}]}


def reference_chunk(reference: _Chunk) -> _Chunk:
    """A reference as a chunk: its place is where it stands."""
    return {name: value for name, value in reference.items() if name != "at"}


_KEPT: Final[dict[str, frozenset[str]]] = {
    "assistant": frozenset(("role", "content", "tool_calls", "prefix")),
    "tool": frozenset(("role", "content", "tool_call_id", "name")),
    "user": frozenset(("role", "content")),
    "system": frozenset(("role", "content")),
}
"""What a message may hold: Mistral refuses any other field with 422."""


def with_chunks(messages: Any) -> Any:
    """Messages as Mistral takes them back; what is already so stays the same object."""
    return [_as_mistral(one) for one in messages] if isinstance(messages, list) else messages


def _as_mistral(message: Any) -> Any:
    role = message.get("role") if isinstance(message, dict) else None
    kept = _KEPT.get(role) if isinstance(role, str) else None
    if kept is None:
        return {**message, "role": "system"} if role == "developer" else message
    content = message.get("content")
    if role == "user" and content.__class__ is list:
        message = {**message, "content": [_document(part) for part in content]}
    if message.keys() <= kept and not message.get("tool_calls") and role != "tool":
        return message
    if message.get("name") and "name" not in kept:
        dropped("mistral", "messages.name", "messages have no names here")
    said = {name: value for name, value in message.items() if name in kept and value is not None}
    if role == "tool":
        said["tool_call_id"] = _short_id(message.get("tool_call_id"))
    if role == "assistant":
        said["content"] = chunks_of(message) or message.get("refusal") or ""
        calls = message.get("tool_calls")
        if isinstance(calls, list):
            said["tool_calls"] = [_call(call) for call in calls]
    return said


def _document(part: Any) -> Any:
    """A file as Mistral names it; any other part stays as it is."""
    said = part.get("file") if isinstance(part, dict) and part.get("type") == "file" else None
    if not isinstance(said, dict):
        return part
    address = said.get("file_data") or said.get("file_url")
    if not isinstance(address, str):
        return {"type": "file", "file_id": said.get("file_id")}
    if not address.startswith(("data:", "http")):
        address = f"data:application/pdf;base64,{address}"
    name = said.get("filename")
    return {"type": "document_url", "document_url": address, **({"document_name": name} if name else {})}


def _call(call: Any) -> Any:
    if not isinstance(call, dict):
        return call
    return {**{name: call[name] for name in ("type", "function") if name in call}, "id": _short_id(call.get("id"))}


def _short_id(id_: Any) -> str:
    """A call's id as Mistral wants it, nine letters or digits: another provider's is replaced, always by the same."""
    text = str(id_ or "")
    return text if re.fullmatch(r"[a-zA-Z0-9]{9}", text) else blake2b(text.encode(), digest_size=5).hexdigest()[:9]
