"""What other tools keep on a disk: requests-engine's folder of pickles, and fastllm-kit's of the diskcache package.

A pickle can run any code of whoever wrote it. Here it can't: only plain values are made, and of the classes of the
`openai` package a table of their fields.
"""

from __future__ import annotations

import io
import pickle
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from penstock.errors import InputError

__all__ = ["Foreign", "read_foreign"]

_HASHED: Final = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES: Final = 256 * 1024 * 1024
_PICKLED, _DISKCACHE_FILE = 4, "cache.db"


class Foreign(NamedTuple):
    """One answer that another tool kept. `answer` is None where it kept a failure or what can't be read."""

    tool: str
    hashed: str
    answer: dict[str, Any] | None


def read_foreign(path: Path) -> Iterator[Foreign]:
    """Everything that a folder of one of these tools holds. Raises `InputError` for another folder, `OSError`."""
    if path.is_file() and path.name == _DISKCACHE_FILE:
        path = path.parent
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; expected requests-engine's or fastllm-kit's cache")
    if (path / _DISKCACHE_FILE).is_file():
        return _diskcache(path)
    pickles = sorted(path.rglob("*.pkl"))
    hashed = [file for file in pickles if _HASHED.fullmatch(file.stem) and file.is_file()]
    if hashed:
        return _pickles(hashed)
    if pickles:
        raise InputError(
            f"{path}: no file here is named as requests-engine names its own (TASK/HASH.pkl, the HASH of 64 hex "
            f"digits); there is {pickles[0].relative_to(path)}"
        )
    raise InputError(
        f"{path}: neither requests-engine's cache (TASK/HASH.pkl) nor fastllm-kit's ({_DISKCACHE_FILE}) is here"
    )


def _pickles(files: list[Path]) -> Iterator[Foreign]:
    for file in files:
        answer = _unpickled(file.read_bytes()) if file.stat().st_size <= _MOST_BYTES else None
        yield Foreign("requests-engine", file.stem, answer)


def _diskcache(path: Path) -> Iterator[Foreign]:
    place = f"{(path / _DISKCACHE_FILE).absolute().as_uri()}?mode=ro"
    connection = sqlite3.connect(place, uri=True)
    try:
        rows = connection.execute("SELECT key, mode, filename, value FROM Cache WHERE raw = 1 ORDER BY rowid")
        for key, mode, filename, value in rows:
            if not isinstance(key, str):
                continue
            raw = value
            if filename is not None:
                file = (path / filename).resolve()
                is_inside = file.is_relative_to(path.resolve()) and file.is_file()
                raw = file.read_bytes() if is_inside and file.stat().st_size <= _MOST_BYTES else None
            answer = _unpickled(raw) if mode == _PICKLED and isinstance(raw, bytes) else None
            yield Foreign("fastllm-kit", key, answer)
    except sqlite3.Error as error:
        raise InputError(f"{path / _DISKCACHE_FILE} is no cache of the diskcache package: {error}") from error
    finally:
        connection.close()


class _Model:
    """Stands for a class of the openai package: keeps its fields, and nothing of it runs."""

    def __init__(self, *_: object, **__: object) -> None:
        self.fields: dict[str, Any] = {}

    def __new__(cls, *_: object, **__: object) -> _Model:
        made = super().__new__(cls)
        made.fields = {}
        return made

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            told = state.get("__dict__", state)
            more = state.get("__pydantic_extra__")
            self.fields = {**(told if isinstance(told, dict) else {}), **(more if isinstance(more, dict) else {})}


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if module == "openai" or module.startswith("openai."):
            return _Model
        if (module, name) == ("builtins", "set"):
            return set
        raise pickle.UnpicklingError(f"{module}.{name} is no part of an answer")


def _unpickled(raw: bytes) -> dict[str, Any] | None:
    try:
        answer = _plain(_Restricted(io.BytesIO(raw)).load())
    except Exception:  # noqa: BLE001 - bytes of unknown origin: whatever they raise, they are no answer
        return None
    return answer if isinstance(answer, dict) else None


def _plain(value: Any, depth: int = 0) -> Any:
    if depth > 50:
        raise ValueError("nested too deeply")
    if isinstance(value, _Model):
        return {name: _plain(item, depth + 1) for name, item in value.fields.items() if item is not None}
    if isinstance(value, dict):
        return {str(name): _plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    return value
