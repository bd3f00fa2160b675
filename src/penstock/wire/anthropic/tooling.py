"""Tools, the choice among them, and structured output, which may need a tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from penstock.wire.anthropic.messages import refused
from penstock.wire.anthropic.schema import answer_tool, native_schema, wanted_schema
from penstock.wire.anthropic.words import ANSWER_TOOL

__all__ = ["ask_for_schema", "put_tools"]

_CHOICES: Final[dict[str, str]] = {"auto": "auto", "none": "none", "required": "any"}
_Body = dict[str, Any]


def put_tools(body: _Body, asked: Mapping[str, Any]) -> None:
    """`tools`, `tool_choice` and `parallel_tool_calls`. Raises `CallError` bad_request."""
    tools = asked.get("tools")
    if not tools:
        _name_used(body)
        return
    if not isinstance(tools, list):
        raise refused("tools: expected a list")
    body["tools"] = [_tool(tool) for tool in tools]
    choice = _choice(asked.get("tool_choice"))
    if asked.get("parallel_tool_calls") is False and (choice is None or choice["type"] != "none"):
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    if choice is not None:
        body["tool_choice"] = choice


def _name_used(body: _Body) -> None:
    """The wire wants every tool that was called to be named, also when it may be called no more."""
    blocks = [block for turn in body["messages"] if isinstance(turn["content"], list) for block in turn["content"]]
    names = dict.fromkeys(block["name"] for block in blocks if block.get("type") == "tool_use" and block.get("name"))
    if names:
        body["tools"] = [{"name": name, "input_schema": {"type": "object", "properties": {}}} for name in names]
        body["tool_choice"] = {"type": "none"}


def _tool(tool: Any) -> _Body:
    if not isinstance(tool, dict):
        raise refused("tools: expected objects")
    kind, function = tool.get("type"), tool.get("function")
    if kind != "function":
        if kind == "custom" and "input_schema" not in tool:
            raise refused("tools: a custom tool of free text has no counterpart")
        return tool  # Anthropic's own: a search, a computer, a schema
    if not isinstance(function, dict) or not function.get("name"):
        raise refused("tools: a function without a name")
    made: _Body = {"name": function["name"]}
    if function.get("description") is not None:
        made["description"] = function["description"]
    made["input_schema"] = function.get("parameters") or {"type": "object", "properties": {}}
    if function.get("strict") is not None:
        made["strict"] = function["strict"]
    mark = tool.get("cache_control") or function.get("cache_control")
    return made if mark is None else {**made, "cache_control": mark}


def _choice(choice: Any) -> _Body | None:
    if choice is None:
        return None
    if isinstance(choice, str) and choice in _CHOICES:
        return {"type": _CHOICES[choice]}
    function = choice.get("function") if isinstance(choice, dict) else None
    if isinstance(function, dict) and isinstance(function.get("name"), str):
        return {"type": "tool", "name": function["name"]}
    if isinstance(choice, dict) and choice.get("type") in ("auto", "any", "tool", "none"):
        return choice
    raise refused(f"tool_choice: {choice!r} can't be said here")


def ask_for_schema(body: _Body, response_format: Any, *, is_native: bool) -> None:
    """`response_format`: as `output_config.format` where the model has it, else as a tool that must be called.

    Only a strict schema goes the native way: it closes every object, as strict ones are.
    """
    wanted = wanted_schema(response_format)
    if wanted is None:
        return
    schema, strict = wanted
    if is_native and strict:
        form = {"type": "json_schema", "schema": native_schema(schema)}
        body["output_config"] = {**body.get("output_config", {}), "format": form}
        return
    others = body.get("tools", [])
    body["tools"] = [*others, answer_tool(schema)]
    chosen = body.get("tool_choice") or {"type": "auto"}
    if chosen["type"] in ("tool", "any"):
        return
    thinks = body.get("thinking", {}).get("type") in ("enabled", "adaptive")
    if thinks:
        # A model that thinks may not be forced; the tool's description has to do.
        forced: _Body = {"type": "auto"}
    elif others and chosen["type"] == "auto":
        forced = {"type": "any"}
    else:
        forced = {"type": "tool", "name": ANSWER_TOOL}
    if others and chosen.get("disable_parallel_tool_use"):
        forced["disable_parallel_tool_use"] = True
    body["tool_choice"] = forced
