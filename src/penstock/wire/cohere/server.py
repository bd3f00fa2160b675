"""The server half: an answer or an error as Cohere sends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from penstock.call import Call, Choice, Completion, Finish, Message, Usage
from penstock.errors import CallError, ErrorKind
from penstock.http import WireReply
from penstock.wire.answering import OWN, STATUSES, headers_of, status_of
from penstock.wire.bodies import base64_of
from penstock.wire.cohere.words import FINISH, WORD, usage_object
from penstock.wire.refusals import class_name

__all__ = ["encode_error", "encode_reply", "word_of"]

_JSON: Final = {"content-type": "application/json"}
_encode = msgspec.json.Encoder().encode
_Body = dict[str, Any]

_STATUSES: Final[Mapping[ErrorKind, int]] = {**STATUSES, "content_filtered": 498}


def encode_reply(completion: Completion, call: Call | None = None) -> WireReply:
    """A completion's first choice as Cohere sends it; vectors in the form that `call` asks for."""
    headers = dict(_JSON)
    if completion.request_id:
        headers["x-debug-trace-id"] = completion.request_id
    if completion.kind == "embedding":
        return WireReply(200, headers, _encode(_embeddings(completion, call)))
    choice = completion.choices[0] if completion.choices else Choice({"role": "assistant", "content": ""})
    body: _Body = {
        "id": completion.id,
        "message": _message(choice.message),
        "finish_reason": word_of(choice.finish, choice.finish_raw),
    }
    if completion.usage is not None:
        body["usage"] = usage_object(completion.usage)
    if completion.model:
        body["model"] = completion.model
    return WireReply(200, headers, _encode(body))


def word_of(finish: Finish, raw: str | None) -> str:
    """The `finish_reason`; the provider's own word stays where it means the same here."""
    return raw if raw is not None and FINISH.get(raw) == finish else WORD[finish]


def _message(message: Message) -> _Body:
    """What was thought before a call of tools is its plan."""
    said: _Body = {"role": "assistant"}
    calls = message.get("tool_calls")
    thought = message.get("reasoning_content") or message.get("reasoning")
    content = message.get("content")
    texts = content if isinstance(content, list) else [{"text": content}]
    blocks = [{"type": "text", "text": one["text"]} for one in texts if isinstance(one, dict) and one.get("text")]
    if thought and calls:
        said["tool_plan"] = thought
    elif thought:
        blocks.insert(0, {"type": "thinking", "thinking": thought})
    if blocks or not calls:
        said["content"] = blocks
    if calls:
        said["tool_calls"] = calls
    for name in ("citations", "refusal"):
        if message.get(name):
            said[name] = message[name]
    return said


def _embeddings(completion: Completion, call: Call | None) -> _Body:
    asked = call.body if call is not None else {}
    kind = "base64" if asked.get("encoding_format") == "base64" else "float"
    vectors: list[Any] = [list(vector) if kind == "float" else base64_of(vector) for vector in completion.vectors]
    said: _Body = {"id": completion.id, "embeddings": {kind: vectors}, "texts": asked.get("input") or []}
    usage = completion.usage or Usage()
    said["meta"] = {"api_version": {"version": "2"}, "billed_units": {"input_tokens": usage.input_tokens}}
    said["response_type"] = "embeddings_by_type"
    return {**said, "model": completion.model} if completion.model else said


def encode_error(error: CallError) -> WireReply:
    """The error with the status of its class; `error_type` says what a status can't."""
    status = status_of(error, _STATUSES[error.kind], own=OWN | {422})
    headers = headers_of(error, _JSON, request_id="x-debug-trace-id")
    said = {"id": error.request_id or "", "message": error.message, "error_type": class_name(error)}
    return WireReply(status, headers, _encode(said))
