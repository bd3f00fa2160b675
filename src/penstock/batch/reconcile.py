"""An input that changed since: each item is known by its custom_id and the digest of its body."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec

from penstock.batch.schema import BAD, FAILED
from penstock.errors import JournalError

__all__ = ["Reconciled", "reconcile", "resample"]

_IS_SAMPLE = " OR ".join(f"custom_id GLOB '*#{'[0-9]' * digits}'" for digits in range(1, 7))

_RENAMES = {
    (False, True): (
        "UPDATE answers SET custom_id = custom_id || '#1'",
        # Samples of an earlier session may be among what is gone.
        f"UPDATE OR IGNORE gone SET custom_id = custom_id || '#1' WHERE NOT ({_IS_SAMPLE})",  # noqa: S608
    ),
    (True, False): tuple(
        f"UPDATE OR IGNORE {known} SET custom_id = substr(custom_id, 1, length(custom_id) - 2) "  # noqa: S608
        "WHERE custom_id LIKE '%#1'"
        for known in ("answers", "gone")
    ),
}
"""From (had samples) to (has samples): a lone answer is the first sample, and the other way round."""


class Reconciled(msgspec.Struct, frozen=True):
    """How an input differs from the one before: items that were known, are new, are gone."""

    known: int
    new: int
    gone: int


_SAME = """
INSERT INTO moved SELECT now.idx, k.custom_id, k.digest, k.state, k.body, k.request_id, k.meta
FROM temp.now AS now JOIN {known} AS k ON k.custom_id = now.custom_id AND k.digest = now.digest ORDER BY now.idx
"""
_GONE = """
INSERT OR REPLACE INTO gone SELECT custom_id, digest, state, body, request_id, meta FROM answers
WHERE state != ? AND custom_id NOT IN (SELECT custom_id FROM temp.now)
"""
_CHANGED = """
SELECT k.custom_id FROM {known} AS k JOIN temp.now AS now ON now.custom_id = k.custom_id
WHERE k.digest != now.digest AND k.state NOT IN ({free})
"""


_COLUMNS = "custom_id, digest, state, body, request_id, meta"
_SURPLUS = f"INSERT OR REPLACE INTO gone SELECT {_COLUMNS} FROM answers WHERE sample_of(custom_id) > ?"  # noqa: S608
_BACK = (
    f"INSERT INTO answers ({_COLUMNS}) SELECT {_COLUMNS} FROM gone WHERE sample_of(custom_id) BETWEEN 2 AND ? "  # noqa: S608
    "AND first_of(custom_id) IN (SELECT custom_id FROM answers) ORDER BY custom_id"
)


def reconcile(
    connection: sqlite3.Connection,
    items: Iterator[tuple[int, str, bytes]],
    *,
    failed_may_change: bool,
    samples_before: int = 1,
    samples: int = 1,
) -> Reconciled:
    """Give every known item the index that the input has for it now.

    `items` are (index, custom_id, digest) of the input. Ids that left it move to `gone`, and come back from there.
    Raises `JournalError` naming the first three known ids whose body is another now; nothing is changed then.
    """
    free = f"{BAD},{FAILED}" if failed_may_change else str(BAD)
    connection.execute("DROP TABLE IF EXISTS temp.now")
    connection.execute("CREATE TEMP TABLE now (idx INTEGER PRIMARY KEY, custom_id TEXT NOT NULL, digest BLOB NOT NULL)")
    connection.execute("BEGIN IMMEDIATE")
    try:
        _rename(connection, samples_before, samples)
        connection.executemany("INSERT INTO temp.now VALUES (?, ?, ?)", items)
        connection.execute("CREATE UNIQUE INDEX temp.now_id ON now (custom_id)")
        changed = [
            str(row[0])
            for known in ("answers", "gone")
            for row in connection.execute(_CHANGED.format(known=known, free=free) + " LIMIT 4")
        ]
        if changed:
            raise _changed_bodies(changed)
        result = _move(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    finally:
        connection.execute("DROP TABLE IF EXISTS temp.now")
    return result


def resample(connection: sqlite3.Connection, *, before: int, now: int) -> None:
    """Give the items of an input that can't be read ahead the ids that they have with `now` samples a row.

    Samples beyond that move to `gone`; those that an earlier session set aside come back, behind all others.
    """
    if before == now:
        return
    connection.create_function("sample_of", 1, _sample_of, deterministic=True)
    connection.create_function("first_of", 1, lambda custom_id: custom_id.rpartition("#")[0] + "#1", deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    try:
        if before > 1:
            connection.execute(_SURPLUS, (now,))
            connection.execute("DELETE FROM answers WHERE sample_of(custom_id) > ?", (now,))
        _rename(connection, before, now)
        if now > 1:
            connection.execute(_BACK, (now,))
            connection.execute("DELETE FROM gone WHERE custom_id IN (SELECT custom_id FROM answers)")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _sample_of(custom_id: str) -> int:
    number = custom_id.rpartition("#")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


def _rename(connection: sqlite3.Connection, before: int, now: int) -> None:
    for statement in _RENAMES.get((before > 1, now > 1), ()):
        connection.execute(statement)
    # In the same transaction: a second time it would rename what it has renamed.
    connection.execute("INSERT OR REPLACE INTO run VALUES ('samples', ?)", (msgspec.json.encode(now),))


def _move(connection: sqlite3.Connection) -> Reconciled:
    total = _count(connection, "temp.now")
    connection.execute(
        "CREATE TABLE moved (idx INTEGER PRIMARY KEY, custom_id TEXT NOT NULL, digest BLOB NOT NULL, "
        "state INTEGER NOT NULL, body INTEGER, request_id TEXT, meta BLOB NOT NULL)"
    )
    connection.execute(_SAME.format(known="answers").replace("ORDER BY", f"AND k.state != {BAD} ORDER BY"))
    connection.execute(_SAME.format(known="gone").replace("INSERT", "INSERT OR IGNORE"))
    before = _count(connection, "gone")
    connection.execute(_GONE, (BAD,))
    gone = _count(connection, "gone") - before
    connection.execute("DELETE FROM gone WHERE custom_id IN (SELECT custom_id FROM temp.now)")
    connection.execute("DROP TABLE answers")
    connection.execute("ALTER TABLE moved RENAME TO answers")
    known = _count(connection, "answers")
    return Reconciled(known=known, new=total - known, gone=gone)


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def _changed_bodies(ids: list[str]) -> JournalError:
    shown = ", ".join(repr(custom_id) for custom_id in ids[:3]) + (", ..." if len(ids) > 3 else "")
    return JournalError(
        f"the input has another body than before for {shown}. Give changed prompts new ids, "
        "or start anew with --fresh (the old journal is kept as .bak)"
    )
