"""Answers as Gemini sends them, whole and streamed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from penstock.call import (
    Choice,
    Completion,
    Event,
    Finished,
    PartDelta,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolDelta,
    Usage,
    UsageUpdate,
)
from penstock.errors import CallError
from penstock.wire.gemini.parts import parts_of
from penstock.wire.gemini.reading import REFUSAL
from penstock.wire.gemini.signatures import REASONING, TEXT, google_extra, signed
from penstock.wire.gemini.words import finish_word, logprobs_result, usage_metadata

__all__ = ["StreamEncoder", "answer_object"]

_encode: Final = msgspec.json.Encoder().encode
_Said = dict[str, Any]


def answer_object(completion: Completion, *, vertex: bool) -> _Said:
    """A whole answer."""
    candidates = [_candidate(choice) for choice in completion.choices]
    return _answer(
        candidates,
        completion.usage,
        model=completion.model,
        id=completion.id,
        created=completion.created if vertex else 0,
    )


def _answer(candidates: list[_Said], usage: Usage | None, *, model: str, id: str, created: int) -> _Said:  # noqa: A002
    said: _Said = {}
    if candidates:
        said["candidates"] = candidates
    if usage is not None:
        said["usageMetadata"] = usage_metadata(usage)
    said["modelVersion"] = model
    if created:
        said["createTime"] = datetime.fromtimestamp(created, UTC).isoformat().replace("+00:00", "Z")
    said["responseId"] = id
    return said


def _candidate(choice: Choice) -> _Said:
    candidate: _Said = {
        "content": {"parts": _parts(choice.message), "role": "model"},
        "finishReason": finish_word(choice),
        "index": choice.index,
    }
    logprobs = logprobs_result(choice.logprobs)
    if logprobs is not None:
        candidate["logprobsResult"] = logprobs
    return candidate


def _parts(message: _Said) -> list[_Said]:
    google = google_extra(message)
    thought = message.get("reasoning_content") or message.get("reasoning")
    parts = signed([{"text": thought, "thought": True}] if thought else [], google, REASONING)
    parts += google.get("parts") or []
    texts = [part for part in parts_of(message.get("content"), "message") if part.get("text") != ""]
    parts += signed(texts, google, TEXT)
    if message.get("refusal"):
        parts.append(_refusal(message["refusal"]))
    parts += parts_of(message.get("images"), "message")
    for call in message.get("tool_calls") or ():
        function = call["function"]
        signature = google_extra(call).get("thought_signature")
        parts.append(_call(call.get("id"), function["name"], function.get("arguments") or "", signature))
    return parts


def _refusal(text: str) -> _Said:
    return {"text": text, "partMetadata": REFUSAL}


def _call(id_: str | None, name: str, arguments: str, signature: Any) -> _Said:
    """A function call; its arguments travel as they were written."""
    function: _Said = {"name": name, "args": _object(arguments)}
    if id_:
        function["id"] = id_
    part: _Said = {"functionCall": function}
    if signature:
        part["thoughtSignature"] = signature
    return part


def _object(arguments: str) -> Any:
    """The arguments; what is no JSON object (a call that was cut short) goes under one name."""
    try:
        data = arguments.encode()
        if isinstance(msgspec.json.decode(data), dict):
            return msgspec.Raw(data)
    except (ValueError, RecursionError):
        pass
    return {"arguments": arguments} if arguments else {}


class _Open:
    """A function call that is still coming: this wire has no pieces of one."""

    __slots__ = ("arguments", "extra", "id", "name")

    def __init__(self, event: ToolDelta) -> None:
        self.id = event.id
        self.name = event.name
        self.arguments = [event.arguments]
        self.extra = event.extra

    def part(self) -> _Said:
        signature = google_extra({"extra_content": self.extra}).get("thought_signature")
        return _call(self.id, self.name, "".join(self.arguments), signature)


class StreamEncoder:
    """One stream's state: a `penstock.wire.codec.Encoder`. The endings and the usage go out together, last."""

    __slots__ = ("_created", "_endings", "_id", "_model", "_open", "_signatures", "_usage", "_vertex")

    def __init__(self, *, model: str, id: str, vertex: bool) -> None:  # noqa: A002
        self._model = model
        self._id = id
        self._vertex = vertex
        self._created = 0
        self._usage: Usage | None = None
        self._open: dict[int, dict[int, _Open]] = {}
        """The calls that are still coming, by choice and index: they may come in turns."""
        self._endings: dict[int, str] = {}
        self._signatures: set[str] = set()

    def feed(self, events: list[Event]) -> bytes:
        """The events that `events` make; b"" when they make none yet."""
        return b"".join([self._piece(event) for event in events])

    def end(self) -> bytes:
        """What was held back: calls, endings, usage. The wire has no terminator."""
        calls = b"".join([self._close(choice) for choice in sorted(self._open)])
        candidates = [
            {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": word, "index": index}
            for index, word in sorted(self._endings.items())
        ]
        return calls + self._frame(candidates) if candidates or self._usage is not None else calls

    def fail(self, error: CallError) -> bytes:
        """An error in the middle, as Google writes it there: JSON for people, outside any event."""
        from penstock.wire.gemini.server import error_object  # seldom needed

        body = msgspec.json.format(_encode(error_object(error, vertex=self._vertex)), indent=2)
        return body.replace(b"\n", b"\r\n") + b"\r\n\r\n"

    def _piece(self, event: Event) -> bytes:
        if isinstance(event, TextDelta):
            part = {"text": event.text}
            return self._close(event.choice) + self._say(event.choice, part, logprobs_result(event.logprobs))
        if isinstance(event, ToolDelta):
            return self._tool(event)
        if isinstance(event, ReasoningDelta):
            return self._say(event.choice, {"text": event.text, "thought": True})
        if isinstance(event, RefusalDelta):
            return self._say(event.choice, _refusal(event.text))
        if isinstance(event, PartDelta):
            fields = {"role": "assistant", **event.fields}
            return b"".join([self._say(event.choice, part) for part in _parts(fields) if self._is_news(part)])
        if isinstance(event, Finished):
            self._endings[event.choice] = finish_word(Choice({}, event.finish, event.finish_raw))
        elif isinstance(event, UsageUpdate):
            self._usage = event.usage
        elif isinstance(event, Started):
            self._created = event.created
        return b""

    def _is_news(self, part: _Said) -> bool:
        """False for a signature that went out where it stood, and is told once more with its place."""
        signature = part.get("thoughtSignature") if part.get("text") == "" else None
        if signature in self._signatures:
            return False
        if signature is not None:
            self._signatures.add(signature)
        return True

    def _tool(self, event: ToolDelta) -> bytes:
        calls = self._open.setdefault(event.choice, {})
        known = calls.get(event.index)
        if known is None:
            calls[event.index] = _Open(event)
        else:
            known.id = known.id or event.id
            known.name = known.name or event.name
            known.arguments.append(event.arguments)
            known.extra = event.extra or known.extra
        return b""

    def _close(self, choice: int) -> bytes:
        calls = self._open.pop(choice, {})
        return b"".join([self._say(choice, call.part()) for _, call in sorted(calls.items())])

    def _say(self, choice: int, part: _Said, logprobs: _Said | None = None) -> bytes:
        candidate: _Said = {"content": {"parts": [part], "role": "model"}, "index": choice}
        if logprobs is not None:
            candidate["logprobsResult"] = logprobs
        return self._frame([candidate])

    def _frame(self, candidates: list[_Said]) -> bytes:
        created = self._created if self._vertex else 0
        said = _answer(candidates, self._usage, model=self._model, id=self._id, created=created)
        return b"data: " + _encode(said) + b"\r\n\r\n"
