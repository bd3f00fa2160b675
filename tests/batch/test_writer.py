from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence

import pytest
from tests.batch.given import record

from penstock.batch.journal import Journal
from penstock.batch.writer import Written


def test_every_record_is_committed_once_however_many_come(journal: Journal) -> None:
    groups: list[int] = []

    async def main() -> None:
        writer = journal.writer(in_flight=lambda: 3, on_commit=lambda group: groups.append(len(group)))
        for n in range(3000):
            writer.put(record(n), b"{}")
            if n % 100 == 0:
                await asyncio.sleep(0)
        await writer.close()
        assert writer.uncommitted == 0

    asyncio.run(main())
    assert sum(groups) == 3000
    assert max(groups) <= 1024
    assert journal.states(3000) == bytes([1]) * 3000


def test_room_waits_while_too_much_is_uncommitted(journal: Journal) -> None:
    async def main() -> None:
        writer = journal.writer(in_flight=lambda: 0, bound=10)
        for n in range(10):
            writer.put(record(n), b"{}")
        assert writer.is_full
        await writer.room()
        assert not writer.is_full
        await writer.close()

    asyncio.run(main())


def test_what_is_committed_is_told_after_it_is_durable(journal: Journal) -> None:
    seen: list[int] = []

    def committed(group: Sequence[Written]) -> None:
        with sqlite3.connect(journal.path) as other:
            seen.append(other.execute("SELECT count(*) FROM answers").fetchone()[0])
        other.close()

    async def main() -> None:
        writer = journal.writer(in_flight=lambda: 0, on_commit=committed)
        writer.put(record(0), b"{}")
        await writer.close()

    asyncio.run(main())
    assert seen == [1]


def test_a_writer_that_fails_wakes_who_waits_and_says_why(journal: Journal) -> None:
    errors: list[Exception] = []

    async def main() -> None:
        writer = journal.writer(in_flight=lambda: 0, on_error=errors.append, bound=1)
        journal._connection.execute("DROP TABLE bodies")
        writer.put(record(0), b"{}")
        with pytest.raises(OSError, match="penstock: no such table"):
            await writer.room()
        with pytest.raises(OSError):
            await writer.close()

    asyncio.run(main())
    assert len(errors) == 1
