"""The journal's one writer: a thread that commits what it is handed in groups.

Workers never wait for a commit, only for room: `put` appends, and `room` waits while too much is uncommitted.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from penstock.batch.record import Record, encode

__all__ = ["GroupWriter", "Written"]

Written = tuple[Record, bytes | None, bytes | None]
"""A record, its body (None when another record's is meant) and the key under which equal rows find it."""

_GROUP_ROWS = 256
_GROUP_S = 0.05
_MOST_ROWS = 1024  # in one transaction, so that a long queue still becomes durable piece by piece
_CHUNK = 128  # rows an INSERT: one step of SQLite, so one change of threads, for all of them


class GroupWriter:
    """Commits at most 50 ms or 256 rows after the first of a group. Used from one event loop."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        name: str,
        session: int,
        in_flight: Callable[[], int],
        spent: Callable[[], object] | None = None,
        on_commit: Callable[[Sequence[Written]], None] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        bound: int = 4096,
    ) -> None:
        """`name` is the file's, for errors; `spent` tells what the run has spent by now.

        `on_commit` runs in the writer's thread after each commit, `on_error` once, on the loop.
        """
        self._connection = connection
        self._name = name
        self._session = session
        self._in_flight = in_flight
        self._spent = spent
        self._noted = False
        self._on_commit = on_commit
        self._on_error = on_error
        self._bound = bound
        self._loop = asyncio.get_running_loop()
        self._queue: deque[tuple[Callable[[Any], Written], Any]] = deque()
        self._put = 0
        self._full_until = 0
        self._committed = 0
        self._some = threading.Event()
        self._full = threading.Event()
        self._closing = False
        self._waiters: list[asyncio.Future[None]] = []
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="penstock-journal", daemon=True)
        self._thread.start()

    @property
    def uncommitted(self) -> int:
        return self._put - self._committed

    @property
    def is_full(self) -> bool:
        return self._committed < self._full_until or self._put - self._committed >= self._bound

    def put(self, record: Record, raw: bytes | None = None, key: bytes | None = None) -> None:
        """Hand a record over; it counts only once it is committed."""
        self.put_later(_as_it_is, (record, raw, key))

    def put_later(self, make: Callable[[Any], Written], what: Any) -> None:
        """Hand over what `make` turns into a record, in the writer's thread.

        A group of them one after the other costs a third of what each costs between two requests.
        """
        self._queue.append((make, what))
        self._put += 1
        if not self._some.is_set():
            self._some.set()
        if len(self._queue) >= _GROUP_ROWS and not self._full.is_set():
            self._full.set()

    def put_many(self, group: Sequence[Written]) -> None:
        """Hand over a group of records."""
        self._queue.extend([(_as_it_is, written) for written in group])
        self._put += len(group)
        self._full_until = self._put
        self._some.set()
        self._full.set()

    def note(self) -> None:
        """Commit what is spent by now, although nothing else is there to be committed."""
        self._noted = True
        self._some.set()

    async def room(self) -> None:
        """Wait while as much as the bound is uncommitted. Raises `OSError` when nothing can be written any more."""
        while self.is_full and self.error is None:
            waiter = self._loop.create_future()
            self._waiters.append(waiter)
            if self.is_full and self.error is None:  # nothing was committed between the two looks
                await waiter
        if self.error is not None:
            raise self.error

    async def close(self) -> None:
        """Commit what is left and end the thread. Raises `OSError` when it can't be written."""
        self._closing = True
        self._some.set()
        self._full.set()
        await self._loop.run_in_executor(None, self._thread.join)
        if self.error is not None:
            raise self.error

    def _run(self) -> None:
        while True:
            self._some.clear()
            if not self._queue and not self._noted:
                if self._closing:
                    return
                self._some.wait()
            if len(self._queue) < _GROUP_ROWS and not self._closing:
                self._full.wait(_GROUP_S)
            self._full.clear()
            taken = [self._queue.popleft() for _ in range(min(len(self._queue), _MOST_ROWS))]
            if not taken and not self._noted:
                continue
            self._noted = False
            try:
                group = [make(what) for make, what in taken]
                self._commit(group)
                if self._on_commit is not None:
                    self._on_commit(group)
            except Exception as error:  # noqa: BLE001 - the thread's edge: what isn't told here would hang the run
                self.error = OSError(f"{self._name}: {error}") if isinstance(error, sqlite3.Error) else error
                self._loop.call_soon_threadsafe(self._failed, self.error)
                return
            self._committed += len(group)
            if self._waiters:
                self._loop.call_soon_threadsafe(self._wake)

    def _commit(self, group: Sequence[Written]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            _insert(connection, "answers", [record for record, _, _ in group])
            _insert(connection, "bodies", [(record.body, raw) for record, raw, _ in group if raw is not None])
            shared = [(key, r.body, r.request_id, r.meta) for r, _, key in group if key is not None]
            _insert(connection, "shared", shared)
            connection.execute("UPDATE sessions SET in_flight = ? WHERE id = ?", (self._in_flight(), self._session))
            if self._spent is not None:
                told = encode(self._spent())
                connection.execute("INSERT OR REPLACE INTO run VALUES ('spent', ?)", (told,))
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _failed(self, error: Exception) -> None:
        self._wake()
        if self._on_error is not None:
            self._on_error(error)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)


def _as_it_is(written: Written) -> Written:
    return written


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert in chunks whose sizes are powers of two, so that few statements are ever compiled."""
    start = 0
    while start < len(rows):
        size = min(_CHUNK, 1 << ((len(rows) - start).bit_length() - 1))
        chunk = rows[start : start + size]
        connection.execute(_statement(table, len(chunk[0]), size), list(itertools.chain.from_iterable(chunk)))
        start += size


_statements: dict[tuple[str, int, int], str] = {}


def _statement(table: str, width: int, size: int) -> str:
    key = (table, width, size)
    if key not in _statements:
        row = "(" + ",".join("?" * width) + ")"
        _statements[key] = f"INSERT OR REPLACE INTO {table} VALUES " + ",".join([row] * size)  # noqa: S608
    return _statements[key]
