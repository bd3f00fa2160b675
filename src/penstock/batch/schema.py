"""The journal's file: its tables, its version, and the checks before anything is written to it.

One SQLite file in WAL mode. `answers` is the index, in input order; `bodies` holds the raw answers apart from it, so
that reading the index never touches them. `gone` keeps rows whose ids left the input. `shared` maps the digest of
rows that occur more than once to the answer they share. `run` and `sessions` tell what was run, and when.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
from pathlib import Path

from penstock.errors import JournalError

__all__ = [
    "ANSWERED",
    "BAD",
    "FAILED",
    "VERSION",
    "check_header",
    "connect_reader",
    "connect_writer",
    "damaged",
    "has_journal_header",
    "tidy",
    "wal_path",
]

VERSION = 1
_APPLICATION_ID = 0x70656E73  # "pens"
_MAGIC = b"SQLite format 3\0"
_PAGE_SIZE = 8192
_CHECKPOINT_BYTES = 64 * 1024 * 1024

ANSWERED, FAILED, BAD = 1, 2, 3
"""`answers.state`: a committed answer; ended without one; a line that is no request (with --skip-bad)."""

_TABLES = """
CREATE TABLE run (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
  id INTEGER PRIMARY KEY, started_at REAL NOT NULL, ended_at REAL, in_flight INTEGER NOT NULL DEFAULT 0,
  stopped TEXT, exit_code INTEGER
);
CREATE TABLE answers (
  idx INTEGER PRIMARY KEY, custom_id TEXT NOT NULL, digest BLOB NOT NULL, state INTEGER NOT NULL, body INTEGER,
  request_id TEXT, meta BLOB NOT NULL
);
CREATE TABLE bodies (id INTEGER PRIMARY KEY, raw BLOB NOT NULL);
CREATE TABLE shared (key BLOB PRIMARY KEY, body INTEGER NOT NULL, request_id TEXT, meta BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE gone (
  custom_id TEXT PRIMARY KEY, digest BLOB NOT NULL, state INTEGER NOT NULL, body INTEGER, request_id TEXT,
  meta BLOB NOT NULL
) WITHOUT ROWID;
"""


def damaged(path: Path, error: Exception) -> JournalError:
    return JournalError(
        f"{path}: the journal is damaged ({error}); it was left as it is. "
        "Restore it from a copy, or start anew with --fresh (it is kept as .bak)"
    )


def has_journal_header(path: Path) -> bool:
    """Whether this is a file that begins as a journal does."""
    try:
        with path.open("rb") as file:
            head = file.read(72)
    except OSError:
        return False
    return head.startswith(_MAGIC) and head[68:72] == struct.pack(">I", _APPLICATION_ID)


def check_header(path: Path) -> None:
    """Read the first bytes without SQLite, which might repair or convert what isn't ours.

    Raises `JournalError` for a file that is no journal, one from a newer version, or a cut one.
    """
    with path.open("rb") as file:
        head = file.read(100)
    if len(head) < 100 or not head.startswith(_MAGIC):
        raise damaged(path, ValueError(f"{len(head)} bytes that don't begin as a journal does"))
    version, application = struct.unpack_from(">I", head, 60)[0], struct.unpack_from(">I", head, 68)[0]
    if application != _APPLICATION_ID:
        raise JournalError(f"{path} is not a penstock journal; move it away or name another with --journal")
    if version > VERSION:
        raise JournalError(
            f"{path} was written by a newer penstock (journal version {version}, this one reads up to {VERSION}); "
            "it was left as it is. Upgrade penstock, or start anew with --fresh (it is kept as .bak)"
        )


def connect_writer(path: Path, *, sync: str = "normal") -> sqlite3.Connection:
    """The one writing connection, made with its tables when the file is new.

    Raises `JournalError` for a file that can't be used, `OSError` where nothing can be written.
    """
    new = not path.exists() or path.stat().st_size == 0
    if not new:
        check_header(path)
    elif not os.access(path.parent, os.W_OK):
        raise PermissionError(f"{path.parent} is not writable")
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    try:
        if new:
            _create(connection)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={sync}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_BYTES // _PAGE_SIZE}")
        connection.execute("PRAGMA temp_store=FILE")
        connection.execute("SELECT count(*) FROM run").fetchone()
    except sqlite3.DatabaseError as error:
        connection.close()
        raise _opening_failed(path, error) from error
    return connection


def _create(connection: sqlite3.Connection) -> None:
    # In rollback mode, so that the whole header is in the file itself before WAL begins: `check_header` reads it.
    connection.execute(f"PRAGMA page_size={_PAGE_SIZE}")
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.executescript(
        f"BEGIN; {_TABLES} PRAGMA application_id={_APPLICATION_ID}; PRAGMA user_version={VERSION}; COMMIT;"
    )


def _opening_failed(path: Path, error: sqlite3.DatabaseError) -> Exception:
    if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
        return OSError(f"{path}: {error}")
    return damaged(path, error)


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that never writes and never checkpoints, beside a running run or alone.

    Raises `JournalError` when there is no usable journal.
    """
    if not path.exists():
        raise JournalError(f"{path}: no such journal")
    check_header(path)
    try:
        return _reader(path, "mode=ro")
    except sqlite3.DatabaseError as error:
        # Where nothing can be made beside it nobody writes to it either.
        is_shut = isinstance(error, sqlite3.OperationalError) and not os.access(path.parent, os.W_OK)
        if not is_shut or wal_path(path).exists():
            raise damaged(path, error) from error
    try:
        return _reader(path, "mode=ro&immutable=1")
    except sqlite3.DatabaseError as error:
        raise damaged(path, error) from error


def _reader(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only=1")
        connection.execute("SELECT count(*) FROM run").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def wal_path(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def tidy(path: Path) -> None:
    """Take away what a reader made beside the journal, unless anybody else has it open.

    A reader can't do that itself: SQLite lets only a connection that may write do it, the last one, under its own
    locks. A log that holds something isn't a reader's.
    """
    try:
        if wal_path(path).stat().st_size:
            return
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0)) as last:
            last.execute("SELECT count(*) FROM run").fetchone()
    except (OSError, sqlite3.Error):
        return
