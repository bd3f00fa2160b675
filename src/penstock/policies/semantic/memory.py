"""The questions that were answered: their texts, their vectors, and where their answers are kept."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.vectors import RecordFile, VectorIndex, packed, unpacked

__all__ = ["Memory", "Remembered"]

_log = logging.getLogger("penstock.cache")

_MOST_UNWRITTEN: Final = 256
_REWRITE_FROM: Final = 1000


class Remembered(msgspec.Struct, array_like=True, frozen=True):
    """A question with an answer in the cache."""

    group: bytes
    """Everything that has to be equal: only questions of one group are compared."""
    text: str
    key: bytes
    """The answer's, in the cache's store."""
    question_hash: str
    put_s: float
    """Seconds since 1970."""
    vector: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Remembered).decode


class Memory:
    """At most `max_entries` questions; the one that was longest of no use goes first. With a `path` they outlive the
    process and are shared with others; what can't be read or written is logged once and forgotten."""

    def __init__(
        self,
        path: Path | None,
        *,
        max_entries: int,
        ttl_s: float | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._file = None if path is None else RecordFile(path)
        self._max_entries = max_entries
        self._ttl_s = ttl_s
        self._now = now
        self._index = VectorIndex()
        self._known: OrderedDict[int, Remembered] = OrderedDict()
        self._places: dict[tuple[bytes, str], int] = {}
        self._next = 0
        self._written = 0
        self._unwritten: list[bytes] = []
        self.trouble: str | None = None

    def __len__(self) -> int:
        return len(self._known)

    def near(self, group: bytes, vector: Any, *, floor: float, count: int) -> Iterator[tuple[Remembered, float]]:
        """The nearest of the group that are no farther than `floor`, with their similarity."""
        self.refresh()
        for place, similarity in self._index.search(group, vector, count):
            if similarity < floor:
                return
            if self._is_old(found := self._known[place]):
                self.forget(found)
            else:
                yield found, similarity

    def used(self, found: Remembered) -> None:
        """It was of use now."""
        place = self._places.get((found.group, found.text))
        if place is not None:
            self._known.move_to_end(place)

    def add(self, group: bytes, text: str, vector: Any, *, key: bytes, question_hash: str) -> None:
        """Remember a question in place of an older one of the same words. Raises `ValueError` for a vector that
        can't be compared with those that are there."""
        self.refresh()
        entry = Remembered(group, text, key, question_hash, self._now(), packed(vector))
        self._take(entry, vector)
        if self._file is not None:
            self._unwritten.append(_encode(entry))
            del self._unwritten[:-_MOST_UNWRITTEN]
            self._write()

    def forget(self, found: Remembered) -> None:
        """Its answer is gone. Others find that out for themselves."""
        place = self._places.pop((found.group, found.text), None)
        if place is not None:
            del self._known[place]
            self._index.remove(place)

    def refresh(self) -> None:
        """Take in what others wrote."""
        if self._file is None or not self._file.has_news:
            return
        try:
            is_anew, records = self._file.read()
        except (OSError, ValueError) as error:
            self._failed(error)
            return
        if is_anew:
            self._clear()
        for record in records:
            self._written += 1
            try:
                entry = _decode(record)
                if not self._is_old(entry):
                    self._take(entry, unpacked(entry.vector))
            except (msgspec.DecodeError, ValueError):
                continue
        if is_anew:
            # What this process knows and could not write yet is in no file.
            for record in self._unwritten:
                entry = _decode(record)
                self._take(entry, unpacked(entry.vector))

    def flush(self) -> None:
        """Write what waits to be written."""
        if self._file is not None and self._unwritten:
            self.refresh()
            self._write()

    def _take(self, entry: Remembered, vector: Any) -> None:
        old = self._places.get((entry.group, entry.text))
        if old is not None:
            self.forget(self._known[old])
        place = self._next
        self._index.add(entry.group, place, vector)
        self._next += 1
        self._known[place] = entry
        self._places[entry.group, entry.text] = place
        while len(self._known) > self._max_entries:
            self.forget(next(iter(self._known.values())))

    def _write(self) -> None:
        assert self._file is not None
        try:
            is_mostly_old = self._written > max(_REWRITE_FROM, 2 * len(self._known))
            if is_mostly_old and self._file.rewrite(_encode(entry) for entry in self._known.values()):
                self._written = len(self._known)
                self._unwritten.clear()
            elif self._file.append(self._unwritten):
                self._written += len(self._unwritten)
                self._unwritten.clear()
        except (OSError, ValueError) as error:
            self._failed(error)

    def _clear(self) -> None:
        self._index.clear()
        self._known.clear()
        self._places.clear()
        self._written = 0

    def _is_old(self, entry: Remembered) -> bool:
        return self._ttl_s is not None and self._now() - entry.put_s >= self._ttl_s

    def _failed(self, error: Exception) -> None:
        if self.trouble is None:
            _log.warning("questions are compared by meaning only within this process: %s", error)
        self.trouble = str(error)
        self._file = None
