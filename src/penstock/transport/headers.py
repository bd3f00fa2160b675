"""A reply's header as a mapping that reads wreq's own table only when asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from wreq import HeaderMap

__all__ = ["LazyHeaders"]


class LazyHeaders(Mapping[str, str]):
    """Field values by name, any case; names iterate in lower case. Repeated fields are joined with ", ".

    Bytes are read as Latin-1, so every header that HTTP allows is readable.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: HeaderMap) -> None:
        self._fields = fields

    def __getitem__(self, name: str) -> str:
        values = self._fields.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(str(value, "latin-1") for value in values)

    def get(self, name: str, default: Any = None) -> Any:
        # The mapping's own raises and catches for each field that isn't there, and most aren't.
        values = self._fields.get_all(name)
        if not values:
            return default
        return str(values[0], "latin-1") if len(values) == 1 else self[name]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._fields.contains_key(name)

    def __iter__(self) -> Iterator[str]:
        return iter([str(name, "latin-1") for name in self._fields.keys()])  # noqa: SIM118 - keys() is its own method

    def __len__(self) -> int:
        return self._fields.keys_len()

    def __repr__(self) -> str:
        return f"LazyHeaders({dict(self)!r})"
