"""What a Python type asks of JSON: its schema, and how a value of it is made. One reader for each kind of type.

Pydantic is never imported: who has none of its models doesn't need it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, is_typeddict

import msgspec

from penstock.errors import ConfigError
from penstock.schema.instants import with_instants
from penstock.schema.reading import Misfit

__all__ = ["Reader", "reader_of", "schema_reader"]

_MOST_FAULTS: Final = 10
_encode = msgspec.json.encode


class Reader(msgspec.Struct, frozen=True):
    """A type as JSON: its schema, and from JSON values to an instance; `read` raises `Misfit`."""

    schema: dict[str, Any]
    read: Callable[[Any], Any]
    fills_defaults: bool = True
    """What may be left out has a default."""


def reader_of(kind: Any) -> Reader:
    """The reader of a type. Raises `ConfigError` for one that has no JSON form."""
    if isinstance(kind, type) and hasattr(kind, "model_validate_json") and hasattr(kind, "model_json_schema"):
        return _pydantic(kind.model_json_schema, kind.model_validate_json, kind)
    if hasattr(kind, "validate_json") and hasattr(kind, "json_schema"):  # a pydantic.TypeAdapter
        return _pydantic(kind.json_schema, kind.validate_json, kind)
    is_pydantics = hasattr(kind, "__pydantic_validator__")
    if not is_pydantics:
        try:
            schema = with_instants(msgspec.json.schema(kind), kind)
        except (TypeError, RuntimeError, NameError) as error:
            why: Exception = error
        else:
            return Reader(_without_signatures(schema), _msgspecs(kind), not is_typeddict(kind))
    adapter = getattr(sys.modules.get("pydantic"), "TypeAdapter", None)
    if adapter is not None:
        try:
            adapted = adapter(kind)
            return _pydantic(adapted.json_schema, adapted.validate_json, kind)
        except Exception as error:  # noqa: BLE001 - pydantic has a class of its own for each
            why = error
    last = (str(why).splitlines() or [type(why).__name__])[-1]
    raise ConfigError(
        f"schema: {_named(kind)} has no JSON form ({last}); expected a dataclass, a TypedDict, a msgspec Struct, a "
        "pydantic model, or what is made of them"
    )


def schema_reader(schema: dict[str, Any]) -> Reader:
    """The reader of a JSON Schema: what fits stays plain JSON. Raises `ConfigError` for one that is none."""
    try:
        import jsonschema
    except ImportError as error:
        raise ConfigError(
            "schema: holding answers against a JSON Schema takes the package jsonschema: "
            'pip install "penstock[schema]". A type (a dataclass, a msgspec Struct, a pydantic model) needs none'
        ) from error
    checker = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        checker.check_schema(schema)
        validator = checker(schema, format_checker=checker.FORMAT_CHECKER)
        # A reference that leads nowhere is found now, not when an answer that was paid for comes.
        _check_references(schema, schema)
    except jsonschema.SchemaError as error:
        raise ConfigError(f"schema: no JSON Schema: {error.message}, at {error.json_path}") from None
    except RecursionError:
        raise ConfigError("schema: it is nested too deeply") from None

    def read(value: Any) -> Any:
        faults = []
        for error in validator.iter_errors(value):
            faults.append(f"{error.json_path}: {_cut(error.message)}")
            if len(faults) == _MOST_FAULTS:
                break
        if faults:
            raise Misfit(*faults)
        return value

    return Reader(schema, read, fills_defaults=False)


def _check_references(value: Any, root: dict[str, Any]) -> None:
    if isinstance(value, list):
        for one in value:
            _check_references(one, root)
    if not isinstance(value, dict):
        return
    name = value.get("$ref")
    if isinstance(name, str):
        if not name.startswith("#"):
            raise ConfigError(f'schema: "$ref": "{name}" is outside the schema; only its own definitions can be used')
        if name.startswith("#/") and not _leads(name, root):
            raise ConfigError(f'schema: "$ref": "{name}" leads nowhere')
    for key, one in value.items():
        if key not in ("enum", "const", "default", "examples"):
            _check_references(one, root)


def _leads(name: str, root: Any) -> bool:
    for part in name[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(root, list) and key.isdigit() and int(key) < len(root):
            root = root[int(key)]
        elif isinstance(root, dict) and key in root:
            root = root[key]
        else:
            return False
    return True


def _msgspecs(kind: Any) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        try:
            return msgspec.convert(value, kind, str_keys=True)
        except msgspec.ValidationError as error:
            raise Misfit(_cut(str(error))) from error

    return read


def _pydantic(schema: Callable[[], dict[str, Any]], validate: Callable[[bytes], Any], kind: Any) -> Reader:
    def read(value: Any) -> Any:
        try:
            return validate(_encode(value))
        except ValueError as error:
            raise Misfit(*_pydantics_faults(error)) from error

    try:
        return Reader(schema(), read)
    except Exception as error:  # pydantic has a class of its own for each
        raise ConfigError(f"schema: {_named(kind)} has no JSON form: {error}") from error


def _pydantics_faults(error: ValueError) -> list[str]:
    errors = getattr(error, "errors", None)
    if not callable(errors):
        return [_cut(str(error))]
    told = errors(include_url=False, include_context=False)[:_MOST_FAULTS]
    return [f"$.{'.'.join(map(str, one['loc']))}: {_cut(one['msg'])}" for one in told]


def _without_signatures(schema: Any) -> Any:
    """A dataclass without a docstring has its own signature as one, which tells a model nothing."""
    if isinstance(schema, list):
        return [_without_signatures(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _without_signatures(value) for key, value in schema.items()}
    told, title = made.get("description"), made.get("title")
    if isinstance(told, str) and isinstance(title, str) and told.startswith(f"{title}("):
        del made["description"]
    return made


def _cut(text: str) -> str:
    return text if len(text) <= 300 else text[:297] + "..."


def _named(kind: Any) -> str:
    return getattr(kind, "__name__", None) or repr(kind)[:80]
