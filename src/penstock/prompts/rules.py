"""Rules in a Python file: a caller's own filters for prompts that the command renders."""

from __future__ import annotations

import hashlib
import inspect
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from penstock.errors import InputError
from penstock.prompts.template import Rule

__all__ = ["Rules", "read_rules"]


class Rules(msgspec.Struct, frozen=True):
    """The functions of a file, by their names."""

    path: str
    hash: str
    """The SHA-256, in hex, of the file."""
    functions: Mapping[str, Rule]


def read_rules(path: str | Path) -> Rules:
    """The rules of a Python file: the functions in its `__all__`, else those that it defines, but for `_names`.

    The file is run, as a program is. Raises `InputError` that names the file, and the line where it fails.
    """
    file = Path(path)
    if file.suffix != ".py":
        raise InputError(f"{path}: expected a Python file with the prompts' own rules")
    try:
        source = file.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror or error}") from error
    functions = _functions(_run(file, source), str(path))
    if not functions:
        raise InputError(f"{path}: no rules in it; each function of it is one: def shout(text): ...")
    return Rules(str(path), hashlib.sha256(source).hexdigest(), functions)


def _run(file: Path, source: bytes) -> dict[str, Any]:
    # In sys.modules while it runs and after: dataclasses and pickles of the file look themselves up there.
    module = ModuleType(f"penstock_rules_{hashlib.sha256(str(file.absolute()).encode()).hexdigest()[:12]}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    try:
        exec(compile(source, str(file), "exec"), module.__dict__)  # noqa: S102 - the user's own file, named by the user
    except SyntaxError as error:
        raise InputError(f"{file}:{error.lineno}: {error.msg}") from error
    except (Exception, SystemExit) as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
        line = f":{lines[-1]}" if lines else ""
        raise InputError(f"{file}{line}: {type(error).__name__}: {error}") from error
    return vars(module)


def _functions(names: dict[str, Any], path: str) -> dict[str, Rule]:
    said = names.get("__all__")
    if said is None:
        own = names["__name__"]
        return {
            name: value
            for name, value in names.items()
            if not name.startswith("_") and inspect.isfunction(value) and value.__module__ == own
        }
    if not isinstance(said, list | tuple) or not all(isinstance(name, str) for name in said):
        raise InputError(f"{path}: __all__: expected names of functions, got {said!r:.80}")
    for name in said:
        if not callable(names.get(name)):
            raise InputError(f'{path}: __all__: "{name}" is no function of the file')
    return {name: names[name] for name in said}
