"""The SQLite file of a store: its tables, its version, the checks before it is used, and who may write to it.

`entries` is the index, by 64 bits of the key: of two keys that share them the later one stays. `bodies` holds the whole
keys and the values, in the order in which they were put, so that a lookup that finds nothing never touches them and the
oldest are found without an index of their own.

SQLite before 3.51.3 can corrupt a file in WAL mode, rarely, when several connections write or checkpoint at once. So
one connection writes at a time, over all processes: whoever writes holds `WriteLock`. A second lock, shared, is held
by everyone who has the file open: only who is alone may put a damaged file aside.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import sqlite3
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from penstock.stores.store import StoreError

__all__ = [
    "PAGE_SIZE",
    "FileLock",
    "OlderLayout",
    "check_header",
    "connect_reader",
    "connect_writer",
    "delete",
    "is_damage",
    "is_full",
    "place",
    "set_aside",
]

VERSION = 1
PAGE_SIZE = 4096
_APPLICATION_ID = 0x70656E63  # "penc"
_MAGIC = b"SQLite format 3\0"
_CACHE_KIB = 16 * 1024  # at most, of each connection
_PAUSE_S = 0.002
_ENDS = struct.Struct(">q16xq")

_TABLES = """
CREATE TABLE entries (id INTEGER PRIMARY KEY, body INTEGER NOT NULL, put_s INTEGER NOT NULL);
CREATE TABLE bodies (id INTEGER PRIMARY KEY, key BLOB NOT NULL, value BLOB NOT NULL);
"""


_COLUMNS = {"entries": ["id", "body", "put_s"], "bodies": ["id", "key", "value"]}


class OlderLayout(sqlite3.DatabaseError):
    """A sound store whose tables are not those of this version."""


class FileLock:
    """A lock of a file beside the store's, which dies with its process. Not for several threads."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, *, shared: bool = False, patience_s: float = 0.0) -> bool:
        """Whether it is ours now. A lock that is held already is exchanged."""
        until_s = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until_s:
                    return False
                time.sleep(_PAUSE_S)
            else:
                return True

    def give(self) -> None:
        """Let others have it."""
        fcntl.flock(self._file, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def held(self, patience_s: float) -> Iterator[None]:
        """Hold it for a while. Raises `TimeoutError` when another process keeps it."""
        if not self.take(patience_s=patience_s):
            raise TimeoutError(f"another process has been writing for {patience_s:g} s")
        try:
            yield
        finally:
            self.give()

    def close(self) -> None:
        """Give it back for good."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def place(key: bytes) -> int:
    """Where a key stands in the index. Keys that are digests already aren't digested again."""
    if len(key) != _ENDS.size:
        key = hashlib.blake2b(key, digest_size=_ENDS.size).digest()
    # Both ends: keys of one question differ at the end, those of one target at the beginning.
    first, last = _ENDS.unpack(key)
    return int(first ^ last)


def check_header(path: Path) -> bool:
    """Whether the file's beginning is that of a store; False for what is damaged, or nothing at all yet.

    Raises `StoreError` for what is somebody else's or of a newer version, `OlderLayout`, `OSError` for what can't be
    read. SQLite isn't asked, for it might repair or convert what isn't ours.
    """
    with path.open("rb") as file:
        head = file.read(100)
    if not head:
        return False
    if len(head) < 100 or not head.startswith(_MAGIC):
        if head.startswith(_MAGIC[: len(head)]) or not head.strip(b"\0"):
            return False
        raise StoreError(f"{path} is no cache of penstock's; it was left as it is. Name another file")
    version, application = struct.unpack_from(">I", head, 60)[0], struct.unpack_from(">I", head, 68)[0]
    if application != _APPLICATION_ID:
        raise StoreError(f"{path} is no cache of penstock's; it was left as it is. Name another file")
    if 0 < version < VERSION:
        raise OlderLayout(f"cache version {version}, this one writes {VERSION}")
    if version > VERSION:
        raise StoreError(
            f"{path} was written by a newer penstock (cache version {version}, this one reads up to {VERSION}); it was "
            "left as it is. Upgrade penstock, or name another file"
        )
    return True


def connect_writer(path: Path) -> sqlite3.Connection:
    """The writing connection, for the holder of the write lock; makes the tables where there is nothing yet.

    Raises `sqlite3.DatabaseError`, `OlderLayout` for tables that aren't those of today.
    """
    is_new = not path.exists() or path.stat().st_size == 0
    if is_new:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=64)
    connection.create_function("place", 1, place, deterministic=True)
    try:
        if is_new:
            # In rollback mode, so that the whole header is in the file itself before WAL begins.
            connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
            connection.execute("PRAGMA journal_mode=DELETE")
            connection.executescript(
                f"BEGIN; {_TABLES} PRAGMA application_id={_APPLICATION_ID}; PRAGMA user_version={VERSION}; COMMIT;"
            )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        # A group touches as many pages of the index as it has values: they should fit.
        connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
        connection.execute("SELECT 1 FROM entries LIMIT 1").fetchone()
        connection.execute("SELECT 1 FROM bodies LIMIT 1").fetchone()
        for table, columns in _COLUMNS.items():
            if [row[1] for row in connection.execute(f"PRAGMA table_info({table})")] != columns:
                raise OlderLayout(f"other columns in {table}")
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that never writes and never checkpoints. Raises `sqlite3.DatabaseError`."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, timeout=0.05
    )
    # No mmap: a file that somebody cuts would end the process.
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    return connection


def is_damage(error: BaseException) -> bool:
    """The file's content is wrong: waiting doesn't help."""
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    return not isinstance(error, sqlite3.OperationalError) or "no such" in str(error) or "malformed" in str(error)


def is_full(error: BaseException | None) -> bool:
    """There is no room to write, or nothing can be written at all."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what it says more exactly
    return code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def delete(path: Path) -> None:
    """Delete a store that nobody has open."""
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def set_aside(path: Path, word: str) -> Path:
    """Rename a store that nobody has open, and what belongs to it; its new name, which ends in `word`."""
    number = 1
    while (aside := path.with_name(f"{path.name}.{word}{'' if number == 1 else number}")).exists():
        number += 1
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
    return aside
