"""From OpenAI's messages to Gemini's contents.

System messages become the system instruction, an assistant's turn a `model` turn, results of tools a `user` turn with
one function response for each call. What Gemini signed goes back in the part that it came in: a call's signature is
under `extra_content.google.thought_signature` of the call, a text's under the same of the message: see `signatures`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from penstock.wire.calls import with_ids
from penstock.wire.dropping import dropped
from penstock.wire.gemini.parts import WIRE, parts_of, refuse
from penstock.wire.gemini.signatures import REASONING, TEXT, google_extra, signed

__all__ = ["UNSIGNED", "contents_of"]

UNSIGNED: Final = "skip_thought_signature_validator"
"""What Google tells to send for a call that another model made (ai.google.dev, thought signatures)."""

_UNSIGNED_IS_FINE: Final = re.compile(r"(?:.*/)?(?:gemini-[12](?![\d])|gemini-pro|gemma|learnlm|text-)")
_NO_INSTRUCTION: Final = re.compile(r"(?:.*/)?gemma-[1-3]")
"""Models that refuse a system instruction: "Developer instruction is not enabled"."""

_Content = dict[str, Any]


def contents_of(messages: Any, model: str) -> tuple[list[dict[str, Any]], list[_Content]]:
    """The system instruction's parts, and the contents. Raises `CallError` bad_request."""
    if not isinstance(messages, list) or not messages or not all(isinstance(one, dict) for one in messages):
        raise refuse("messages: expected a list of at least one object")
    system: list[dict[str, Any]] = []
    contents: list[_Content] = []
    calls: dict[str, tuple[str, int]] = {}
    signs = _UNSIGNED_IS_FINE.match(model) is None
    for group, where in _grouped(with_ids(messages, needed=False)):
        role = group[0].get("role")
        if role in ("system", "developer"):
            if contents:
                dropped(WIRE, "the place of a later system message", "Gemini has one system instruction, at the front")
            system += parts_of(group[0].get("content"), where)
        elif role == "user":
            if group[0].get("name"):
                dropped(WIRE, "messages.name", "contents have no names")
            contents.append({"role": "user", "parts": parts_of(group[0].get("content"), where)})
        elif role == "assistant":
            contents.append({"role": "model", "parts": _said(group[0], where, calls, signs=signs)})
        elif role in ("tool", "function"):
            contents.append({"role": "user", "parts": _results(group, where, calls)})
        else:
            raise refuse(f"{where}.role is {role!r}; expected system, developer, user, assistant or tool")
    if not contents:
        # The API refuses a request without contents.
        contents.append({"role": "user", "parts": system})
        system = []
    elif _NO_INSTRUCTION.match(model) and contents[0]["role"] == "user":
        contents[0]["parts"], system = [*system, *contents[0]["parts"]], []
    for content in contents:
        content["parts"] = content["parts"] or [{"text": ""}]
    return system, contents


def _grouped(messages: list[dict[str, Any]]) -> Iterator[tuple[list[dict[str, Any]], str]]:
    """Each message alone, but results of tools that follow each other together: Gemini wants them in one turn."""
    group: list[dict[str, Any]] = []
    for place, message in enumerate(messages):
        if message.get("role") in ("tool", "function"):
            group.append(message)
            continue
        if group:
            yield group, f"messages[{place - len(group)}]"
            group = []
        yield [message], f"messages[{place}]"
    if group:
        yield group, f"messages[{len(messages) - len(group)}]"


def _said(
    message: dict[str, Any], where: str, calls: dict[str, tuple[str, int]], *, signs: bool
) -> list[dict[str, Any]]:
    """An assistant's turn: thoughts, what Google's own tools did, text, pictures, calls."""
    if message.get("audio"):
        raise refuse(f"{where}.audio names sound of another provider")
    google = google_extra(message)
    thought = message.get("reasoning_content") or message.get("reasoning")
    thoughts = [{"text": thought, "thought": True}] if isinstance(thought, str) and thought else []
    parts = signed(thoughts, google, REASONING)
    own = google.get("parts")
    parts += [part for part in own if isinstance(part, dict)] if isinstance(own, list) else []
    texts = [part for part in parts_of(message.get("content"), where) if part.get("text") != ""]
    if message.get("refusal"):
        texts.append({"text": str(message["refusal"])})
    parts += signed(texts, google, TEXT)
    parts += parts_of(message.get("images"), where)
    parts += _calls(message, where, calls, signs=signs)
    return parts


def _calls(
    message: dict[str, Any], where: str, calls: dict[str, tuple[str, int]], *, signs: bool
) -> list[dict[str, Any]]:
    said = message.get("tool_calls")
    legacy = message.get("function_call")
    if not said and isinstance(legacy, dict):
        said = [{"function": legacy}]
    parts: list[dict[str, Any]] = []
    for place, call in enumerate(said if isinstance(said, list) else ()):
        function = call.get("function") if isinstance(call, dict) else None
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(function, dict) or not isinstance(name, str) or not name:
            raise refuse(f"{where}.tool_calls[{place}] has no function name")
        arguments = _arguments(function.get("arguments"), f"{where}.tool_calls[{place}]")
        part: dict[str, Any] = {"functionCall": {"name": name, "args": arguments}}
        if call.get("id"):
            part["functionCall"]["id"] = str(call["id"])
        calls[str(call.get("id") or name)] = (name, place)
        signature = google_extra(call).get("thought_signature")
        if isinstance(signature, str) and signature:
            part["thoughtSignature"] = signature
        parts.append(part)
    if signs and parts and not any("thoughtSignature" in part for part in parts):
        parts[0]["thoughtSignature"] = UNSIGNED
    return parts


def _arguments(said: Any, where: str) -> Any:
    if said is None or said == "":
        return {}
    if isinstance(said, dict):
        return said
    try:
        data = said.encode()
        if not isinstance(msgspec.json.decode(data), dict):
            raise ValueError
    except (AttributeError, ValueError, RecursionError):
        raise refuse(f"{where}: the arguments are no JSON object, and Gemini takes nothing else") from None
    return msgspec.Raw(data)


def _results(group: list[dict[str, Any]], where: str, calls: dict[str, tuple[str, int]]) -> list[dict[str, Any]]:
    """The results of one turn's calls, in the order of the calls: models that read no ids go by it."""
    placed: list[tuple[int, dict[str, Any]]] = []
    for number, message in enumerate(group):
        wanted = message.get("tool_call_id") or message.get("name")
        name, place = calls.get(str(wanted), (message.get("name"), number))
        if not isinstance(name, str) or not name:
            raise refuse(f"{where}: no call before it has the id {wanted!r}, so its function isn't known")
        texts: list[str] = []
        others: list[dict[str, Any]] = []
        for part in parts_of(message.get("content"), where):
            if "text" in part:
                texts.append(part["text"])
            else:
                others.append(part)
        response: dict[str, Any] = {"name": name, "response": {"output": "".join(texts)}}
        if message.get("tool_call_id"):
            response["id"] = str(message["tool_call_id"])
        if others:
            response["parts"] = others
        placed.append((place, {"functionResponse": response}))
    return [part for _, part in sorted(placed, key=lambda one: one[0])]
