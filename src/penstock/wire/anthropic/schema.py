"""Structured output: a model's own where it has one, else a tool whose arguments are the answer."""

from __future__ import annotations

from typing import Any, Final

from penstock.errors import CallError
from penstock.wire.anthropic.words import ANSWER_TOOL

__all__ = ["answer_tool", "native_schema", "wanted_schema"]

_ANY_OBJECT: Final[dict[str, Any]] = {"type": "object"}
_KEPT: Final = frozenset(
    ("type", "description", "title", "enum", "const", "default", "required", "$ref", "pattern", "examples")
)
_FORMATS: Final = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
)
_MAX_DEPTH: Final = 64


def wanted_schema(response_format: Any) -> tuple[dict[str, Any], bool] | None:
    """The JSON Schema that `response_format` asks for and whether it is strict; None for plain text.

    Raises `CallError` bad_request for a form that nobody knows.
    """
    kind = response_format.get("type") if isinstance(response_format, dict) else None
    if response_format is None or kind == "text":
        return None
    if kind == "json_object":
        return _ANY_OBJECT, False
    wrapper = response_format.get("json_schema") if kind == "json_schema" else None
    schema = wrapper.get("schema") if isinstance(wrapper, dict) else None
    if not isinstance(wrapper, dict) or not isinstance(schema, dict):
        raise CallError(
            "bad_request", "response_format: expected text, json_object, or json_schema with a schema", sent=False
        )
    return schema, wrapper.get("strict") is True


def answer_tool(schema: dict[str, Any]) -> dict[str, Any]:
    """The tool that carries the answer. Its input must be an object, so another schema stands inside one."""
    inner = schema if schema.get("type") == "object" or "$ref" in schema else {**_ANY_OBJECT, **schema}
    return {
        "name": ANSWER_TOOL,
        "description": "Give the final answer: call this tool once, with the whole answer as its input.",
        "input_schema": inner,
    }


def native_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` as Anthropic's structured output takes it.

    Objects must be closed; constraints it refuses (a minimum, a length) become part of the description.
    Source: platform.claude.com/docs/en/build-with-claude/structured-outputs, and what its own SDK does.
    """
    closed: dict[str, Any] = _closed(schema, 0)
    return closed


def _closed(schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict):
        return schema
    if depth > _MAX_DEPTH:
        raise CallError("bad_request", f"the schema is nested deeper than {_MAX_DEPTH}", sent=False)
    closed: dict[str, Any] = {}
    lost: list[str] = []
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            closed[key] = {name: _closed(one, depth + 1) for name, one in value.items()}
        elif key in ("anyOf", "oneOf", "allOf") and isinstance(value, list):
            closed["anyOf" if key == "oneOf" else key] = [_closed(one, depth + 1) for one in value]
        elif key == "items":
            closed[key] = _closed(value, depth + 1)
        elif key in _KEPT or (key == "format" and value in _FORMATS) or (key == "minItems" and value in (0, 1)):
            closed[key] = value
        elif key not in ("additionalProperties", "$schema", "$id", "strict"):
            lost.append(f"{key}: {value}")
    if closed.get("type") == "object" or "properties" in closed:
        closed["additionalProperties"] = False
    if lost:
        said = closed.get("description")
        closed["description"] = (f"{said}\n\n" if said else "") + "{" + ", ".join(lost) + "}"
    return closed
