"""A store in a SQLite file: shared by any number of processes, bounded in time and size, safe against their death."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from penstock.stores.sqlite_file import (
    FileLock,
    OlderLayout,
    check_header,
    connect_reader,
    connect_writer,
    delete,
    is_damage,
    is_full,
    place,
    set_aside,
)
from penstock.stores.sqlite_rows import clear_rows, count_rows, find_rows, prune_rows
from penstock.stores.sqlite_writer import PATIENCE_S, Writer
from penstock.stores.store import Found, StoreError, StoreStats

__all__ = ["SqliteStore"]

T = TypeVar("T")

_log = logging.getLogger("penstock.cache")
_FIND = "SELECT e.put_s, b.value FROM entries e JOIN bodies b ON b.id = e.body WHERE e.id = ? AND b.key = ?"


class SqliteStore:
    """Keeps values in the file at `path` for `ttl_s` seconds, the oldest unused dropped above `max_bytes`.

    What is put is written by a thread, in groups, within 250 ms; a group that can't be written is dropped, logged once,
    and `trouble` says why. A read goes straight to the file: it takes 5 us where the page is in memory. A damaged file
    is put aside and begun anew as soon as nobody else has it open, and so is one whose tables an older penstock made.
    """

    def __init__(
        self,
        path: Path,
        *,
        ttl_s: float | None = None,
        max_bytes: int | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Opens or makes it. Raises `StoreError` for a file that isn't a store, is newer, or can't be used."""
        self.path = path
        self.trouble: str | None = None
        self.lost: str | None = None
        """Why something that was put isn't there, whenever that was."""
        self._ttl_s = ttl_s
        self._max_bytes = max_bytes
        self._now = now
        self._reader: sqlite3.Connection | None = None
        self._writer: Writer | None = None
        self._is_damaged = False
        with _refused(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.ExitStack() as stack:
                self._use = FileLock(path.with_name(path.name + "-use"))
                stack.callback(self._use.close)
                self._turn = FileLock(path.with_name(path.name + "-lock"))
                stack.callback(self._turn.close)
                self._open()
                stack.pop_all()

    # Opening.

    def _open(self) -> None:
        if not self._use.take(shared=True, patience_s=PATIENCE_S):
            raise StoreError(f"{self.path}: another process is putting this cache in order; try again")
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._renew(str(error), is_older=isinstance(error, OlderLayout))
            self._connect()

    def _connect(self) -> None:
        with self._turn.held(PATIENCE_S):
            is_there = self.path.exists() and self.path.stat().st_size > 0
            if is_there and not check_header(self.path):
                raise sqlite3.DatabaseError("its beginning is not that of a cache")
            connection = connect_writer(self.path)
        self._writer = Writer(self.path, connection, self._turn, self._max_bytes, self._ttl_s, self._now, self._failed)
        try:
            self._reader = connect_reader(self.path)
        except BaseException:
            self._close()
            raise

    def _renew(self, why: str, *, is_older: bool = False) -> None:
        """Put a damaged or older file aside, if nobody else has it open. Raises `StoreError` otherwise."""
        what = f"of an older penstock ({why})" if is_older else f"damaged ({why})"
        with self._turn.held(PATIENCE_S):
            if not self._use.take(patience_s=0.0):
                self._use.take(shared=True, patience_s=PATIENCE_S)
                raise StoreError(f"{self.path}: the cache is {what} and in use; stop the others, then try again")
            aside = set_aside(self.path, "older" if is_older else "damaged")
            self._use.take(shared=True)
        _log.warning("%s was %s: begun anew, the old one is kept as %s", self.path, what, aside.name)

    def _empty(self) -> None:
        """Delete the file and make a new one, if nobody else has it open. Raises `StoreError`."""
        with _refused(self.path):
            self._let_go()
            with self._turn.held(PATIENCE_S):
                is_alone = self._use.take(patience_s=0.0)
                if is_alone:
                    delete(self.path)
                self._use.take(shared=True, patience_s=PATIENCE_S)
            self._connect()
        if not is_alone:
            raise StoreError(f"{self.path}: the disk is full and others use the cache; stop them, then try again")
        self.trouble = None

    # A store.

    async def get(self, keys: Sequence[bytes]) -> Found | None:
        """The value of the first key that has one. Raises `StoreError`; of a damaged file only once."""
        writer, reader = self._writer, self._reader
        if writer is None or reader is None or self._is_damaged:
            return None
        try:
            for number, key in enumerate(keys):
                value = writer.pending(key)
                if value is not None:
                    return Found(number, value)
                row = reader.execute(_FIND, (place(key), key)).fetchone()
                if row is None:
                    continue
                if self._ttl_s is None or self._now() - row[0] < self._ttl_s:
                    writer.used(key)
                    return Found(number, row[1])
        except sqlite3.Error as error:
            self._failed(error)
            raise StoreError(f"{self.path}: {error}") from error
        return None

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of those of the keys that have one, half as dear as one by one. Raises `StoreError`."""
        writer, reader = self._writer, self._reader
        if writer is None or reader is None or self._is_damaged or not keys:
            return {}
        try:
            found = find_rows(reader, keys, None if self._ttl_s is None else self._now() - self._ttl_s)
        except sqlite3.Error as error:
            self._failed(error)
            raise StoreError(f"{self.path}: {error}") from error
        writer.used_many(found)
        for key in writer.pending_of(keys):
            if (value := writer.pending(key)) is not None:
                found[key] = value
        return found

    def put_later(self, key: bytes, make: Callable[[], bytes], size: int) -> None:
        """Keep what `make` gives, called by the thread that writes."""
        if self._writer is not None and not self._is_damaged:
            self._writer.put(key, make, size)

    def put_many(self, values: Mapping[bytes, bytes]) -> None:
        """Keep each of them."""
        if self._writer is not None and not self._is_damaged:
            self._writer.put_many(values)

    def put(self, key: bytes, value: bytes) -> None:
        """Keep the value; a store that is closed or damaged forgets it."""
        if self._writer is not None and not self._is_damaged:
            self._writer.put(key, value, len(value))

    async def flush(self) -> None:
        """Wait for what was put. Raises `StoreError` when the last of it couldn't be written."""
        if self._writer is None:
            return
        await asyncio.to_thread(self._writer.flush)
        if self.trouble is not None:
            raise StoreError(f"{self.path}: {self.trouble}")

    async def stats(self) -> StoreStats:
        """Counts the entries; the size is the file's."""
        await self._flushed()
        entries, oldest_s = await self._do(count_rows)
        parts = [self.path, self.path.with_name(self.path.name + "-wal")]
        size = sum(part.stat().st_size for part in parts if part.exists())
        return StoreStats(
            where=str(self.path), entries=entries, size_bytes=size, oldest_s=oldest_s, trouble=self.trouble
        )

    async def prune(self) -> int:
        """Drop what is too old or too much, and give back the room. Others that read now may keep it from shrinking."""
        await self._flushed()
        before_s = None if self._ttl_s is None else self._now() - self._ttl_s
        return await self._do(lambda connection: prune_rows(connection, before_s, self._max_bytes))

    async def clear(self) -> int:
        """Drop everything. Where the disk is too full even for that, the file is deleted and begun anew."""
        await self._flushed()
        try:
            return await self._do(clear_rows)
        except StoreError as error:
            if not is_full(error.__cause__):
                raise
        (count, _) = await self._do(count_rows)
        await asyncio.to_thread(self._empty)
        return count

    async def aclose(self) -> None:
        """Write what was put, and let go of the file. A damaged one is put aside."""
        if self._writer is not None:
            await asyncio.to_thread(self._close)

    # Within.

    async def _flushed(self) -> None:
        with contextlib.suppress(StoreError):
            await self.flush()

    async def _do(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """What needs the writing connection, in a thread. Raises `StoreError`."""
        writer = self._writer
        if writer is None:
            raise StoreError(f"{self.path}: the cache is closed")
        try:
            return await asyncio.to_thread(writer.do, act)
        except (sqlite3.Error, OSError) as error:
            self._failed(error)
            hint = "; penstock cache clear frees its room" if "full" in str(error) else ""
            raise StoreError(f"{self.path}: {error}{hint}") from error

    def _failed(self, error: Exception | None) -> None:
        """From any thread: what went wrong, or None when it works again."""
        if error is None:
            self.trouble = None
            return
        self._is_damaged = self._is_damaged or is_damage(error)
        if self.trouble is None:
            _log.warning("%s: %s; answers are not cached meanwhile", self.path, error)
        self.trouble = str(error)
        self.lost = f"{self.path}: {error}"

    def _let_go(self) -> None:
        writer, reader = self._writer, self._reader
        self._writer = self._reader = None
        if reader is not None:
            reader.close()
        if writer is not None:
            writer.close()

    def _close(self) -> None:
        self._let_go()
        if self._is_damaged:
            with contextlib.suppress(StoreError, OSError):
                self._renew(self.trouble or "damaged")
        self._use.close()
        self._turn.close()


@contextlib.contextmanager
def _refused(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {error}") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error
