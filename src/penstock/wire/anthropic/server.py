"""The server half: an answer or an error as Anthropic sends it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.call import Choice, Completion, Finish, Usage
from penstock.errors import CallError
from penstock.http import WireReply
from penstock.wire.answering import OWN, headers_of, status_of
from penstock.wire.anthropic.errors import ERROR_TYPES, KINDS, TYPES
from penstock.wire.anthropic.words import FINISH, STOP_REASON, THOUGHT_FORMAT, usage_object

__all__ = ["encode_error", "encode_reply", "error_object", "message_object", "raw_object", "stop_of", "thought_block"]

_JSON: Final = {"content-type": "application/json"}
_encode = msgspec.json.Encoder().encode
_Block = dict[str, Any]


def encode_reply(completion: Completion) -> WireReply:
    """A completion's first choice as a message; this wire has one answer to a request."""
    choice = completion.choices[0] if completion.choices else Choice({"role": "assistant", "content": ""})
    reason, details = stop_of(choice.finish, choice.finish_raw, choice.message.get("refusal"))
    body = message_object(completion.model, completion.id, completion.usage or Usage())
    body |= {"content": _blocks(choice), "stop_reason": reason, "stop_details": details}
    headers = dict(_JSON)
    if completion.request_id:
        headers["request-id"] = completion.request_id
    return WireReply(200, headers, _encode(body))


def message_object(model: str, id_: str, usage: Usage) -> _Block:
    """A message that says nothing yet."""
    return {
        "id": id_,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage_object(usage),
    }


def stop_of(finish: Finish, raw: str | None, refusal: str | None) -> tuple[str, _Block | None]:
    """`stop_reason` and `stop_details`. The provider's own word stays where it means the same here."""
    if refusal:
        return "refusal", {"type": "refusal", "category": None, "explanation": refusal}
    if raw is not None and FINISH.get(raw) == finish:
        return raw, None
    return STOP_REASON[finish], None


def thought_block(detail: Any) -> _Block | None:
    """A thinking block of an item of `reasoning_details`; None for one that isn't Anthropic's."""
    if not isinstance(detail, dict) or detail.get("format") not in (None, THOUGHT_FORMAT):
        return None
    if detail.get("type") == "reasoning.text" and detail.get("signature"):
        return {"type": "thinking", "thinking": detail.get("text") or "", "signature": detail["signature"]}
    if detail.get("type") == "reasoning.encrypted" and detail.get("data"):
        return {"type": "redacted_thinking", "data": detail["data"]}
    return None


def raw_object(arguments: str) -> Any:
    """A tool call's arguments as the object they spell, in the same spelling; broken ones inside an object."""
    try:
        if isinstance(msgspec.json.decode(arguments or "{}"), dict):
            return msgspec.Raw((arguments or "{}").encode())
    except (ValueError, RecursionError):
        pass
    return {"INVALID_JSON": arguments}


def _blocks(choice: Choice) -> list[_Block]:
    message = choice.message
    thoughts = [block for block in map(thought_block, message.get("reasoning_details") or ()) if block is not None]
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if reasoning and not any(block["type"] == "thinking" for block in thoughts):
        thoughts.insert(0, {"type": "thinking", "thinking": reasoning, "signature": ""})
    content = message.get("content")
    texts = content if isinstance(content, list) else [{"type": "text", "text": content}]
    said = [{"type": "text", "text": one["text"]} for one in texts if isinstance(one, dict) and one.get("text")]
    calls = [
        {
            "type": "tool_use",
            "id": call["id"],
            "name": call["function"]["name"],
            "input": raw_object(call["function"]["arguments"]),
        }
        for call in message.get("tool_calls") or ()
    ]
    return [*thoughts, *said, *calls]


def error_object(error: CallError) -> _Block:
    """Anthropic's error shape. The error's own type stays where it means the same class."""
    _, type_ = ERROR_TYPES[error.kind]
    if error.code in TYPES and TYPES[error.code] == error.kind and error.code.endswith(("_error", "_large")):
        type_ = error.code
    said: _Block = {"type": type_, "message": error.message}
    if error.kind in KINDS:
        said["details"] = {"error_code": error.kind}
    whole: _Block = {"type": "error", "error": said}
    if error.request_id:
        whole["request_id"] = error.request_id
    return whole


def encode_error(error: CallError) -> WireReply:
    """The error with the status of its class, and how long to wait."""
    status = status_of(error, ERROR_TYPES[error.kind][0], own=OWN | {422})
    headers = headers_of(error, _JSON, request_id="request-id")
    return WireReply(status, headers, _encode(error_object(error)))
