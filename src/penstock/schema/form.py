"""The form that an answer is asked to have: what goes into the body, and what comes out of the text."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.call import Completion
from penstock.errors import ConfigError
from penstock.fold import invalid_answer
from penstock.schema.kinds import Reader, reader_of, schema_reader
from penstock.schema.partial import Partial
from penstock.schema.reading import Misfit, json_in
from penstock.schema.strict import rooted, strict_schema

__all__ = ["Form", "Growing", "form_of", "read_schema_file"]

_WRAPPED: Final = "answer"
"""The key of an answer that is no object: most providers only write objects."""
_NAME_CHARS: Final = re.compile(r"[^a-zA-Z0-9_-]+")
_MOST_NAME: Final = 64
_MOST_FORMS: Final = 256
_CUT_OFF: Final = "the answer was cut off at its token limit before it was whole (finish_reason: length)"


class Form:
    """An answer's form. Made by `form_of`; a value, which calls share."""

    __slots__ = ("_is_wrapped", "_reader", "response_format")

    def __init__(self, reader: Reader, name: str, *, wraps: bool) -> None:
        schema = rooted(reader.schema)
        self._reader = reader
        self._is_wrapped = wraps and schema.get("type") != "object"
        if self._is_wrapped:
            inner = {key: value for key, value in reader.schema.items() if key != "$defs"}
            schema = {"type": "object", "properties": {_WRAPPED: inner}, "required": [_WRAPPED]}
            if "$defs" in reader.schema:
                schema["$defs"] = reader.schema["$defs"]
        strict = strict_schema(schema, fills_defaults=reader.fills_defaults)
        told = {"name": name, "schema": schema if strict is None else strict, "strict": strict is not None}
        self.response_format: dict[str, Any] = {"type": "json_schema", "json_schema": told}
        """What asks for it in a chat's body."""

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema as it is sent."""
        schema: dict[str, Any] = self.response_format["json_schema"]["schema"]
        return schema

    def value(self, text: str) -> Any:
        """The instance in a text. Raises `Misfit`, or what the type's own code raises."""
        return self._reader.read(self._plain(text))

    def faults(self, completion: Completion) -> tuple[str, ...]:
        """What is wrong with an answer's first choice; () when it fits, and for tool calls, which are none."""
        try:
            self._read(completion)
        except Misfit as misfit:
            return misfit.faults
        return ()

    def read(self, completion: Completion) -> Any:
        """The instance in an answer's first choice; None for tool calls. Raises `InvalidAnswer`."""
        try:
            return self._read(completion)
        except Misfit as misfit:
            faults, cause = misfit.faults, None
        except Exception as error:  # noqa: BLE001 - the type's own code: the answer was paid for and isn't lost
            faults, cause = (f"the check itself failed: {type(error).__name__}: {error}",), error
        raise invalid_answer(completion, faults) from cause

    def read_plain(self, completion: Completion) -> Any:
        """The JSON in an answer's first choice, whatever form it has. Raises `InvalidAnswer` where there is none."""
        try:
            return self._plain(completion.text)
        except Misfit as misfit:
            faults = misfit.faults
        raise invalid_answer(completion, faults)

    def growing(self) -> Growing:
        """The value while its text comes."""
        return Growing(_WRAPPED if self._is_wrapped else None)

    def _plain(self, text: str) -> Any:
        found = json_in(text)
        if self._is_wrapped and isinstance(found, dict) and found.keys() == {_WRAPPED}:
            return found[_WRAPPED]
        return found

    def _read(self, completion: Completion) -> Any:
        if not completion.choices:
            raise Misfit("there is no answer")
        message = completion.message
        if message.get("tool_calls"):
            return None
        if message.get("refusal"):
            raise Misfit(f"the model refused: {str(message['refusal'])[:300]}")
        if completion.finish == "content_filter":
            raise Misfit("the provider's filter cut the answer (finish_reason: content_filter)")
        try:
            return self.value(completion.text)
        except Misfit as misfit:
            if completion.finish == "length":
                raise Misfit(_CUT_OFF, *misfit.faults) from misfit
            raise


class Growing:
    """An answer's value while its text comes: plain JSON, None before its first brace."""

    __slots__ = ("_partial", "_wrapped")

    def __init__(self, wrapped: str | None) -> None:
        self._partial = Partial()
        self._wrapped = wrapped

    def feed(self, text: str) -> Any:
        """Read the next piece; the value so far."""
        self._partial.feed(text)
        value = self._partial.value
        if self._wrapped is not None and isinstance(value, dict):
            return value.get(self._wrapped)
        return value


def form_of(schema: Any, *, source: str = "schema") -> Form:
    """The form that a type (pydantic, msgspec, dataclass, TypedDict, `list[...]` of them), a JSON Schema or a file of
    one asks for. A Form is itself.

    Raises `ConfigError` for what is none, and for a JSON Schema where jsonschema isn't installed.
    """
    if isinstance(schema, Form):
        return schema
    if isinstance(schema, Path):
        return form_of(read_schema_file(schema), source=str(schema))
    if isinstance(schema, dict):
        # An OpenAI response_format, or what stands in one, is taken for what it says.
        named = schema.get("json_schema", schema) if schema.get("type") == "json_schema" else schema
        if isinstance(named, dict) and isinstance(named.get("schema"), dict) and "name" in named:
            schema, name = named["schema"], str(named["name"])
        else:
            name = str(schema.get("title") or "answer")
        try:
            encoded = msgspec.json.encode(schema)
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigError(f"{source}: no JSON: {error}") from error
        try:
            return _form_of_schema(encoded, _as_name(name))
        except ConfigError as error:
            raise ConfigError(str(error).replace("schema", source, 1)) from error
    if isinstance(schema, str | bytes | bool | int | float | list | tuple) or schema is None:
        form = "a type, a JSON Schema as a dict, or a pathlib.Path of a file with one"
        raise ConfigError(f"{source}: expected {form}, got {schema!r:.80}")
    try:
        return _form_of_type(schema)
    except TypeError:  # it has no hash
        return Form(reader_of(schema), _as_name(_title(schema)), wraps=True)


def read_schema_file(path: Path) -> dict[str, Any]:
    """The JSON Schema in a file. Raises `ConfigError` that names it."""
    try:
        found = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: expected a JSON Schema, an object, got {type(found).__name__}")
    return found


@lru_cache(_MOST_FORMS)
def _form_of_type(kind: Any) -> Form:
    return Form(reader_of(kind), _as_name(_title(kind)), wraps=True)


@lru_cache(_MOST_FORMS)
def _form_of_schema(encoded: bytes, name: str) -> Form:
    return Form(schema_reader(msgspec.json.decode(encoded)), name, wraps=False)


def _title(kind: Any) -> str:
    return getattr(kind, "__name__", "") if not hasattr(kind, "__origin__") else ""


def _as_name(text: str) -> str:
    return _NAME_CHARS.sub("_", text).strip("_")[:_MOST_NAME] or "answer"
