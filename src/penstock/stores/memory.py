"""A store in the process's own memory: the least recently used goes first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence

from penstock.stores.store import Found, StoreStats

__all__ = ["MemoryStore"]

_DEFAULT_BYTES = 256 * 1000 * 1000
_OVERHEAD_BYTES = 200
"""What an entry costs beside its key and value, about."""


class MemoryStore:
    """Keeps what fits into `max_bytes` (256 MB unless given), for `ttl_s` seconds. Gone with the process."""

    def __init__(
        self, *, ttl_s: float | None = None, max_bytes: int | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes or _DEFAULT_BYTES
        self._now = now
        self._entries: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    async def get(self, keys: Sequence[bytes]) -> Found | None:
        """The value of the first key that has one. It counts as used now."""
        for place, key in enumerate(keys):
            entry = self._entries.get(key)
            if entry is None:
                continue
            if self._is_old(entry[0]):
                self._drop(key)
                continue
            self._entries.move_to_end(key)
            return Found(place, entry[1])
        return None

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of those of the keys that have one; they count as used now."""
        found: dict[bytes, bytes] = {}
        for key in keys:
            entry = self._entries.get(key)
            if entry is not None and not self._is_old(entry[0]):
                self._entries.move_to_end(key)
                found[key] = entry[1]
        return found

    def put_later(self, key: bytes, make: Callable[[], bytes], size: int) -> None:
        """Keep what `make` gives. Raises what it raises."""
        del size
        self.put(key, make())

    def put_many(self, values: Mapping[bytes, bytes]) -> None:
        """Keep each of them."""
        for key, value in values.items():
            self.put(key, value)

    def put(self, key: bytes, value: bytes) -> None:
        """Keep the value; what doesn't fit at all isn't kept."""
        self._drop(key)
        size = _size(key, value)
        if size > self._max_bytes:
            return
        self._entries[key] = (self._now(), value)
        self._bytes += size
        while self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    async def flush(self) -> None:
        """Nothing to do: nobody else reads it."""

    async def stats(self) -> StoreStats:
        """Counts; the oldest is that of the entries that are there."""
        oldest_s = min((put_s for put_s, _ in self._entries.values()), default=None)
        return StoreStats(where="memory", entries=len(self._entries), size_bytes=self._bytes, oldest_s=oldest_s)

    async def prune(self) -> int:
        """Drop what is too old."""
        old = [key for key, (put_s, _) in self._entries.items() if self._is_old(put_s)]
        for key in old:
            self._drop(key)
        return len(old)

    async def clear(self) -> int:
        """Drop everything."""
        count = len(self._entries)
        self._entries.clear()
        self._bytes = 0
        return count

    async def aclose(self) -> None:
        """It stays as it is: another engine of the process may go on with it."""

    def _is_old(self, put_s: float) -> bool:
        return self._ttl_s is not None and self._now() - put_s >= self._ttl_s

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= _size(key, entry[1])


def _size(key: bytes, value: bytes) -> int:
    return len(key) + len(value) + _OVERHEAD_BYTES
