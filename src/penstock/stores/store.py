"""What a store promises, whatever it is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import msgspec

from penstock.errors import PenstockError

__all__ = ["Found", "Many", "Store", "StoreError", "StoreStats"]


class StoreError(PenstockError):
    """A store can't be used; the message names it, says why, and what to do."""


class Found(NamedTuple):
    """A value, and which of the keys that were asked for has it."""

    place: int
    value: bytes


class StoreStats(msgspec.Struct, frozen=True, kw_only=True):
    """How much a store holds. None: it can't tell."""

    where: str
    """What people call it: a path, an address without its password, "memory"."""
    entries: int | None = None
    size_bytes: int | None = None
    """Of everything that it occupies."""
    oldest_s: float | None = None
    """When its oldest entry was put, seconds since 1970."""
    trouble: str | None = None
    """Why it doesn't keep what it is given, None when it does."""


class Store(Protocol):
    """Bytes under keys, for a while. It may forget anything at any time and never makes anything up.

    Used from one event loop at a time, which it must not block for long. Values that are older than its time to live
    are never found. What can't be read or written raises in `get`, `flush`, `stats`, `prune` and `clear`, and is never
    an error of `put`.
    """

    async def get(self, keys: Sequence[bytes]) -> Found | None:
        """The value of the first of these keys that has one; keys are at most 64 bytes."""
        ...

    def put(self, key: bytes, value: bytes) -> None:
        """Keep the value, in place of an older one. At once: `get` finds it from now on, and it is written later."""
        ...

    async def flush(self) -> None:
        """Everything that was put is where others find it, and survives the process where the store does."""
        ...

    async def stats(self) -> StoreStats: ...

    async def prune(self) -> int:
        """Drop what is too old, and give back its room; how many entries that were."""
        ...

    async def clear(self) -> int:
        """Drop everything; how many entries that were."""
        ...

    async def aclose(self) -> None:
        """Flush, and let go of files and connections. Harmless when it is closed, and whatever fails."""
        ...


@runtime_checkable
class Many(Store, Protocol):
    """A store that is also read without waiting, many keys at once, and makes values where it writes them."""

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of those of the keys that have one. Raises `StoreError`."""
        ...

    def put_later(self, key: bytes, make: Callable[[], bytes], size: int) -> None:
        """As `put`, of about `size` bytes that `make` gives, called in whatever thread."""
        ...

    def put_many(self, values: Mapping[bytes, bytes]) -> None:
        """As `put`, of each."""
        ...
