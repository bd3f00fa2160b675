"""The layer that looks for orders to the model in what isn't the caller's own, and marks what is untrusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from penstock.call import Call, Completion, Finding, Reply
from penstock.guards.delimiting import is_marked, marked, untrusted
from penstock.guards.injection import injection_score
from penstock.guards.piping import opened
from penstock.guards.refusal import refusal
from penstock.guards.settings import Screening
from penstock.handler import Handler

__all__ = ["Screen"]

_OWN: Final = frozenset(("system", "developer", "assistant"))
_RESULTS: Final = frozenset(("tool", "function"))
_PLACES: Final = {"completion": "prompt", "embedding": ""}


@dataclass(frozen=True, slots=True)
class Screen:
    """Notes or refuses prompts that read like an injection. The prompt goes on as it is but for delimiters."""

    settings: Screening

    def __call__(self, inner: Handler) -> Handler:
        settings = self.settings

        async def handle(call: Call) -> Reply:
            findings = _found(call, settings) if settings.action != "off" else ()
            if findings and settings.action == "refuse":
                told = "; ".join(
                    f"{one.where} reads like an injection ({one.what}; score {one.score})" for one in findings
                )
                raise refusal(f"guard injection refused the prompt: {told}; nothing was sent", findings)
            if settings.delimit and call.kind == "chat":
                call = _delimited(call, settings.delimit)
            reply = await inner(call)
            if not findings:
                return reply
            if isinstance(reply, Completion):
                return msgspec.structs.replace(reply, guards=(*reply.guards, *findings))
            stream = opened(reply)
            stream.guards = (*findings, *stream.guards)
            return stream

        return handle


def _found(call: Call, settings: Screening) -> tuple[Finding, ...]:
    done: Any = "refused" if settings.action == "refuse" else "flagged"
    found = []
    for where, text in _texts(call, settings.look):
        score = injection_score(text)
        if score.score >= settings.threshold:
            what = ", ".join(score.found)
            found.append(Finding(guard="injection", what=what, where=where, done=done, score=score.score))
    return tuple(found)


def _texts(call: Call, look: str) -> Iterator[tuple[str, str]]:
    """What is looked at, message by message."""
    if call.kind != "chat":
        place = _PLACES[call.kind]
        text = call.body.get(place) if place else None
        if isinstance(text, str):
            yield from _looked_at(place, text, look, is_result=False)
        return
    messages = call.body.get("messages")
    for number, message in enumerate(messages if isinstance(messages, list) else ()):
        if not isinstance(message, dict):
            continue
        role = message.get("role")
        text = _text_of(message.get("content"))
        if text and (role not in _OWN or is_marked(text)):
            yield from _looked_at(
                f"messages[{number}]", text, "untrusted" if role in _OWN else look, is_result=role in _RESULTS
            )


def _looked_at(where: str, text: str, look: str, *, is_result: bool) -> Iterator[tuple[str, str]]:
    parts = marked(text)
    if parts:
        yield from ((where, part) for part in parts)
        if look == "untrusted" and not is_result:
            return
        # Our own order beside the marks is none of the text's.
        for part in parts:
            text = text.replace(part, "")
        text = "\n".join(line for line in text.split("\n") if "untrusted-" not in line)
    if text and (look == "all" or is_result):
        yield where, text


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return ""


def _delimited(call: Call, roles: tuple[str, ...]) -> Call:
    """The call with the messages of these roles marked as untrusted, those that are already left alone."""
    messages = call.body.get("messages")
    if not isinstance(messages, list):
        return call
    made = [
        _marked(message) if isinstance(message, dict) and message.get("role") in roles else message
        for message in messages
    ]
    if all(new is old for new, old in zip(made, messages, strict=True)):
        return call
    return msgspec.structs.replace(call, body={**call.body, "messages": made})


def _marked(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    source = "the result of a tool" if message.get("role") in _RESULTS else "what a user wrote"
    if isinstance(content, str):
        return (
            message if not content or is_marked(content) else {**message, "content": untrusted(content, source=source)}
        )
    if not isinstance(content, list):
        return message
    parts = [
        {**part, "text": untrusted(part["text"], source=source)}
        if isinstance(part, dict) and isinstance(part.get("text"), str) and not is_marked(part["text"])
        else part
        for part in content
    ]
    return {**message, "content": parts}
