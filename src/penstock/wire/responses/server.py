"""The server half: an answer as the Responses API sends it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.call import Call, Choice, Completion, Finish, Message
from penstock.http import WireReply
from penstock.wire.responses.tooling import flat_choice, flat_format, flat_tool
from penstock.wire.responses.words import marked_annotation, reasoning_items, usage_object

__all__ = ["PREFIXES", "encode_reply", "ending_of", "items_of_message", "made_image", "response_object"]

_encode = msgspec.json.Encoder().encode
_Object = dict[str, Any]
_INCOMPLETE: Final[dict[Finish, str]] = {"length": "max_output_tokens", "content_filter": "content_filter"}
_ECHOED: Final = ("temperature", "top_p", "metadata", "parallel_tool_calls", "service_tier", "truncation", "user")


def encode_reply(completion: Completion, call: Call | None = None) -> WireReply:
    """A completion's first choice as a response; this wire has one answer to a request."""
    choice = completion.choices[0] if completion.choices else Choice({"role": "assistant", "content": ""})
    body = response_object(completion.model, completion.id, completion.created, asked=call.body if call else {})
    body |= {"output": items_of_message(choice, completion.id)} | ending_of(choice.finish)
    body["usage"] = None if completion.usage is None else usage_object(completion.usage)
    headers = {"content-type": "application/json"}
    if completion.request_id:
        headers["x-request-id"] = completion.request_id
    return WireReply(200, headers, _encode(body))


def response_object(model: str, id_: str, created: int, *, asked: _Object) -> _Object:
    """A response that says nothing yet, to a chat with the body `asked`."""
    wanted, effort = asked.get("response_format"), asked.get("reasoning_effort")
    said: _Object = {
        "id": id_,
        "object": "response",
        "created_at": created,
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": asked.get("max_completion_tokens"),
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": effort, "summary": None},
        "store": False,
        "temperature": 1.0,
        "text": {"format": flat_format(wanted) if wanted is not None else {"type": "text"}},
        "tool_choice": flat_choice(asked.get("tool_choice", "auto")),
        "tools": [flat_tool(tool) for tool in asked.get("tools") or ()],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "metadata": {},
    }
    return said | {name: asked[name] for name in _ECHOED if asked.get(name) is not None}


def ending_of(finish: Finish) -> _Object:
    """`status` and what belongs to it."""
    reason = _INCOMPLETE.get(finish)
    if reason is not None:
        return {"status": "incomplete", "incomplete_details": {"reason": reason}}
    if finish == "error":
        return {"status": "failed", "error": {"code": "server_error", "message": "The generation failed."}}
    return {"status": "completed"}


def items_of_message(choice: Choice, id_: str) -> list[_Object]:
    """An assistant message as the items of `output`: thoughts, what was said, calls, images."""
    message = choice.message
    said: list[_Object] = []
    status = "incomplete" if choice.finish in _INCOMPLETE else "completed"
    parts = _parts(message, choice.logprobs)
    if parts:
        said.append({"type": "message", "role": "assistant", "content": parts, "status": status})
    said += [_call(call) for call in message.get("tool_calls") or ()]
    said += [made_image(image) for image in message.get("images") or ()]
    thoughts = reasoning_items(message.get("reasoning_details"), stored=True)
    reasoning = message.get("reasoning_content") or message.get("reasoning")
    if reasoning and not any(item["summary"] or item.get("content") for _, item in thoughts):
        summed = {"type": "reasoning", "summary": [{"type": "summary_text", "text": reasoning}]}
        thoughts = [(position, item) for position, item in [(0, summed), *thoughts]]
    items: list[_Object] = []
    for at in range(len(said) + 1):
        last = at == len(said)
        items += [item for position, item in thoughts if position == at or (last and position > at)]
        items += said[at : at + 1]
    return [{"id": f"{PREFIXES[item['type']]}_{id_}_{place}", **item} for place, item in enumerate(items)]


PREFIXES: Final = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "custom_tool_call": "ctc",
    "image_generation_call": "ig",
}
"""How the ids of items begin."""


def _parts(message: Message, logprobs: Any) -> list[_Object]:
    content, refusal = message.get("content"), message.get("refusal")
    if isinstance(content, list):
        content = "".join(part.get("text") or "" for part in content if isinstance(part, dict))
    parts: list[_Object] = []
    if content or not (refusal or message.get("tool_calls") or message.get("images")):
        sources = [made for source in message.get("annotations") or () if (made := marked_annotation(source))]
        tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
        parts.append({"type": "output_text", "text": content or "", "annotations": sources, "logprobs": tokens or []})
    if refusal:
        parts.append({"type": "refusal", "refusal": refusal})
    return parts


def _call(call: _Object) -> _Object:
    custom = call.get("custom")
    if isinstance(custom, dict):
        said = {"name": custom.get("name"), "input": custom.get("input") or ""}
        return {"type": "custom_tool_call", "call_id": call["id"], **said}
    said = {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}
    return {"type": "function_call", "call_id": call["id"], **said, "status": "completed"}


def made_image(image: _Object) -> _Object:
    """An image as the call of the tool that made it."""
    url = image.get("image_url", {}).get("url", "")
    head, _, data = url.partition(";base64,")
    kind = head.removeprefix("data:image/") if data else "png"
    return {"type": "image_generation_call", "status": "completed", "output_format": kind, "result": data or url}
