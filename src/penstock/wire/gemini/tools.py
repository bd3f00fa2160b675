"""Functions, Google's own tools and the choice among them, in both directions."""

from __future__ import annotations

from typing import Any, Final

from penstock.wire.dropping import dropped
from penstock.wire.gemini.parts import WIRE, camel, refuse

__all__ = ["choice_of", "choice_said", "json_schema", "legacy_choice", "tools_of", "tools_said"]

_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY", "any": "ANY"}
_CHOICES: Final = {"AUTO": "auto", "NONE": "none", "ANY": "required"}
_OWN: Final = {
    "web_search": "googleSearch",
    "web_search_preview": "googleSearch",
    "google_search": "googleSearch",
    "code_interpreter": "codeExecution",
    "code_execution": "codeExecution",
    "url_context": "urlContext",
}
_UPPER: Final = frozenset(("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"))
_ORDERINGS: Final = frozenset(("propertyOrdering", "property_ordering"))


def tools_of(tools: Any) -> list[dict[str, Any]]:
    """OpenAI's tools as Gemini's: all functions in one tool, and Google's own beside it."""
    if not isinstance(tools, list):
        raise refuse("tools: expected a list")
    declared: list[dict[str, Any]] = []
    own: list[dict[str, Any]] = []
    for place, tool in enumerate(tools):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind == "function":
            declared.append(_declared(tool.get("function"), f"tools[{place}]"))
        elif isinstance(kind, str) and kind in _OWN:
            own.append({_OWN[kind]: {}})
        elif isinstance(tool, dict) and tool and kind is None:
            own.append(tool)  # in Gemini's own words
        else:
            raise refuse(f"tools[{place}]: Gemini has no tool of type {kind!r}")
    return [{"functionDeclarations": declared}, *own] if declared else own


def _declared(function: Any, where: str) -> dict[str, Any]:
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str) or not name:
        raise refuse(f"{where}.function has no name")
    if function.get("strict"):
        dropped(WIRE, "tools[].function.strict", "Gemini doesn't promise that arguments fit their schema")
    said: dict[str, Any] = {"name": name}
    if function.get("description") is not None:
        said["description"] = function["description"]
    if function.get("parameters") is not None:
        said["parametersJsonSchema"] = function["parameters"]
    return said


def choice_of(choice: Any) -> dict[str, Any]:
    """`tool_choice` as a `functionCallingConfig`."""
    if isinstance(choice, str) and choice in _MODES:
        return {"mode": _MODES[choice]}
    if isinstance(choice, dict) and choice.get("type") == "function":
        names = _names([choice])
        if names:
            return {"mode": "ANY", "allowedFunctionNames": names}
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools", choice)
        names = _names(allowed.get("tools")) if isinstance(allowed, dict) else []
        if names:
            mode = "ANY" if allowed.get("mode") == "required" else "VALIDATED"
            return {"mode": mode, "allowedFunctionNames": names}
    raise refuse(f"tool_choice: {choice!r} has no form in Gemini; expected auto, none, required or a function")


def _names(tools: Any) -> list[str]:
    """The functions that `tools` names, in either of OpenAI's forms."""
    named = (
        [tool.get("function") or tool for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    )
    names = [one.get("name") for one in named if isinstance(one, dict)]
    return [name for name in names if isinstance(name, str) and name]


def legacy_choice(choice: Any) -> Any:
    """The `function_call` of old, as `tool_choice`."""
    return {"type": "function", "function": choice} if isinstance(choice, dict) else choice


# -- the way back


def tools_said(tools: Any) -> list[dict[str, Any]]:
    """Gemini's tools as OpenAI's; its own stay as they are."""
    said: list[dict[str, Any]] = []
    for tool in tools if isinstance(tools, list) else [tools]:
        tool = camel(tool)
        declared = tool.pop("functionDeclarations", None) or []
        for function in declared if isinstance(declared, list) else ():
            said.append({"type": "function", "function": _function(camel(function))})
        if tool:
            said.append(tool)
    return said


def _function(declared: dict[str, Any]) -> dict[str, Any]:
    function: dict[str, Any] = {"name": declared.get("name")}
    if declared.get("description") is not None:
        function["description"] = declared["description"]
    if declared.get("parametersJsonSchema") is not None:
        function["parameters"] = declared["parametersJsonSchema"]
    elif declared.get("parameters") is not None:
        function["parameters"] = json_schema(declared["parameters"])
    return function


def json_schema(schema: Any) -> Any:
    """A schema in Google's way, with types in capitals and `nullable`, as JSON Schema."""
    if isinstance(schema, list):
        return [json_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    said = {
        name: value.lower() if name == "type" and isinstance(value, str) and value in _UPPER else json_schema(value)
        for name, value in schema.items()
        if not (name in _ORDERINGS and isinstance(value, list))
    }
    if said.get("nullable") is True and isinstance(said.get("type"), str):
        del said["nullable"]
        said["type"] = [said["type"], "null"]
    return said


def choice_said(config: Any) -> Any:
    """A `functionCallingConfig` as `tool_choice`; None when it says nothing."""
    said = camel(config)
    mode, names = said.get("mode"), said.get("allowedFunctionNames")
    names = names if isinstance(names, list) else []
    if mode == "ANY" and len(names) == 1:
        return {"type": "function", "function": {"name": names[0]}}
    if names:
        tools = [{"type": "function", "function": {"name": name}} for name in names]
        wanted = "required" if mode == "ANY" else "auto"
        return {"type": "allowed_tools", "allowed_tools": {"mode": wanted, "tools": tools}}
    return _CHOICES.get(mode) if isinstance(mode, str) else None
