"""What is written to a store's SQLite file, each inside one transaction of the connection that may write."""

from __future__ import annotations

import itertools
import sqlite3
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from penstock.stores.sqlite_file import place

__all__ = ["clear_rows", "count_rows", "drop_expired", "find_rows", "insert", "prune_rows", "renew", "shrink_to"]

_CHUNK = 128  # rows an INSERT: one step of SQLite, so one change of threads, for all of them
_LOOK_UP = 256
_ENDS = "SELECT (SELECT min(id) FROM bodies), (SELECT max(id) FROM bodies)"  # both in one would read every row
_ALIGNED = 32
_statements: dict[tuple[str, int], str] = {}


def insert(connection: sqlite3.Connection, pairs: Mapping[bytes, bytes], put_s: int) -> None:
    """The values under their keys, newest last."""
    first = 1 + int(connection.execute("SELECT ifnull(max(id), 0) FROM bodies").fetchone()[0])
    numbered = list(enumerate(pairs.items(), first))
    # Through the index from one end to the other: a tenth less than here and there.
    entries = sorted((place(key), number, put_s) for number, (key, _) in numbered)
    start = 0
    while start < len(numbered):
        size = min(_CHUNK, 1 << ((len(numbered) - start).bit_length() - 1))
        some = itertools.chain.from_iterable(entries[start : start + size])
        connection.execute(_statement("entries", size), list(some))
        part = numbered[start : start + size]
        bodies = itertools.chain.from_iterable((number, key, value) for number, (key, value) in part)
        connection.execute(_statement("bodies", size), list(bodies))
        start += size


def find_rows(connection: sqlite3.Connection, keys: Sequence[bytes], after_s: float | None) -> dict[bytes, bytes]:
    """The values of those of the keys that were put after that."""
    places = list(map(place, keys))
    # One view of the file for both tables: what another process moves in between isn't missed.
    connection.execute("BEGIN")
    try:
        entries = _among(connection, "SELECT body, put_s FROM entries WHERE id", places)
        numbers = {body for body, put_s in entries if after_s is None or put_s > after_s}
        bodies = _bodies(connection, numbers) if numbers else ()
    finally:
        connection.execute("COMMIT")
    wanted = set(keys)
    return {key: value for number, key, value in bodies if number in numbers and key in wanted}


def _bodies(connection: sqlite3.Connection, numbers: set[int]) -> list[tuple[int, bytes, bytes]]:
    """Those of these numbers, maybe some more."""
    select, low, high = "SELECT id, key, value FROM bodies WHERE id", min(numbers), max(numbers)
    if high - low < len(numbers) * 5 // 4:
        # What was put together is mostly asked for together: the rows stand one behind the other.
        return connection.execute(f"{select} BETWEEN ? AND ?", (low, high)).fetchall()
    return _among(connection, select, list(numbers))


def _among(connection: sqlite3.Connection, select: str, numbers: list[int]) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for start in range(0, len(numbers), _LOOK_UP):
        part = numbers[start : start + _LOOK_UP]
        # Few statements for all lengths.
        part += part[-1:] * (-len(part) % _ALIGNED)
        found += connection.execute(f"{select} IN ({','.join('?' * len(part))})", part).fetchall()
    return found


def _statement(table: str, rows: int) -> str:
    statement = _statements.get((table, rows))
    if statement is None:
        values = ",".join(["(?,?,?)"] * rows)
        statement = _statements[table, rows] = f"INSERT OR REPLACE INTO {table} VALUES {values}"  # noqa: S608
    return statement


def used_bytes(connection: sqlite3.Connection) -> int:
    """What the rows occupy; the file may be longer."""
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (free,) = connection.execute("PRAGMA freelist_count").fetchone()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * size)


def drop_oldest(connection: sqlite3.Connection, count: int) -> int:
    """Drop so many of the bodies that were put or used the longest ago; how many entries went with them."""
    row = connection.execute("SELECT max(id) FROM (SELECT id FROM bodies ORDER BY id LIMIT ?)", (count,)).fetchone()
    if row is None or row[0] is None:
        return 0
    # A key may have a newer body by now.
    dropped = connection.execute(
        "DELETE FROM entries WHERE id IN (SELECT place(key) FROM bodies WHERE id <= ?) AND body <= ?", (row[0], row[0])
    ).rowcount
    connection.execute("DELETE FROM bodies WHERE id <= ?", row)
    return int(dropped)


def shrink_to(connection: sqlite3.Connection, max_bytes: int, count: int) -> int:
    """Drop the oldest until the rest fits, at most so many; the bytes that are left."""
    occupied = used_bytes(connection)
    while occupied > max_bytes and count > 0:
        low, high = connection.execute(_ENDS).fetchone()
        if low is None:
            break
        # As if all were of one size: what is missed is seen in the next round.
        share = min(count, 1 + (high - low + 1) * (occupied - max_bytes) // occupied)
        drop_oldest(connection, share)
        count -= share
        occupied = used_bytes(connection)
    return occupied


def drop_expired(connection: sqlite3.Connection, before_s: float, count: int) -> int:
    """Drop the oldest of the bodies, at most so many, as long as they are older than that; how many those were."""
    row = connection.execute(
        "SELECT min(id) FROM (SELECT b.id, e.put_s FROM bodies b LEFT JOIN entries e ON e.id = place(b.key)"
        " AND e.body = b.id ORDER BY b.id LIMIT ?) WHERE put_s >= ?",
        (count, before_s),
    ).fetchone()
    if row[0] is None:
        (old,) = connection.execute("SELECT count(*) FROM (SELECT id FROM bodies LIMIT ?)", (count,)).fetchone()
    else:
        (old,) = connection.execute("SELECT count(*) FROM bodies WHERE id < ?", row).fetchone()
    if old:
        drop_oldest(connection, old)
    return int(old)


def renew(connection: sqlite3.Connection, keys: Iterable[bytes]) -> None:
    """Move what was used out of the older half of the bodies, so that it isn't dropped soon."""
    low, high = connection.execute(_ENDS).fetchone()
    if low is None:
        return
    for key in keys:
        row = connection.execute("SELECT body FROM entries WHERE id = ?", (place(key),)).fetchone()
        if row is None or row[0] * 2 > low + high:
            continue
        high += 1
        connection.execute("UPDATE bodies SET id = ? WHERE id = ?", (high, row[0]))
        connection.execute("UPDATE entries SET body = ? WHERE id = ?", (high, place(key)))


def count_rows(connection: sqlite3.Connection) -> tuple[int, float | None]:
    """How many entries, and when the oldest was put."""
    entries, oldest_s = connection.execute("SELECT count(*), min(put_s) FROM entries").fetchone()
    return int(entries), oldest_s


def prune_rows(connection: sqlite3.Connection, before_s: float | None, max_bytes: int | None) -> int:
    """Drop what was put before that, what nothing leads to, and the oldest of what is too much; shrink the file."""
    dropped = 0
    connection.execute("BEGIN IMMEDIATE")
    try:
        if before_s is not None:
            dropped += connection.execute("DELETE FROM entries WHERE put_s <= ?", (before_s,)).rowcount
        connection.execute(
            "DELETE FROM bodies WHERE NOT EXISTS"
            " (SELECT 1 FROM entries e WHERE e.id = place(bodies.key) AND e.body = bodies.id)"
        )
        (before,) = connection.execute("SELECT count(*) FROM entries").fetchone()
        if max_bytes is not None:
            shrink_to(connection, max_bytes, sys.maxsize)
        dropped += int(before - connection.execute("SELECT count(*) FROM entries").fetchone()[0])
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise
    _shrink(connection)
    return dropped


def clear_rows(connection: sqlite3.Connection) -> int:
    """Drop everything and shrink the file; how many entries that were."""
    (count,) = connection.execute("SELECT count(*) FROM entries").fetchone()
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("DELETE FROM entries")
        connection.execute("DELETE FROM bodies")
        connection.execute("COMMIT")
    except BaseException:
        _roll_back(connection)
        raise
    _shrink(connection)
    return int(count)


def _shrink(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")
