"""The smallest value that fits a JSON Schema, with a given text in its strings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

__all__ = ["example_of"]

_MAX_DEPTH: Final = 24
_MAX_ITEMS: Final = 1000


def example_of(schema: dict[str, Any], text: str) -> Any:
    """A value for `schema` (objects, arrays, strings, numbers, enums, $ref, anyOf, oneOf, allOf); None past 24 levels.

    What is not understood is answered with `text`: this is a stand-in for a model, not a validator.
    """
    return _example(schema, text, root=schema, depth=0)


def _example(schema: Any, text: str, *, root: dict[str, Any], depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return None
    if "const" in schema:
        return schema["const"]
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        return schema["enum"][0]
    if isinstance(schema.get("$ref"), str):
        return _example(_resolved(schema["$ref"], root), text, root=root, depth=depth + 1)
    for word in ("anyOf", "oneOf"):
        if isinstance(schema.get(word), list) and schema[word]:
            return _example(schema[word][0], text, root=root, depth=depth + 1)
    if isinstance(schema.get("allOf"), list):
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            merged |= _resolved(part["$ref"], root) if isinstance(part, dict) and "$ref" in part else part
        return _example(merged, text, root=root, depth=depth + 1)
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind is None and "properties" in schema:
        kind = "object"
    make = _BY_TYPE.get(kind) if isinstance(kind, str) else None
    return text if make is None else make(schema, text, root, depth)


def _resolved(reference: str, root: dict[str, Any]) -> dict[str, Any]:
    found: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part:
            found = found.get(part) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _object(schema: dict[str, Any], text: str, root: dict[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    return {name: _example(part, text, root=root, depth=depth + 1) for name, part in properties.items()}


def _array(schema: dict[str, Any], text: str, root: dict[str, Any], depth: int) -> list[Any]:
    first = schema.get("prefixItems")
    if isinstance(first, list) and first:
        return [_example(part, text, root=root, depth=depth + 1) for part in first]
    # A list within lists ends at some depth: else what holds itself would never fit.
    least = schema.get("minItems", 1 if depth < _MAX_DEPTH // 3 else 0)
    count = min(_MAX_ITEMS, least) if isinstance(least, int) else 1
    return [_example(schema.get("items", {}), text, root=root, depth=depth + 1) for _ in range(count)]


def _string(schema: dict[str, Any], text: str, _root: dict[str, Any], _depth: int) -> str:
    if (formed := _BY_FORMAT.get(str(schema.get("format")))) is not None:
        return formed
    most, least = schema.get("maxLength"), schema.get("minLength")
    if isinstance(least, int) and len(text) < least:
        text = text.ljust(min(least, 1_000_000), ".")
    return text[:most] if isinstance(most, int) else text


def _number(schema: dict[str, Any], _text: str, _root: dict[str, Any], _depth: int) -> Any:
    for word, step in (("minimum", 0), ("exclusiveMinimum", 1), ("maximum", 0), ("exclusiveMaximum", -1)):
        if isinstance(schema.get(word), int | float):
            return schema[word] + step
    return 1


_BY_FORMAT: Final = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1M",
    "decimal": "1.5",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "ada@example.com",
    "uri": "https://example.com/",
}
"""Of strings that can't be any text."""
_BY_TYPE: Final[dict[str, Callable[[dict[str, Any], str, dict[str, Any], int], Any]]] = {
    "object": _object,
    "array": _array,
    "string": _string,
    "number": _number,
    "integer": _number,
    "boolean": lambda *_: True,
    "null": lambda *_: None,
}
