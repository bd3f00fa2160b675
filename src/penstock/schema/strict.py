"""A JSON Schema as OpenAI's strict mode takes it, where it can be said so: closed objects, every property required.

Source: platform.openai.com/docs/guides/structured-outputs (supported schemas), late 2026. What is left out of the
schema there is still held against the answer here, and told to the model in the description.
"""

from __future__ import annotations

from typing import Any, Final

__all__ = ["rooted", "strict_schema"]

_KEPT: Final = frozenset(
    (
        *("type", "enum", "const", "description", "title", "$ref", "pattern", "required"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems"),
    )
)
_TOLD: Final = frozenset(
    (
        *("minLength", "maxLength", "uniqueItems", "format", "contains", "minContains", "maxContains"),
        *("contentEncoding", "contentMediaType", "examples"),
    )
)
"""What strict mode refuses and a description can say."""
_IGNORED: Final = frozenset(("default", "$schema", "$id", "$comment", "deprecated", "readOnly", "writeOnly"))
_FORMATS: Final = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"))
_MAX_DEPTH: Final = 64


class _Loose(Exception):
    """It can't be said in strict mode."""


def rooted(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema with its own type at the root, where that was only a reference to a definition."""
    name = schema.get("$ref")
    definitions = schema.get("$defs")
    if not isinstance(name, str) or not isinstance(definitions, dict):
        return schema
    target = definitions.get(name.removeprefix("#/$defs/")) if name.startswith("#/$defs/") else None
    if not isinstance(target, dict):
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("$ref", "$defs")}
    # Nobody else may mean the definition any more.
    others = definitions if _refers(definitions, name) else {k: v for k, v in definitions.items() if v is not target}
    return {**target, **rest, **({"$defs": others} if others else {})}


def _refers(value: Any, name: str) -> bool:
    if isinstance(value, dict):
        return value.get("$ref") == name or any(_refers(one, name) for one in value.values())
    return isinstance(value, list) and any(_refers(one, name) for one in value)


def strict_schema(schema: dict[str, Any], *, fills_defaults: bool) -> dict[str, Any] | None:
    """The schema for strict mode; None where that can't say it.

    Strict mode demands every property. `fills_defaults`: those that may be left out have defaults, which the model is
    left to say; of others nobody knows what to put there, and it would make them up.
    """
    if schema.get("type") != "object":
        return None
    try:
        strict: dict[str, Any] = _strict(schema, fills_defaults, 0)
    except _Loose:
        return None
    return strict


def _strict(schema: Any, fills: bool, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        raise _Loose
    if not schema.keys() & {"type", "enum", "const", "$ref", "anyOf", "oneOf", "allOf"}:
        raise _Loose
    if "$ref" in schema:
        # No word may stand beside a reference.
        return {"$ref": schema["$ref"]}
    made: dict[str, Any] = {}
    told: list[str] = []
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            made[key] = {name: _strict(one, fills, depth + 1) for name, one in value.items()}
        elif key in ("anyOf", "oneOf") and isinstance(value, list):
            made["anyOf"] = [_strict(one, fills, depth + 1) for one in value]
        elif key == "allOf" and isinstance(value, list) and len(value) == 1 and "properties" not in schema:
            made |= _strict(value[0], fills, depth + 1)
        elif key == "items":
            made[key] = _strict(value, fills, depth + 1)
        elif key in _KEPT or (key == "format" and value in _FORMATS):
            made[key] = value
        elif key in _TOLD:
            told.append(f"{key}: {value}")
        elif key == "discriminator" or key in _IGNORED:
            continue
        elif key != "additionalProperties" or (value is not False and value is not None):
            raise _Loose
    if made.get("type") == "object":
        _close(made, schema, fills)
    if made.get("type") == "array" and "items" not in made:
        raise _Loose
    if told:
        made["description"] = f"{made.get('description', '')} ({', '.join(told)})".strip()
    return made


def _close(made: dict[str, Any], schema: dict[str, Any], fills: bool) -> None:
    properties = made.get("properties")
    if properties is None:
        raise _Loose
    required = schema.get("required", ())
    for name in properties:
        if name not in required and not fills:
            raise _Loose
    made["required"] = list(properties)
    made["additionalProperties"] = False
