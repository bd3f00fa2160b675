"""The server half: an answer or an error as Ollama sends it."""

from __future__ import annotations

from typing import Any

import msgspec

from penstock.call import Choice, Completion, Finish, Kind, Message, Usage
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.wire.answering import STATUSES, headers_of, status_of
from penstock.wire.ollama.words import FINISH, WORD, arguments_object, instant_of, usage_fields
from penstock.wire.refusals import class_name

__all__ = ["call_object", "encode_error", "encode_reply", "ending", "error_body", "piece"]

_encode = msgspec.json.Encoder().encode
_Body = dict[str, Any]


def encode_reply(completion: Completion) -> WireReply:
    """A completion's first choice as Ollama sends it, in the form of its kind."""
    headers = {"content-type": "application/json; charset=utf-8"}
    if completion.request_id:
        headers["x-request-id"] = completion.request_id
    usage = completion.usage
    if completion.kind == "embedding":
        vectors = [list(vector) for vector in completion.vectors]
        body = {"model": completion.model, "embeddings": vectors, "total_duration": 0, "load_duration": 0}
        if usage is not None:
            body["prompt_eval_count"] = usage.input_tokens
        return WireReply(200, headers, _encode(body))
    choice = completion.choices[0] if completion.choices else Choice({"role": "assistant", "content": ""})
    said = _message(choice.message)
    end = ending(choice.finish, choice.finish_raw, usage)
    return WireReply(200, headers, _encode(piece(completion.kind, completion.model, completion.created, said, end)))


def piece(kind: Kind, model: str, created: int, said: _Body, end: _Body | None = None) -> _Body:
    """An answer or a line of a stream: what is said, and how it ended where it did."""
    body: _Body = {"model": model, "created_at": instant_of(created)}
    if kind == "completion":
        body["response"] = said.get("content") or ""
        body |= {"thinking": said["thinking"]} if said.get("thinking") else {}
    else:
        body["message"] = {"role": "assistant", "content": "", **said}
    return {**body, "done": False} if end is None else {**body, "done": True, **end}


def ending(finish: Finish, raw: str | None, usage: Usage | None) -> _Body:
    """Why it ended and the counts; the provider's own word stays where it means the same here."""
    word = raw if raw is not None and FINISH.get(raw) == finish else WORD[finish]
    times = {"total_duration": 0, "load_duration": 0, "prompt_eval_duration": 0, "eval_duration": 0}
    return {"done_reason": word, **times, **(usage_fields(usage) if usage is not None else {})}


def _message(message: Message) -> _Body:
    content = message.get("content")
    texts = content if isinstance(content, list) else [{"text": content}]
    said: _Body = {"content": "".join([one.get("text") or "" for one in texts if isinstance(one, dict)])}
    thought = message.get("reasoning_content") or message.get("reasoning")
    if thought:
        said["thinking"] = thought
    if message.get("refusal"):
        said["refusal"] = message["refusal"]
    calls = message.get("tool_calls") or []
    if calls:
        said["tool_calls"] = [
            call_object(at, call["id"], call["function"]["name"], call["function"]["arguments"])
            for at, call in enumerate(calls)
        ]
    return said


def call_object(index: int, id_: str, name: str, arguments: str) -> _Body:
    """A call of a tool; its arguments are the object that they spell, and broken ones stand inside one."""
    given = arguments_object(arguments)
    function = {"index": index, "name": name, "arguments": {"INVALID_JSON": arguments} if given is None else given}
    return {"id": id_, "function": function}


def error_body(error: CallError) -> _Body:
    """Ollama's error shape; `code` says what a status can't."""
    return {"error": error.message, "code": class_name(error)}


def encode_error(error: CallError) -> WireReply:
    """The error with the status of its class, and how long to wait where that is known."""
    status = status_of(error, STATUSES[error.kind])
    headers = headers_of(error, {"content-type": "application/json; charset=utf-8"}, request_id="x-request-id")
    return WireReply(status, headers, _encode(error_body(error)))
