"""Tools and structured output: a model's own where it has one, else a tool whose arguments are the answer."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.wire.bedrock.models import Facts
from penstock.wire.bedrock.parts import cache_point
from penstock.wire.bedrock.words import ANSWER_TOOL, refused

__all__ = ["tool_config"]

_Body = dict[str, Any]
_CHOICES: Final[dict[str, _Body | None]] = {
    "auto": {"auto": {}},
    "required": {"any": {}},
    "any": {"any": {}},
    "none": None,
}


def tool_config(asked: _Body, facts: Facts) -> tuple[_Body | None, _Body | None]:
    """`toolConfig` and the `textFormat` of `outputConfig`, None where there is none. Raises `CallError` bad_request."""
    tools, choice = _tools(asked.get("tools")), _choice(asked.get("tool_choice"))
    text_format, answer = _structured(asked.get("response_format"), facts)
    if asked.get("tool_choice") == "none" and tools:
        if _calls_in(asked.get("messages")):
            raise refused('tool_choice "none" can\'t be asked for once tools were called')
        tools = []
    if answer is not None:
        named = facts.names_tool and not tools
        choice = {"tool": {"name": ANSWER_TOOL}} if named else {"any": {}}
        tools = [*tools, answer]
    if not tools:
        return None, text_format
    return {"tools": tools, **({"toolChoice": choice} if choice is not None else {})}, text_format


def _calls_in(messages: Any) -> bool:
    return any(isinstance(one, dict) and (one.get("tool_calls") or one.get("role") == "tool") for one in messages or ())


def _tools(tools: Any) -> list[_Body]:
    if tools is not None and not isinstance(tools, list):
        raise refused("tools: expected a list")
    made: list[_Body] = []
    for tool in tools or ():
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            made.append({"toolSpec": _spec(function)})
        elif isinstance(tool, dict) and len(tool) == 1 and next(iter(tool)) in ("toolSpec", "systemTool", "cachePoint"):
            made.append(tool)
        else:
            raise refused("tools: only functions can be offered")
        mark = tool.get("cache_control") or (function.get("cache_control") if isinstance(function, dict) else None)
        if mark is not None:
            made.append(cache_point(mark))
    return made


def _spec(function: _Body) -> _Body:
    spec: _Body = {"name": function["name"]}
    if function.get("description"):
        spec["description"] = function["description"]
    spec["inputSchema"] = {"json": function.get("parameters") or {"type": "object", "properties": {}}}
    if function.get("strict") is not None:
        spec["strict"] = function["strict"]
    return spec


def _choice(choice: Any) -> _Body | None:
    if choice is None:
        return None
    if isinstance(choice, str) and choice in _CHOICES:
        return _CHOICES[choice]
    function = choice.get("function") if isinstance(choice, dict) else None
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return {"tool": {"name": function["name"]}}
    raise refused(f"tool_choice {choice!r} can't be asked for")


def _structured(wanted: Any, facts: Facts) -> tuple[_Body | None, _Body | None]:
    """The model's own structured output, or the tool whose arguments are the answer."""
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if wanted is None or kind == "text":
        return None, None
    if kind == "json_object":
        return None, _answer_tool({"type": "object"}, "")
    said = wanted.get("json_schema") if kind == "json_schema" else None
    schema = said.get("schema") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(schema, dict):
        raise refused("response_format: expected text, json_object, or json_schema with a schema")
    description = said.get("description") or ""
    if not facts.has_schema:
        return None, _answer_tool(schema, description)
    definition = {"schema": msgspec.json.encode(schema).decode(), "name": said.get("name") or "answer"}
    if description:
        definition["description"] = description
    return {"type": "json_schema", "structure": {"jsonSchema": definition}}, None


def _answer_tool(schema: _Body, description: str) -> _Body:
    told = description or "Give the answer, once and whole, by calling this."
    # A tool's input is always an object.
    as_object = schema.get("type") == "object" or "properties" in schema
    if not as_object:
        raise refused("response_format: this model can only answer by an object; the schema is of another type")
    return {"toolSpec": {"name": ANSWER_TOOL, "description": told, "inputSchema": {"json": schema}}}
