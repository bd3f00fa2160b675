"""The server half's ear: a request to Converse or InvokeModel, in OpenAI's form."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from penstock.call import Call
from penstock.errors import CallError
from penstock.http import WireRequest
from penstock.wire.bedrock.embeddings import embedding_asked
from penstock.wire.bedrock.parts import part_of
from penstock.wire.bedrock.request import NATIVE
from penstock.wire.bedrock.words import ANSWER_TOOL, redacted_thought, signed_thought

__all__ = ["decode_request"]

_PATH: Final = re.compile(r"/model/([^/]+)/(converse-stream|converse|invoke)/?$")
_INFERENCE: Final = (
    ("maxTokens", "max_tokens"),
    ("temperature", "temperature"),
    ("topP", "top_p"),
    ("stopSequences", "stop"),
)
_Body = dict[str, Any]


def decode_request(request: WireRequest) -> Call:
    """The call that a client made: `id` is empty, `model` as it stands in the address.

    Raises `CallError` bad_request with Bedrock's status for an unknown path, a wrong method, or a malformed body.
    """
    found = _PATH.search(request.url.partition("?")[0])
    if found is None:
        raise _refusal("UnknownOperationException", 404, "UnknownOperationException")
    if request.method != "POST":
        raise _refusal(f"{request.method} is not allowed here", 405)
    model, operation = unquote(found[1]), found[2]
    try:
        said = msgspec.json.decode(request.body)
    except (ValueError, RecursionError) as error:
        raise _refusal(f"Malformed input request: {error}", code="SerializationException") from error
    if not isinstance(said, dict):
        raise _refusal("Malformed input request: expected an object", code="SerializationException")
    if operation == "invoke":
        body = embedding_asked(said)
        if body is None:
            raise _refusal("Malformed input request: only embeddings are served by invoke; ask by converse")
        return Call(id="", model=model, body=body, kind="embedding")
    try:
        body = _conversation(said)
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _refusal(f"Malformed input request: {type(error).__name__}") from error
    return Call(id="", model=model, body=body, stream=operation == "converse-stream")


def _refusal(message: str, status: int = 400, code: str = "ValidationException") -> CallError:
    return CallError("bad_request", message, status=status, code=code)


def _list(value: Any) -> list[_Body]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise _refusal("Malformed input request: expected a list of objects")
    return value


def _conversation(said: _Body) -> _Body:
    messages = [{"role": "system", "content": content} for content in _system(_list(said.get("system")))]
    for message in _list(said.get("messages")):
        blocks = _list(message.get("content"))
        messages += _assistant(blocks) if message.get("role") == "assistant" else _user(blocks)
    if not said.get("messages"):
        raise _refusal("A conversation must start with a user message. Try again with a conversation that does.")
    body: _Body = {"messages": messages}
    inference = said.get("inferenceConfig") or {}
    body.update((ours, inference[theirs]) for theirs, ours in _INFERENCE if inference.get(theirs) is not None)
    body.update((name, said[name]) for name in NATIVE if name in said)
    _read_tools(said.get("toolConfig") or {}, body)
    _read_format(body)
    if "requestMetadata" in body:
        body["metadata"] = body.pop("requestMetadata")
    if "serviceTier" in body:
        body["service_tier"] = body.pop("serviceTier")["type"]
    return {**(said.get("additionalModelRequestFields") or {}), **body}


def _system(blocks: list[_Body]) -> list[Any]:
    """The content of each system message: a text, or a list where a cached beginning ends behind it."""
    contents: list[Any] = []
    for block in blocks:
        if "cachePoint" in block and contents:
            contents[-1] = _marked(_as_parts(contents[-1]), block)
        elif isinstance(block.get("text"), str):
            contents.append(block["text"])
        else:
            contents.append([part_of(block)])
    return contents


def _as_parts(content: Any) -> list[_Body]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _marked(parts: list[_Body], block: _Body) -> list[_Body]:
    point = block["cachePoint"]
    ttl = point.get("ttl")
    parts[-1] = {**parts[-1], "cache_control": {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}}
    return parts


def _content(blocks: list[_Body]) -> Any:
    """A text where it is one block of it, else parts; None for nothing."""
    parts: list[_Body] = []
    for block in blocks:
        if "cachePoint" in block and parts:
            parts = _marked(parts, block)
        else:
            parts.append(part_of(block))
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return parts[0]["text"]
    return parts or None


def _user(blocks: list[_Body]) -> list[_Body]:
    messages: list[_Body] = []
    rest: list[_Body] = []
    for block in blocks:
        result = block.get("toolResult")
        if not isinstance(result, dict):
            rest.append(block)
            continue
        content = [
            {"text": msgspec.json.encode(one["json"]).decode()} if "json" in one else one
            for one in _list(result.get("content"))
        ]
        message = {"role": "tool", "tool_call_id": result["toolUseId"], "content": _content(content) or ""}
        if result.get("status") == "error":
            message["is_error"] = True
        messages.append(message)
    if messages and rest and "cachePoint" in rest[0]:
        messages[-1]["content"] = _marked(_as_parts(messages[-1]["content"]), rest.pop(0))
    if rest or not messages:
        messages.append({"role": "user", "content": _content(rest) or ""})
    return messages


def _assistant(blocks: list[_Body]) -> list[_Body]:
    said: list[_Body] = []
    calls: list[_Body] = []
    details: list[_Body] = []
    thoughts: list[str] = []
    for index, block in enumerate(blocks):
        use, thought = block.get("toolUse"), block.get("reasoningContent")
        if isinstance(use, dict):
            arguments = msgspec.json.encode(use.get("input", {})).decode()
            function = {"name": use["name"], "arguments": arguments}
            calls.append({"id": use["toolUseId"], "type": "function", "function": function})
        elif isinstance(thought, dict):
            text = thought.get("reasoningText") or {}
            if text.get("text"):
                thoughts.append(text["text"])
            if text.get("signature"):
                details.append(signed_thought(index, text.get("text") or "", text["signature"]))
            if thought.get("redactedContent"):
                details.append(redacted_thought(index, thought["redactedContent"]))
        else:
            said.append(block)
    message: _Body = {"role": "assistant", "content": _content(said)}
    named = (("reasoning_content", "".join(thoughts)), ("tool_calls", calls), ("reasoning_details", details))
    return [{**message, **{name: value for name, value in named if value}}]


def _read_tools(config: _Body, body: _Body) -> None:
    tools: list[_Body] = []
    for tool in _list(config.get("tools")):
        spec = tool.get("toolSpec")
        if not isinstance(spec, dict):
            if "cachePoint" in tool and tools:
                _marked(tools, tool)
            else:
                tools.append(tool)
            continue
        schema = (spec.get("inputSchema") or {}).get("json")
        if spec["name"] == ANSWER_TOOL:
            body["response_format"] = _format(schema, "answer", spec.get("description"))
            continue
        function = {"name": spec["name"], "description": spec.get("description"), "parameters": schema}
        function["strict"] = spec.get("strict")
        kept = {name: value for name, value in function.items() if value is not None}
        tools.append({"type": "function", "function": kept})
    if not tools:
        return
    body["tools"] = tools
    for name, show in _CHOICES.items():
        choice = (config.get("toolChoice") or {}).get(name)
        if isinstance(choice, dict) and "response_format" not in body:
            body["tool_choice"] = show(choice)


_CHOICES: Final[dict[str, Callable[[_Body], Any]]] = {
    "auto": lambda _: "auto",
    "any": lambda _: "required",
    "tool": lambda choice: {"type": "function", "function": {"name": choice["name"]}},
}


def _format(schema: Any, name: str, description: Any) -> _Body:
    if schema == {"type": "object"}:
        return {"type": "json_object"}
    told = {"description": description} if description else {}
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema, **told}}


def _read_format(body: _Body) -> None:
    output = body.get("outputConfig")
    if not isinstance(output, dict) or "textFormat" not in output:
        return
    definition = output["textFormat"]["structure"]["jsonSchema"]
    schema = msgspec.json.decode(definition["schema"])
    body["response_format"] = _format(schema, definition.get("name") or "answer", definition.get("description"))
    rest = {name: value for name, value in output.items() if name != "textFormat"}
    if rest:
        body["outputConfig"] = rest
    else:
        del body["outputConfig"]
