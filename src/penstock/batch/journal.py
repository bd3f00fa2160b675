"""The journal of a run: what was asked, what came back, and what is left, whatever happens to the process.

What is committed is kept and never asked again; what was in flight or not yet committed at a crash is asked again.
The run writes through `GroupWriter`; everything here is done before it starts or after it ended.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from penstock.batch.lock import RunLock
from penstock.batch.reconcile import Reconciled, reconcile, resample
from penstock.batch.record import Stored
from penstock.batch.schema import ANSWERED, BAD, connect_writer, damaged, has_journal_header
from penstock.batch.writer import GroupWriter, Written

__all__ = ["Journal", "journal_path", "read_items"]


def journal_path(run: Path) -> Path:
    """The journal of a run that is named by its output file or by the journal itself, whatever its name."""
    beside = run.with_name(run.name + ".penstock")
    is_journal = run.name.endswith(".penstock") or (not beside.exists() and has_journal_header(run))
    return run if is_journal else beside


class Journal:
    """An open journal under its lock. Close it, whatever happens."""

    def __init__(self, path: Path, *, out: Path | None = None, sync: str = "normal") -> None:
        """Opens or makes it. `out`, the file that is made from it, is locked too: its journal may be any.

        Raises `JournalError` (locked, damaged, newer) or `OSError` (can't write).
        """
        self.path = path
        self._session = 0
        with contextlib.ExitStack() as stack:
            if out is not None and (usual := out.with_name(out.name + ".penstock")).resolve() != path.resolve():
                stack.callback(RunLock(usual).release)
            stack.callback(RunLock(path).release)
            self._connection = connect_writer(path, sync=sync)
            self._locks = stack.pop_all()
        self._reader: sqlite3.Connection | None = None

    def close(self) -> None:
        """Sync to disk and let go of the file."""
        try:
            if self._reader is not None:
                self._reader.close()
            # Nothing else reads it at this instant or the checkpoint is left to the next opening: both are sound.
            self._connection.close()
        finally:
            self._locks.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def info(self) -> dict[str, Any]:
        """What `remember` was told, {} for a new journal."""
        return {key: msgspec.json.decode(value) for key, value in self._all("SELECT key, value FROM run")}

    def remember(self, renewed: Iterable[tuple[int, str, bytes]] = (), /, **values: object) -> None:
        """Keep these values. `renewed` are items whose digest is another from here on: another prompt asks them."""
        with self._transaction():
            self._connection.executemany(
                "UPDATE answers SET digest = ? WHERE idx = ? AND custom_id = ?",
                ((digest, index, custom_id) for index, custom_id, digest in renewed),
            )
            for key, value in values.items():
                self._connection.execute("INSERT OR REPLACE INTO run VALUES (?, ?)", (key, msgspec.json.encode(value)))

    def states(self, total: int) -> bytearray:
        """The state of every item by its index, 0 for those without an outcome."""
        states = bytearray(total)
        for idx, state in self._all("SELECT idx, state FROM answers"):
            if idx < total:
                states[idx] = state
        return states

    def next_body(self) -> int:
        """The first free number for a body."""
        row = next(self._all("SELECT max(id) FROM bodies"))
        return int(row[0] or 0) + 1

    def known(self) -> Generator[tuple[int, str, bytes], None, None]:
        """Index, custom_id and digest of every item that was a request, by index."""
        return self._all(f"SELECT idx, custom_id, digest FROM answers WHERE state != {BAD} ORDER BY idx")  # noqa: S608

    def has_gone(self) -> bool:
        """Some ids left the input in an earlier session and may come back."""
        return bool(next(self._all("SELECT count(*) FROM gone"))[0])

    def reconcile(
        self,
        items: Iterator[tuple[int, str, bytes]],
        *,
        failed_may_change: bool,
        samples_before: int = 1,
        samples: int = 1,
    ) -> Reconciled:
        """Move what is known to where the input has it now; see `reconcile.reconcile`."""
        result: Reconciled = self._guard(
            lambda: reconcile(
                self._connection,
                items,
                failed_may_change=failed_may_change,
                samples_before=samples_before,
                samples=samples,
            )
        )
        return result

    def resample(self, *, before: int, now: int) -> None:
        """Other samples a row of an input that can't be read ahead; see `reconcile.resample`."""
        self._guard(lambda: resample(self._connection, before=before, now=now))

    def drop_states(self, *states: int) -> None:
        """Forget the items in these states, to ask or judge them again."""
        with self._transaction():
            marks = ",".join("?" * len(states))
            self._connection.execute(f"DELETE FROM answers WHERE state IN ({marks})", states)  # noqa: S608

    def begin_session(self) -> int:
        """Note that a run starts now; returns how many requests the last one had in flight if it never ended."""
        last = list(self._all("SELECT ended_at, in_flight FROM sessions ORDER BY id DESC LIMIT 1"))
        with self._transaction():
            cursor = self._connection.execute("INSERT INTO sessions (started_at) VALUES (?)", (time.time(),))
            self._session = int(cursor.lastrowid or 0)
        return int(last[0][1]) if last and last[0][0] is None else 0

    def end_session(self, *, stopped: str | None, exit_code: int) -> None:
        """Note how it ended, and sync."""
        with self._transaction():
            self._connection.execute(
                "UPDATE sessions SET ended_at = ?, in_flight = 0, stopped = ?, exit_code = ? WHERE id = ?",
                (time.time(), stopped, exit_code, self._session),
            )
        self._guard(lambda: self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())

    def writer(
        self,
        *,
        in_flight: Callable[[], int],
        spent: Callable[[], object] | None = None,
        on_commit: Callable[[Sequence[Written]], None] | None = None,
        on_error: Callable[[Exception], None] | None = None,
        bound: int = 4096,
    ) -> GroupWriter:
        """The writer for this session. Until it is closed the connection is its own."""
        return GroupWriter(
            self._connection,
            name=str(self.path),
            session=self._session,
            in_flight=in_flight,
            spent=spent,
            on_commit=on_commit,
            on_error=on_error,
            bound=bound,
        )

    def shared(self, key: bytes) -> tuple[int, str | None, bytes] | None:
        """The committed answer of an equal row: body number, request id, meta. Usable while the writer runs."""
        row = self._read().execute("SELECT body, request_id, meta FROM shared WHERE key = ?", (key,)).fetchone()
        return None if row is None else (int(row[0]), row[1], row[2])

    def _read(self) -> sqlite3.Connection:
        if self._reader is None:
            self._reader = sqlite3.connect(self.path, isolation_level=None)
            self._reader.execute("PRAGMA query_only=1")
        return self._reader

    def body(self, number: int) -> bytes:
        """A body by its number; for the writer's thread, while it writes."""
        row = self._connection.execute("SELECT raw FROM bodies WHERE id = ?", (number,)).fetchone()
        return bytes(row[0]) if row is not None else b"null"

    def counts(self, *, below: int | None = None) -> dict[int, int]:
        """How many items are in each state, of those with an index below a bound."""
        bound = "" if below is None else f"WHERE idx < {below:d}"
        return dict(self._all(f"SELECT state, count(*) FROM answers {bound} GROUP BY state"))  # noqa: S608

    def find(self, custom_id: str) -> tuple[int, bytes, int] | None:
        """Index, digest and state of a committed item, by its id. Usable while the writer runs."""
        query = "SELECT idx, digest, state FROM answers WHERE custom_id = ?"
        row = self._read().execute(query, (custom_id,)).fetchone()
        return None if row is None else (int(row[0]), bytes(row[1]), int(row[2]))

    def index_ids(self) -> int:
        """Prepare `find`, for inputs that can't be read ahead; returns the first free index."""
        with self._transaction():
            self._connection.execute("CREATE INDEX IF NOT EXISTS answers_id ON answers (custom_id)")
        row = next(self._all("SELECT max(idx) FROM answers"))
        return 0 if row[0] is None else int(row[0]) + 1

    def is_empty(self) -> bool:
        """Nothing has an outcome yet."""
        return next(self._all("SELECT 1 FROM answers LIMIT 1"), None) is None

    def items(self, *, after: int = -1) -> Iterator[Stored]:
        """Every item that has an outcome, with its body, in input order; those with an index above `after`."""
        try:
            yield from read_items(self._connection, after=after)
        except sqlite3.DatabaseError as error:
            raise damaged(self.path, error) from error

    def failures(self, *, below: int) -> Iterator[Stored]:
        """Items that ended without an answer, in input order; those with an index below a bound."""
        try:
            yield from map(Stored._make, self._connection.execute(_FAILURES, (ANSWERED, below)))
        except sqlite3.DatabaseError as error:
            raise damaged(self.path, error) from error

    def _all(self, query: str) -> Generator[Any, None, None]:
        try:
            yield from self._connection.execute(query)
        except sqlite3.DatabaseError as error:
            raise damaged(self.path, error) from error

    def _guard(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except sqlite3.OperationalError as error:
            raise OSError(f"{self.path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise damaged(self.path, error) from error

    def _transaction(self) -> _Transaction:
        return _Transaction(self._connection, self.path)


class _Transaction:
    """BEGIN, and COMMIT or ROLLBACK; what can't be written is an `OSError` that names the file."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def __enter__(self) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise OSError(f"{self._path}: {error}") from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            self._connection.execute("COMMIT" if kind is None else "ROLLBACK")
        except sqlite3.OperationalError as failure:
            raise OSError(f"{self._path}: {failure}") from failure


_ITEMS = (
    "SELECT a.idx, a.custom_id, a.state, a.request_id, a.meta, b.raw FROM answers a "
    "LEFT JOIN bodies b ON b.id = a.body "
)
_FAILURES = _ITEMS + "WHERE a.state != ? AND a.idx < ? ORDER BY a.idx"


def read_items(connection: sqlite3.Connection, *, after: int = -1, bodies: bool = True) -> Iterator[Stored]:
    """Items with an index above `after`, in input order; without bodies `raw` is None."""
    query = (
        _ITEMS + "WHERE a.idx > ? ORDER BY a.idx"
        if bodies
        else "SELECT idx, custom_id, state, request_id, meta, NULL FROM answers WHERE idx > ? ORDER BY idx"
    )
    return map(Stored._make, connection.execute(query, (after,)))
