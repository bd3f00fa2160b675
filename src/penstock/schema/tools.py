"""A Python function as a tool: its schema from signature, type hints and docstring, and its arguments from JSON."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

import msgspec

from penstock.errors import ConfigError
from penstock.schema.docstrings import described
from penstock.schema.kinds import Reader, reader_of
from penstock.schema.reading import Misfit
from penstock.schema.strict import rooted

__all__ = ["Tool", "tool_of", "written"]

_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NAMED_KINDS: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_STARRED: Final[dict[Any, str]] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
_MOST_DESCRIPTION: Final = 1024


class Tool(msgspec.Struct, frozen=True, eq=False):
    """A function that a model may call."""

    name: str
    function: Callable[..., Any]
    definition: dict[str, Any]
    """In OpenAI's form."""
    readers: dict[str, Reader | None]
    """By parameter; None where its type isn't told."""
    required: tuple[str, ...]

    @property
    def is_async(self) -> bool:
        """Its result is awaited."""
        function = self.function
        while isinstance(function, partial):
            function = function.func
        return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004 - an object that is called like a coroutine function
        )

    def bound(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments, each of its parameter's type. Raises `ValueError` that names each one that isn't."""
        faults = [f"{name}: there is no such parameter" for name in arguments if name not in self.readers]
        faults += [f"{name}: missing" for name in self.required if name not in arguments]
        values: dict[str, Any] = {}
        for name, value in arguments.items():
            reader = self.readers.get(name)
            try:
                values[name] = value if reader is None else reader.read(value)
            except Misfit as misfit:
                faults += [f"{name}: {fault}" for fault in misfit.faults]
        if faults:
            raise ValueError("; ".join(faults))
        return values


def tool_of(function: Callable[..., Any]) -> Tool:
    """The tool of a function, a method or an object that is called. Raises `ConfigError` for one that can't be."""
    target = function
    while isinstance(target, partial):
        target = target.func
    name = getattr(target, "__name__", type(target).__name__)
    if not _NAME.fullmatch(name):
        raise ConfigError(f"tools: a tool needs a name of letters, digits, _ and -, got {name!r}; write it with def")
    try:
        signature = inspect.signature(function)
        hints = get_type_hints(target if hasattr(target, "__name__") else type(target).__call__, include_extras=True)
    except (TypeError, ValueError, NameError) as error:
        raise ConfigError(f"tools: {name}: its signature can't be read: {error}") from error
    if inspect.isgeneratorfunction(target) or inspect.isasyncgenfunction(target):
        raise ConfigError(f"tools: {name}: a generator; give a function that returns the list of what it yields")
    parameters = signature.parameters
    description, told = described(inspect.getdoc(target), parameters)
    readers: dict[str, Reader | None] = {}
    properties: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    for parameter in parameters.values():
        if parameter.kind not in _NAMED_KINDS:
            raise ConfigError(
                f"tools: {name}: {_STARRED.get(parameter.kind, '')}{parameter.name}: a model can only say parameters "
                "by their names; give the function named ones"
            )
        kind, text = _kind(hints.get(parameter.name, Any), told.get(parameter.name, ""))
        try:
            reader = readers[parameter.name] = None if kind is Any else reader_of(kind)
        except ConfigError as error:
            raise ConfigError(f"tools: {name}: {parameter.name}: {str(error).removeprefix('schema: ')}") from error
        schema = {} if reader is None else dict(reader.schema)
        definitions |= schema.pop("$defs", {})
        if text and "$ref" not in schema:
            schema["description"] = text
        elif text:
            schema = {"allOf": [schema], "description": text}
        if parameter.default is not parameter.empty:
            _tell_default(schema, parameter.default)
        properties[parameter.name] = schema
    required = tuple(one.name for one in parameters.values() if one.default is one.empty)
    whole: dict[str, Any] = {"type": "object", "properties": properties, "required": list(required)}
    whole["additionalProperties"] = False
    if definitions:
        whole["$defs"] = definitions
    told_function: dict[str, Any] = {"name": name, "parameters": rooted(whole)}
    if description:
        told_function["description"] = description[:_MOST_DESCRIPTION]
    return Tool(name, function, {"type": "function", "function": told_function}, readers, required)


def _kind(hint: Any, text: str) -> tuple[Any, str]:
    """The type, and the text that stands beside it in `Annotated[type, "text"]` unless the docstring says one."""
    if get_origin(hint) is Annotated:
        inner, *notes = get_args(hint)
        words = [note for note in notes if isinstance(note, str)]
        others = [note for note in notes if not isinstance(note, str)]
        hint = Annotated[(inner, *others)] if others else inner
        text = text or (words[0] if words else "")
    return hint, text


def _tell_default(schema: dict[str, Any], default: Any) -> None:
    if default is None or "$ref" in schema or "allOf" in schema:
        return
    if isinstance(default, float) and not math.isfinite(default):  # JSON has no word for it
        return
    try:
        schema["default"] = msgspec.to_builtins(default)
    except TypeError:
        return


def written(result: Any) -> str:
    """A tool's result as the model reads it: text as it is, anything else as JSON where it has such a form."""
    if isinstance(result, str):
        return result
    try:
        return msgspec.json.encode(result, enc_hook=_plain).decode()
    except (TypeError, ValueError, RecursionError):
        return str(result)


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump(mode="json") if callable(dump) else str(value)
