"""The one thread of a process that writes to a store's SQLite file: what it is handed, in groups, in its turn."""

from __future__ import annotations

import atexit
import contextlib
import logging
import math
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from penstock.stores.sqlite_file import FileLock
from penstock.stores.sqlite_rows import drop_expired, insert, renew, shrink_to

__all__ = ["PATIENCE_S", "Writer"]

T = TypeVar("T")

Made = bytes | Callable[[], bytes]
"""A value, or what makes it."""

PATIENCE_S = 5.0
"""How long another process may write before we give up."""

_log = logging.getLogger("penstock.cache")
_GROUP_ROWS = 2048
_GROUP_S = 0.25
_LOOK_S = 0.02
_EXIT_S = 2.0
_MOST_PENDING_BYTES = 64 * 1024 * 1024
_LOG_BYTES = 16 * 1024 * 1024
_EXPIRE_EVERY_S = 60.0
_DROP_ROWS = 1024


_unwritten: weakref.WeakSet[Writer] = weakref.WeakSet()


@atexit.register
def _flush_all() -> None:
    """Write what is left of stores that nobody closed, while their threads still run."""
    for writer in list(_unwritten):
        writer.flush(patience_s=_EXIT_S)


class Writer:
    """Commits at most 250 ms or 2,048 values after the first of a group: keys are spread over the whole index, so that
    small groups would write most of it again and again. `put` and `used` are called from one thread.

    More than 64 MB that aren't written yet are forgotten: a disk that is too slow costs hits, not memory.
    """

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        turn: FileLock,
        max_bytes: int | None,
        ttl_s: float | None,
        now: Callable[[], float],
        failed: Callable[[Exception | None], None],
    ) -> None:
        """`failed` is told in the writer's thread what went wrong with a group, and None when one was written."""
        self._log = path.with_name(path.name + "-wal")
        self._connection = connection
        self._turn = turn
        self._max_bytes = max_bytes
        self._ttl_s = ttl_s
        self._now = now
        self._failed = failed
        self._guard = threading.Lock()
        self._writing_turn = threading.Lock()  # the connection and the file lock are one thread's at a time
        self._put: dict[bytes, Made] = {}
        self._writing: dict[bytes, Made] = {}
        self._used: set[bytes] = set()
        self._bytes = 0
        self._is_half_full = False
        self._expired_s = now()
        self._some = threading.Event()
        self._full = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def pending(self, key: bytes) -> bytes | None:
        """What was put under the key and isn't written yet."""
        if not self._put and not self._writing:
            return None
        value = self._put.get(key)
        value = self._writing.get(key) if value is None else value
        return value if value is None or isinstance(value, bytes) else value()

    def pending_of(self, keys: Iterable[bytes]) -> Iterable[bytes]:
        """Those of the keys that `pending` may have something of."""
        if not self._put and not self._writing:
            return ()
        return (self._put.keys() | self._writing.keys()).intersection(keys)

    def put(self, key: bytes, value: Made, size: int) -> None:
        """Write the value, of so many bytes, soon."""
        with self._guard:
            if self._bytes + size > _MOST_PENDING_BYTES:
                return
            put = self._put
            is_first = not put
            put[key] = value
            self._bytes += size
            if is_first:
                self._idle.clear()
        if is_first or len(put) >= _GROUP_ROWS:
            self._wake(len(put) >= _GROUP_ROWS)

    def put_many(self, values: Mapping[bytes, bytes]) -> None:
        """Write the values soon; those that there is no room for are forgotten."""
        size = sum(map(len, values.values()))
        with self._guard:
            if self._bytes + size > _MOST_PENDING_BYTES:
                return
            put = self._put
            put.update(values)
            self._bytes += size
            self._idle.clear()
        self._wake(len(put) >= _GROUP_ROWS)

    def used(self, key: bytes) -> None:
        """The value was read: where there is little room left it is to stay."""
        if self._is_half_full and len(self._used) < _GROUP_ROWS:
            with self._guard:
                self._used.add(key)
                if self._idle.is_set():
                    self._idle.clear()
            self._wake(False)

    def used_many(self, keys: Iterable[bytes]) -> None:
        """The same of many."""
        if self._is_half_full:
            for key in keys:
                self.used(key)

    def _wake(self, is_full: bool) -> None:
        if self._thread is None:
            _unwritten.add(self)
            self._thread = threading.Thread(target=self._run, name="penstock-cache", daemon=True)
            self._thread.start()
        if not self._some.is_set():
            self._some.set()
        if is_full and not self._full.is_set():
            self._full.set()

    def flush(self, *, patience_s: float = math.inf) -> None:
        """Wait until everything that was put is written or given up."""
        until_s = time.monotonic() + patience_s
        self._full.set()
        while self._thread is not None and self._thread.is_alive() and not self._idle.wait(_LOOK_S):
            self._full.set()
            if time.monotonic() > until_s:
                return

    def do(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Call `act` with the connection, in our turn. Raises what it raises, or `OSError`."""
        with self._writing_turn, self._turn.held(PATIENCE_S):
            return act(self._connection)

    def close(self) -> None:
        """Write what was put, end the thread, close the connection."""
        self._is_closing = True
        self._some.set()
        self._full.set()
        if self._thread is not None:
            self._thread.join()
        with contextlib.suppress(sqlite3.Error, OSError):
            self.do(lambda connection: connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall())
        with contextlib.suppress(sqlite3.Error, OSError):
            # The last one to close empties the log: that is writing too.
            self._turn.take(patience_s=PATIENCE_S)
            self._connection.close()
        with contextlib.suppress(OSError):
            self._turn.give()

    def _run(self) -> None:
        while True:
            self._some.clear()
            if not self._put and not self._used:
                if self._is_closing:
                    return
                self._some.wait()
            if len(self._put) < _GROUP_ROWS and not self._is_closing:
                self._full.wait(_GROUP_S)
            self._full.clear()
            with self._guard:
                self._writing, self._put = self._put, {}
                used, self._used = self._used, set()
                self._bytes = 0
            try:
                self.do(lambda connection: self._write(connection, used))  # noqa: B023 - called at once
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
            else:
                self._failed(None)
            self._writing = {}
            with self._guard:
                if not self._put and not self._used:
                    self._idle.set()

    def _write(self, connection: sqlite3.Connection, used: set[bytes]) -> None:
        now_s = self._now()
        connection.execute("BEGIN IMMEDIATE")
        try:
            if self._writing:
                insert(connection, _made(self._writing), int(now_s))
            if used:
                renew(connection, used - self._writing.keys())
            self._make_room(connection, now_s)
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        # Also where it can't be: the values are written.
        with contextlib.suppress(sqlite3.Error, OSError):
            self._empty_log(connection)

    def _make_room(self, connection: sqlite3.Connection, now_s: float) -> None:
        # More than is written, or what is too much would grow with each group.
        most = max(_DROP_ROWS, 2 * len(self._writing))
        is_time = self._ttl_s is not None and now_s - self._expired_s > min(_EXPIRE_EVERY_S, self._ttl_s)
        if self._ttl_s is not None and is_time and drop_expired(connection, now_s - self._ttl_s, most) < most:
            # Else there may be more, and the next group goes on.
            self._expired_s = now_s
        if self._max_bytes is None:
            return
        self._is_half_full = shrink_to(connection, self._max_bytes, most) * 2 > self._max_bytes

    def _empty_log(self, connection: sqlite3.Connection) -> None:
        """Carry the log into the file when it is long; the next write begins it anew once nobody reads in it."""
        if self._log.exists() and self._log.stat().st_size > _LOG_BYTES:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _made(put: dict[bytes, Made]) -> dict[bytes, bytes]:
    """The values; without those that can't be made."""
    made: dict[bytes, bytes] = {}
    for key, value in put.items():
        try:
            made[key] = value if isinstance(value, bytes) else value()
        except Exception as error:  # noqa: BLE001 - what isn't kept is asked again
            _log.warning("an answer can't be kept: %s", error)
    return made
