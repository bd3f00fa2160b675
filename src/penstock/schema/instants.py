"""Dates with times in a schema of msgspec's, which says their format only where a time zone is demanded."""

from __future__ import annotations

from typing import Any, Final

import msgspec

__all__ = ["with_instants"]

_FORMATS: Final[dict[type[msgspec.inspect.Type], str]] = {
    msgspec.inspect.DateTimeType: "date-time",
    msgspec.inspect.TimeType: "time",
}


def with_instants(schema: dict[str, Any], kind: Any) -> dict[str, Any]:
    """The schema that msgspec made of `kind`, in which each `datetime` and `time` says what it looks like."""
    _tell(msgspec.inspect.type_info(kind), schema, schema.get("$defs") or {}, set())
    return schema


def _tell(kind: Any, schema: Any, definitions: dict[str, Any], seen: set[int]) -> None:
    """Put the formats into `schema`, which is what `kind` became."""
    if isinstance(kind, msgspec.inspect.Metadata):
        kind = kind.type
    if not isinstance(schema, dict):
        return
    if isinstance(schema.get("$ref"), str):
        schema = definitions.get(schema["$ref"].removeprefix("#/$defs/"), {})
    if isinstance(kind, msgspec.inspect.UnionType):
        parts = schema.get("anyOf", ())
        for one in kind.types:
            # Of what is a string in JSON a union has one kind; objects and lists are found by their own form.
            for part in parts:
                if type(one) not in _FORMATS or part.get("type") == "string":
                    _tell(one, part, definitions, seen)
        return
    if (form := _FORMATS.get(type(kind))) is not None:
        if schema.get("type") == "string":
            schema.setdefault("format", form)
        return
    of = getattr(kind, "cls", None)
    if id(schema) in seen or (of is not None and schema.get("title") not in (None, of.__name__)):
        return
    seen.add(id(schema))
    for field in getattr(kind, "fields", ()):
        _tell(field.type, schema.get("properties", {}).get(field.encode_name), definitions, seen)
    if isinstance(item := getattr(kind, "item_type", None), msgspec.inspect.Type):
        _tell(item, schema.get("items"), definitions, seen)
    if isinstance(value := getattr(kind, "value_type", None), msgspec.inspect.Type):
        _tell(value, schema.get("additionalProperties"), definitions, seen)
    for item, part in zip(getattr(kind, "item_types", ()), schema.get("prefixItems", ()), strict=False):
        _tell(item, part, definitions, seen)
