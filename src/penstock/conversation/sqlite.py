"""Conversations in a SQLite file, shared by any number of processes.

In SQLite's rollback mode: before 3.51.3 its WAL mode can corrupt a file, rarely, when several connections write or
checkpoint at once. What is said is written a few times a minute, so that nothing is lost by it but a millisecond.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from penstock.config.folders import data_file
from penstock.conversation.store import Changed, Kept, Listed
from penstock.errors import PenstockError

__all__ = ["SqliteConversations", "default_path"]

VERSION: Final = 1
_APPLICATION_ID: Final = 0x70656E76  # "penv"
_MAGIC: Final = b"SQLite format 3\0"
_PATIENCE_S: Final = 5.0

_TABLES: Final = """
CREATE TABLE conversations (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, revision INTEGER NOT NULL, updated_s REAL NOT NULL,
  head BLOB NOT NULL
);
CREATE TABLE messages (
  conversation INTEGER NOT NULL REFERENCES conversations ON DELETE CASCADE, position INTEGER NOT NULL,
  message BLOB NOT NULL, PRIMARY KEY (conversation, position)
);
"""


def default_path(environ: Mapping[str, str]) -> Path:
    """The file where no other is named: in the user's folder for the data of programs."""
    return data_file(environ, "conversations.sqlite")


class SqliteConversations:
    """A store in the file at `path`, made at its first use, for the user's eyes alone.

    Raises `PenstockError` that names the file: when it is none of these, of a newer version, damaged, or when another
    process writes for longer than 5 s.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = default_path(os.environ) if path is None else Path(path).expanduser()
        self._guard = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process = os.getpid()
        with self._using():
            pass

    def revision(self, name: str) -> int:
        """Counts the writes of a conversation; 0 where there is none."""
        with self._using() as connection:
            row = connection.execute("SELECT revision FROM conversations WHERE name = ?", (name,)).fetchone()
        return int(row[0]) if row else 0

    def read(self, name: str) -> Kept | None:
        """The conversation, None where there is none."""
        with self._using() as connection:
            connection.execute("BEGIN")
            row = connection.execute("SELECT id, revision, head FROM conversations WHERE name = ?", (name,)).fetchone()
            if row is None:
                return None
            found = connection.execute("SELECT message FROM messages WHERE conversation = ? ORDER BY position", row[:1])
            return Kept(int(row[1]), bytes(row[2]), [bytes(message) for (message,) in found])

    def write(self, name: str, revision: int, head: bytes, keep: int, messages: list[bytes]) -> int:
        """Keep the first `keep` of its messages, and these after them. Raises `Changed`."""
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute("SELECT id, revision FROM conversations WHERE name = ?", (name,)).fetchone()
            if (row[1] if row else 0) != revision:
                raise Changed(f'the conversation "{name}" was changed meanwhile')
            now_s = time.time()
            if row is None:
                place = connection.execute(
                    "INSERT INTO conversations (name, revision, updated_s, head) VALUES (?, 1, ?, ?)",
                    (name, now_s, head),
                ).lastrowid
            else:
                place = row[0]
                connection.execute(
                    "UPDATE conversations SET revision = revision + 1, updated_s = ?, head = ? WHERE id = ?",
                    (now_s, head, place),
                )
                connection.execute("DELETE FROM messages WHERE conversation = ? AND position >= ?", (place, keep))
            connection.executemany(
                "INSERT INTO messages VALUES (?, ?, ?)",
                [(place, number, message) for number, message in enumerate(messages, keep)],
            )
            connection.execute("COMMIT")
        return revision + 1

    def names(self) -> list[Listed]:
        """Every conversation, the last written first."""
        with self._using() as connection:
            rows = connection.execute(
                "SELECT name, (SELECT count(*) FROM messages WHERE conversation = id), updated_s FROM conversations "
                "ORDER BY updated_s DESC, name"
            ).fetchall()
        return [Listed(*row) for row in rows]

    def delete(self, name: str) -> bool:
        """Forget it; whether there was one."""
        with self._using() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(
                "DELETE FROM messages WHERE conversation = (SELECT id FROM conversations WHERE name = ?)", (name,)
            )
            found = connection.execute("DELETE FROM conversations WHERE name = ?", (name,)).rowcount
            connection.execute("COMMIT")
        return found > 0

    def close(self) -> None:
        """Let go of the file; a later call opens it again."""
        with self._guard:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None and self._process == os.getpid():
            connection.close()

    def __repr__(self) -> str:
        return f"SqliteConversations({str(self.path)!r})"

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """The connection, one thread's at a time; a transaction that isn't committed is undone."""
        with self._guard:
            try:
                connection = self._opened()
                try:
                    yield connection
                finally:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                hint = f"; another process has been writing for {_PATIENCE_S:g} s" if "locked" in str(error) else ""
                raise PenstockError(f"{self.path}: the conversations can't be used: {error}{hint}") from error
            except OSError as error:
                raise PenstockError(
                    f"{self.path}: the conversations can't be used: {error.strerror or error}"
                ) from error

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and self._process == os.getpid():
            return self._connection
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # For the user's eyes alone, from the first byte on.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600))
        is_new = _is_empty(self.path)
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=_PATIENCE_S)
        try:
            if is_new:
                _make(connection)
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("SELECT 1 FROM conversations, messages LIMIT 1").fetchone()
        except BaseException:
            connection.close()
            raise
        self._connection, self._process = connection, os.getpid()
        return connection


def _is_empty(path: Path) -> bool:
    """Whether there is nothing in the file yet. Raises `PenstockError` for what is somebody else's, or newer.

    SQLite isn't asked: it might repair what isn't ours.
    """
    with path.open("rb") as file:
        head = file.read(100)
    if not head:
        return True
    if len(head) < 100 or not head.startswith(_MAGIC) or struct.unpack_from(">I", head, 68)[0] != _APPLICATION_ID:
        raise PenstockError(f"{path} holds no conversations of penstock's; it was left as it is. Name another file")
    version = struct.unpack_from(">I", head, 60)[0]
    if version > VERSION:
        raise PenstockError(
            f"{path} was written by a newer penstock (version {version} of conversations, this one reads up to "
            f"{VERSION}); it was left as it is. Upgrade penstock, or name another file"
        )
    return False


def _make(connection: sqlite3.Connection) -> None:
    """The tables, unless another process made them first."""
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        connection.execute("ROLLBACK")
        return
    for statement in _TABLES.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id={_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")
