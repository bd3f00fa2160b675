"""The SQLite store's file when it isn't what it should be: damaged, of an older layout, somebody else's, in use."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.stores.given import filled, is_sound

from penstock.stores import StoreError
from penstock.stores.sqlite import SqliteStore
from penstock.stores.sqlite_file import FileLock


@pytest.mark.parametrize("damage", ["cut", "zeros", "noise", "short", "empty"])
def test_a_torn_file_makes_nothing_up_and_is_begun_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "c"
    filled(path)
    data = bytearray(path.read_bytes())
    half = len(data) // 2
    data[4096:] = {
        "cut": data[4096:half],
        "zeros": b"\0" * (len(data) - 4096),
        "noise": os.urandom(len(data) - 4096),
        "short": b"",
        "empty": b"",
    }[damage]
    path.write_bytes(b"" if damage == "empty" else data[:50] if damage == "short" else data)

    async def main() -> None:
        for _ in range(3):
            try:
                store = SqliteStore(path)
            except StoreError:
                continue
            for number in range(3000):
                try:
                    found = await store.get([b"k%d" % number])
                except StoreError:
                    continue
                assert found is None or found.value == b"%d" % number * 200
            store.put(b"new", b"value")
            await store.aclose()
        store = SqliteStore(path)
        store.put(b"new", b"value")
        await store.flush()
        assert await store.get([b"new"]) is not None
        await store.aclose()

    asyncio.run(main())
    assert is_sound(path)


def test_a_damaged_file_that_others_have_open_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c"
    filled(path)

    async def main() -> None:
        other = SqliteStore(path)
        path.write_bytes(b"SQLite format 3\0" + b"\0" * 30)
        with pytest.raises(StoreError, match="in use"):
            SqliteStore(path)
        await other.aclose()

    asyncio.run(main())
    assert list(tmp_path.glob("*.damaged*")) == []


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE precious (x)")


def newer(path: Path) -> None:
    filled(path, 1)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_text("a letter to my mother" * 20), "is no cache of penstock's"),
        (foreign_database, "is no cache of penstock's"),
        (newer, "written by a newer penstock"),
        (lambda path: path.mkdir(), "directory"),
    ],
)
def test_a_file_that_isnt_ours_is_refused_and_left_as_it_is(tmp_path: Path, make: Any, message: str) -> None:
    path = tmp_path / "c"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(StoreError, match=message):
        SqliteStore(path)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_folder_that_cant_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="file"):
        SqliteStore(tmp_path / "file" / "c")


def test_nobody_else_may_read_the_file(tmp_path: Path) -> None:
    filled(tmp_path / "c", 1)
    assert (tmp_path / "c").stat().st_mode & 0o077 == 0


def older(path: Path) -> None:
    """A store as it was before the index was by 64 bits of the key."""
    filled(path, 1)
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE entries")
        connection.execute(
            "CREATE TABLE entries (key BLOB PRIMARY KEY, body INTEGER NOT NULL, put_s INTEGER NOT NULL) WITHOUT ROWID"
        )
        connection.execute("INSERT INTO entries SELECT key, id, 0 FROM bodies")
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def test_an_older_layout_is_kept_under_a_name_that_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c"
    for number in range(2):
        older(path)
        before = path.read_bytes()
        caplog.clear()
        with caplog.at_level(logging.WARNING, "penstock.cache"):
            filled(path, 3)
        assert is_sound(path)
        (said,) = [record.getMessage() for record in caplog.records]
        aside = tmp_path / ("c.older" if number == 0 else "c.older2")
        assert aside.name in said
        assert "of an older penstock" in said
        assert "damaged" not in said
        assert aside.read_bytes() == before
        for part in tmp_path.glob("c-*"):
            part.unlink()
        path.unlink()
    assert list(tmp_path.glob("*.damaged*")) == []


def test_an_older_layout_that_others_have_open_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "c"
    older(path)
    other = FileLock(tmp_path / "c-use")
    assert other.take(shared=True)
    with pytest.raises(StoreError, match=r"of an older penstock .* and in use"):
        SqliteStore(path)
    other.close()
    assert path.exists()
