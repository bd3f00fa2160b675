"""Structured output where a model takes less of it than OpenAI's newest: bare types, JSON mode, the prompt alone."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from penstock.catalog import SchemaMode

__all__ = ["ask_for_form"]

_CONSTRAINTS: Final = frozenset(
    (
        *("minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems"),
        *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    )
)
_TOLD: Final = "Answer with JSON alone, without any other word, that fits this JSON Schema:\n"


def ask_for_form(body: dict[str, Any], mode: SchemaMode) -> None:
    """Change a chat's body so that a model of this mode is asked for the same schema. Other formats stay.

    JSON mode promises some JSON: which one, the prompt says. It is refused where the prompt doesn't name JSON.
    """
    wanted = body.get("response_format")
    told = wanted.get("json_schema") if isinstance(wanted, dict) and wanted.get("type") == "json_schema" else None
    schema = told.get("schema") if isinstance(told, dict) else None
    if mode == "schema" or not isinstance(wanted, dict) or not isinstance(told, dict) or not isinstance(schema, dict):
        return
    if mode == "bare":
        if told.get("strict") is True:
            body["response_format"] = {**wanted, "json_schema": {**told, "schema": _bare(schema)}}
        return
    if mode == "loose":
        body["response_format"] = {**wanted, "json_schema": {**told, "strict": False}}
        return
    if mode == "object":
        body["response_format"] = {"type": "json_object"}
    else:
        del body["response_format"]
    body["messages"] = _with_words(body.get("messages"), _TOLD + msgspec.json.encode(schema).decode())


def _bare(schema: Any) -> Any:
    """The schema with its constraints in the descriptions, where strict mode takes nothing but types."""
    if isinstance(schema, list):
        return [_bare(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made: dict[str, Any] = {}
    lost: list[str] = []
    for key, value in schema.items():
        if key in ("properties", "$defs", "definitions") and isinstance(value, dict):
            made[key] = {name: _bare(one) for name, one in value.items()}
        elif key in _CONSTRAINTS:
            lost.append(f"{key}: {value}")
        else:
            made[key] = value if key in ("enum", "const") else _bare(value)
    if lost:
        made["description"] = f"{made.get('description', '')} ({', '.join(lost)})".strip()
    return made


def _with_words(messages: Any, words: str) -> Any:
    """The messages with a word to the system: some servers take only one system message, and that first."""
    if not isinstance(messages, list) or not messages:
        return messages
    first, *rest = messages
    if isinstance(first, dict) and first.get("role") in ("system", "developer"):
        content = first.get("content")
        if isinstance(content, str):
            return [{**first, "content": f"{content}\n\n{words}"}, *rest]
        if isinstance(content, list):
            return [{**first, "content": [*content, {"type": "text", "text": words}]}, *rest]
    return [{"role": "system", "content": words}, *messages]
