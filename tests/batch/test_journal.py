from __future__ import annotations

import os
import sqlite3
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from tests.batch.given import record, write

from penstock.batch.journal import Journal
from penstock.batch.lock import is_locked
from penstock.batch.reader import open_run
from penstock.batch.schema import ANSWERED, BAD, FAILED
from penstock.errors import JournalError


def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl.penstock"
    with Journal(path) as journal:
        journal.begin_session()
        write(journal, record(2), record(0))
    with Journal(path) as journal:
        assert [item.idx for item in journal.items()] == [0, 2]
        assert journal.states(4) == bytes([ANSWERED, 0, ANSWERED, 0])


def test_items_come_in_input_order_with_their_own_bodies(journal: Journal) -> None:
    write(journal, record(1, body=7), raw=b'{"n":1}')
    write(journal, record(0, body=8), raw=b'{"n":0}')
    assert [(item.idx, item.raw) for item in journal.items()] == [(0, b'{"n":0}'), (1, b'{"n":1}')]


def test_equal_rows_point_at_one_body(journal: Journal) -> None:
    write(journal, record(0, body=1))
    import asyncio

    async def follower() -> None:
        writer = journal.writer(in_flight=lambda: 0)
        writer.put(record(1, body=1))
        await writer.close()

    asyncio.run(follower())
    assert [item.raw for item in journal.items()] == [b'{"answer":1}'] * 2


def test_a_retried_item_replaces_its_failure(journal: Journal) -> None:
    write(journal, record(0, state=FAILED, body=1))
    write(journal, record(0, body=2), raw=b'{"n":2}')
    assert [(item.state, item.raw) for item in journal.items()] == [(ANSWERED, b'{"n":2}')]
    assert journal.next_body() == 3


def test_two_runs_on_one_journal_are_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "j.penstock"
    with Journal(path) as journal:
        with pytest.raises(JournalError, match="another run"):
            Journal(path)
        assert is_locked(path)
        journal.remember(id="still mine")
    assert not is_locked(path)
    assert sorted(os.listdir(tmp_path)) == ["j.penstock"]


def test_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "j.penstock"
    code = (
        "import os, sys; from pathlib import Path; from penstock.batch.journal import Journal;"
        f"j = Journal(Path({str(path)!r})); j.begin_session(); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with Journal(path) as journal:
        assert journal.begin_session() == 0


def test_a_newer_journal_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "j.penstock"
    Journal(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version=99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="newer penstock"):
        Journal(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not a database at all, but long enough to be one" * 10, "damaged"),
        (b"SQLite format 3\0", "damaged"),
        (b"SQLite format 3\0" + bytes(84), "not a penstock journal"),
    ],
)
def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "j.penstock"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=said):
        Journal(path)
    assert path.read_bytes() == content


def test_a_cut_journal_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "j.penstock"
    with Journal(path) as journal:
        journal.begin_session()
        write(journal, *(record(n) for n in range(2000)))
        journal.end_session(stopped=None, exit_code=0)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    cut = path.read_bytes()
    with pytest.raises(JournalError, match="damaged"), Journal(path) as journal:
        journal.states(2000)
        list(journal.items())
    assert path.read_bytes() == cut


def test_a_torn_last_write_loses_only_what_was_not_committed(tmp_path: Path) -> None:
    path = tmp_path / "j.penstock"
    code = (
        "import os, sys; sys.path.insert(0, '.'); from pathlib import Path;"
        "from tests.batch.given import record, write; from penstock.batch.journal import Journal;"
        f"j = Journal(Path({str(path)!r})); j.begin_session();"
        "write(j, *(record(n) for n in range(100))); write(j, *(record(n) for n in range(100, 150)));"
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2])
    wal = path.with_name(path.name + "-wal")
    whole = wal.read_bytes()
    wal.write_bytes(whole[:-1500])
    with Journal(path) as journal:
        assert [item.idx for item in journal.items()] == list(range(100))


def test_a_kill_is_told_with_what_was_in_flight(tmp_path: Path) -> None:
    path = tmp_path / "j.penstock"
    code = (
        "import asyncio, os, sys; sys.path.insert(0, '.'); from pathlib import Path;"
        "from tests.batch.given import record; from penstock.batch.journal import Journal\n"
        "async def main():\n"
        f"    j = Journal(Path({str(path)!r})); j.begin_session(); w = j.writer(in_flight=lambda: 7)\n"
        "    w.put(record(0), b'{}'); await w.close(); os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parents[2])
    with open_run(path) as run:
        assert not run.is_running
    with Journal(path) as journal:
        assert journal.begin_session() == 7


def test_a_new_journal_says_its_version_in_the_file_itself(tmp_path: Path) -> None:
    path = tmp_path / "j.penstock"
    with Journal(path):
        head = path.read_bytes()[:100]
        assert struct.unpack_from(">I", head, 60)[0] == 1
        assert head[68:72] == b"pens"


def test_bad_lines_are_judged_anew(journal: Journal) -> None:
    write(journal, record(0), record(1, state=BAD), record(2, state=FAILED))
    journal.drop_states(BAD)
    assert journal.states(3) == bytes([ANSWERED, 0, FAILED])
    assert journal.counts() == {ANSWERED: 1, FAILED: 1}
