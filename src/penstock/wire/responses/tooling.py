"""Tools, the choice of one, and the form of the answer: nested in chat completions, flat here. Both directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

__all__ = ["flat_choice", "flat_format", "flat_tool", "nested_choice", "nested_format", "nested_tool", "search_tool"]

_Object = dict[str, Any]
_ANY_OBJECT: Final = {"type": "object", "properties": {}}


def flat_tool(tool: Any) -> Any:
    """A chat's tool as this wire has it; a built-in one goes as it is.

    Strictness is said in any case: this wire's default is another one than the chat's.
    """
    inner = _inner(tool)
    if inner is None:
        return tool
    if tool["type"] == "function":
        parameters = inner.get("parameters")
        made = {**inner, "parameters": _ANY_OBJECT if parameters is None else parameters}
        return {"type": "function", **made, "strict": bool(inner.get("strict"))}
    made = {"type": "custom", **inner}
    if isinstance(inner.get("format"), dict):
        made["format"] = _flat_grammar(inner["format"])
    return made


def nested_tool(tool: Any) -> Any:
    """The way back of `flat_tool`."""
    kind = tool.get("type") if isinstance(tool, dict) else None
    if kind not in ("function", "custom") or kind in tool or not isinstance(tool.get("name"), str):
        return tool
    inner = {name: value for name, value in tool.items() if name != "type" and value is not None}
    if kind == "function":
        if inner.get("parameters") == _ANY_OBJECT:
            del inner["parameters"]
        if not inner.get("strict"):
            inner.pop("strict", None)
    elif isinstance(inner.get("format"), dict):
        inner["format"] = _nested_grammar(inner["format"])
    return {"type": kind, kind: inner}


def _inner(tool: Any) -> _Object | None:
    """What a chat's tool holds under its own type."""
    kind = tool.get("type") if isinstance(tool, dict) else None
    inner = tool.get(kind) if kind in ("function", "custom") else None
    return inner if isinstance(inner, dict) else None


def _flat_grammar(said: _Object) -> _Object:
    grammar = said.get("grammar")
    return {"type": "grammar", **grammar} if isinstance(grammar, dict) else said


def _nested_grammar(said: _Object) -> _Object:
    if said.get("type") != "grammar" or "grammar" in said:
        return said
    return {"type": "grammar", "grammar": {name: value for name, value in said.items() if name != "type"}}


def flat_choice(choice: Any) -> Any:
    """`tool_choice` as this wire has it."""
    return _choice(choice, _flat_named, lambda inner: {"type": "allowed_tools", **inner})


def nested_choice(choice: Any) -> Any:
    """The way back of `flat_choice`."""
    return _choice(choice, _nested_named, lambda inner: {"type": "allowed_tools", "allowed_tools": inner})


def _choice(choice: Any, named: Callable[[Any], Any], allowed: Callable[[_Object], _Object]) -> Any:
    if not isinstance(choice, dict):
        return choice
    if choice.get("type") != "allowed_tools":
        return named(choice)
    inner = choice.get("allowed_tools")
    inner = dict(inner) if isinstance(inner, dict) else {k: v for k, v in choice.items() if k != "type"}
    if isinstance(inner.get("tools"), list):
        inner["tools"] = [named(tool) for tool in inner["tools"]]
    return allowed(inner)


def _flat_named(said: Any) -> Any:
    inner = _inner(said)
    return said if inner is None else {"type": said["type"], "name": inner.get("name")}


def _nested_named(said: Any) -> Any:
    kind = said.get("type") if isinstance(said, dict) else None
    if kind not in ("function", "custom") or kind in said:
        return said
    return {"type": kind, kind: {"name": said.get("name")}}


def flat_format(wanted: Any) -> Any:
    """`response_format` as this wire's `text.format`."""
    wrapper = wanted.get("json_schema") if isinstance(wanted, dict) else None
    return {"type": "json_schema", **wrapper} if isinstance(wrapper, dict) else wanted


def nested_format(said: Any) -> Any:
    """The way back of `flat_format`."""
    if not isinstance(said, dict) or said.get("type") != "json_schema" or "json_schema" in said:
        return said
    inner = {name: value for name, value in said.items() if name != "type" and value is not None}
    return {"type": "json_schema", "json_schema": inner}


def search_tool(options: Any) -> _Object:
    """A chat's `web_search_options` as the tool that searches here."""
    tool: _Object = {"type": "web_search", **(options if isinstance(options, dict) else {})}
    place = tool.get("user_location")
    if isinstance(place, dict) and isinstance(place.get("approximate"), dict):
        tool["user_location"] = {"type": "approximate", **place["approximate"]}
    return tool
