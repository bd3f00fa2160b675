"""What an input is to the engine: numbered rows, good and bad, that can be read again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import msgspec

from penstock.call import Kind, PromptVersion

__all__ = ["MAX_ID_CHARS", "BadRow", "Row", "Source", "Wanted", "fingerprint_of", "id_of", "json_name"]

MAX_ID_CHARS = 4096
_EDGE_BYTES = 65_536

Wanted = Callable[[int], bool]
"""Of an index, whether the row is needed; what isn't needed isn't decoded."""


class Row(msgspec.Struct):
    """One request of the input. `index` counts non-blank rows from 0, bad ones included; `line` is where it starts,
    counted from 1 (of a `.parquet`, the row)."""

    index: int
    line: int
    custom_id: str
    kind: Kind
    model: str | None
    """The body's own model; None when it named none."""
    body: dict[str, Any]
    """OpenAI's JSON for `kind`, without "model" and "stream"."""
    prompt: PromptVersion | None = None
    """The prompt of a library that made it."""
    variables: dict[str, Any] | None = None
    """What a template made it of."""


class BadRow(msgspec.Struct):
    """A row that is no request. `message` is whole: file, line, what was expected and what came."""

    index: int
    line: int
    custom_id: str | None
    """None when the row's id can't be told."""
    message: str


class Source(Protocol):
    """An input. Reading blocks the thread. `InputError` from any method: the file as a whole can't be read."""

    @property
    def name(self) -> str:
        """What messages call it: the path as the user wrote it."""
        ...

    @property
    def path(self) -> Path | None:
        """None for the standard input."""
        ...

    @property
    def replayable(self) -> bool:
        """Each `rows()` starts anew. False for a pipe, which is read once."""
        ...

    def fingerprint(self) -> bytes | None:
        """16 bytes that change when the rows may have changed: size, time, both ends of the file, and the options
        that shape rows. None for a pipe."""
        ...

    def rows(self, *, wanted: Wanted | None = None) -> Iterator[Row | BadRow]:
        """Every row in order; one whose index `wanted` refuses is counted and left out."""
        ...

    def columns(self) -> list[str]:
        """The names of what `table` gives, in order."""
        ...

    def table(self) -> Iterator[dict[str, Any]]:
        """The original rows for a table of answers, one for every index; bad rows too, with None for what they lack."""
        ...


def fingerprint_of(path: Path, options: tuple[str | None, ...]) -> bytes:
    """See `Source.fingerprint`; `options` are what shapes the rows besides the file."""
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        digest.update(repr((stat.st_size, stat.st_mtime_ns, options)).encode("utf-8", "surrogateescape"))
        digest.update(file.read(_EDGE_BYTES))
        file.seek(max(0, stat.st_size - _EDGE_BYTES))
        digest.update(file.read(_EDGE_BYTES))
    return digest.digest()


def id_of(value: object, key: str) -> str:
    """A row's custom_id as text: a non-empty string, or an integer as its digits.

    Raises ValueError with what was expected.
    """
    if type(value) is str:
        if 0 < len(value) <= MAX_ID_CHARS:
            return value
        came = f"{len(value)} characters" if value else "an empty one"
        raise ValueError(f'"{key}": expected a string of 1 to {MAX_ID_CHARS} characters, got {came}')
    if type(value) is int:
        return str(value)
    raise ValueError(f'"{key}": expected a string, got {json_name(value)}')


_JSON_NAMES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "true or false",
    type(None): "null",
}


def json_name(value: object) -> str:
    """What a decoded value is, in JSON's words."""
    return _JSON_NAMES.get(type(value), type(value).__name__)
