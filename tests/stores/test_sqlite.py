"""The SQLite store: bounds, several processes, death at any moment."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.stores.given import filled, is_sound

from penstock.stores import Found, StoreError
from penstock.stores.sqlite import SqliteStore
from penstock.stores.sqlite_file import connect_writer, place
from penstock.stores.sqlite_rows import find_rows, insert, renew

T = TypeVar("T")


class Now:
    """The time of day, as a test says."""

    def __init__(self) -> None:
        self.s = 1_000_000.0

    def __call__(self) -> float:
        return self.s


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(main)


async def held(store: SqliteStore, count: int) -> list[int]:
    return [number for number in range(count) if await store.get([b"k%d" % number]) is not None]


def test_what_is_too_old_is_never_found_and_dropped_by_and_by(tmp_path: Path) -> None:
    async def main() -> None:
        now = Now()
        store = SqliteStore(tmp_path / "c", ttl_s=100, now=now)
        store.put(b"old", b"1")
        await store.flush()
        now.s += 60
        store.put(b"young", b"2")
        await store.flush()
        now.s += 50
        assert await store.get([b"old"]) is None
        assert await store.get([b"old", b"young"]) is not None
        now.s += 60
        store.put(b"new", b"3")
        await store.flush()
        assert (await store.stats()).entries == 1
        await store.aclose()

    run(main())


def test_what_is_too_old_isnt_found_among_its_neighbours(tmp_path: Path) -> None:
    filled(tmp_path / "c", 1)
    connection = connect_writer(tmp_path / "c")
    young = {b"k%d" % number: b"young" for number in range(40)}
    insert(connection, {b"old": b"old", b"other": b"old"}, 100)
    insert(connection, dict(list(young.items())[:20]), 200)
    renew(connection, [b"old"])
    insert(connection, dict(list(young.items())[20:]), 200)
    keys = [b"other", *young, b"old"]
    assert find_rows(connection, keys, 150) == young
    assert find_rows(connection, keys[::5], 150) == {key: b"young" for key in keys[::5] if key in young}
    assert find_rows(connection, keys, None) == young | {b"old": b"old", b"other": b"old"}
    connection.close()


def test_prune_drops_what_is_too_old_and_gives_back_the_room(tmp_path: Path) -> None:
    async def main() -> None:
        now = Now()
        store = SqliteStore(tmp_path / "c", ttl_s=100, now=now)
        for number in range(500):
            store.put(b"k%d" % number, os.urandom(2000))
        await store.flush()
        now.s += 101
        store.put(b"new", b"3")
        before = (await store.stats()).size_bytes or 0
        await store.prune()
        stats = await store.stats()
        assert stats.entries == 1
        assert stats.size_bytes is not None
        assert stats.size_bytes < before / 10
        await store.aclose()

    run(main())


def test_the_file_stays_within_its_size_and_the_oldest_go_first(tmp_path: Path) -> None:
    async def main() -> None:
        most = 2_000_000
        store = SqliteStore(tmp_path / "c", max_bytes=most)
        for number in range(4000):
            store.put(b"k%d" % number, os.urandom(1500))
            if number % 100 == 99:
                await store.flush()
        left = await held(store, 4000)
        await store.aclose()
        assert 300 < len(left) < 1400
        assert left == list(range(4000 - len(left), 4000))
        assert (tmp_path / "c").stat().st_size < most * 1.5

    run(main())


def test_what_is_used_outlives_what_isnt(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path / "c", max_bytes=2_000_000)
        for number in range(4000):
            store.put(b"k%d" % number, os.urandom(1500))
            if number % 100 == 99:
                assert await store.get([b"k7"]) is not None
                await store.flush()
        assert await store.get([b"k8"]) is None
        await store.aclose()

    run(main())


CHILD = """
import asyncio, sys
from pathlib import Path
from penstock.stores.sqlite import SqliteStore

async def main():
    store = SqliteStore(Path(sys.argv[1]), max_bytes=int(sys.argv[4]))
    print("open", flush=True)
    for number in range(int(sys.argv[3])):
        key = f"{sys.argv[2]}-{number}".encode()
        store.put(key, key * 100)
        if number % 50 == 49:
            await store.flush()
            print(number, flush=True)
        await store.get([key])
    await store.aclose()

asyncio.run(main())
"""


def child(path: Path, name: str, count: int, most: int = 10**9) -> subprocess.Popen[str]:
    arguments = [str(path), name, str(count), str(most)]
    return subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stdout=subprocess.PIPE, text=True)


def test_several_processes_write_at_once_and_see_each_other(tmp_path: Path) -> None:
    path = tmp_path / "c"
    children = [child(path, f"p{number}", 600) for number in range(4)]
    assert [one.communicate()[0] and one.returncode for one in children] == [0] * 4

    async def main() -> None:
        store = SqliteStore(path)
        for number in range(4):
            for count in range(600):
                key = b"p%d-%d" % (number, count)
                found = await store.get([key])
                assert found is not None
                assert found.value == key * 100
        await store.aclose()

    run(main())
    assert is_sound(path)


@pytest.mark.parametrize("at", [1, 3, 8])
def test_what_was_flushed_survives_kill_9(tmp_path: Path, at: int) -> None:
    path = tmp_path / "c"
    other = child(path, "other", 2000)
    victim = child(path, "victim", 100_000)
    assert victim.stdout is not None
    assert victim.stdout.readline() == "open\n"
    for _ in range(at):
        flushed = int(victim.stdout.readline())
    os.kill(victim.pid, signal.SIGKILL)
    victim.communicate()
    other.communicate()
    assert other.returncode == 0

    async def main() -> None:
        store = SqliteStore(path)
        for number in range(flushed + 1):
            key = b"victim-%d" % number
            found = await store.get([key])
            assert found is not None
            assert found.value == key * 100
        store.put(b"after", b"1")
        await store.flush()
        await store.aclose()

    run(main())
    assert is_sound(path)


def test_a_full_disk_loses_answers_and_nothing_else(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path / "c")
        store.put(b"before", b"1")
        await store.flush()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
        try:
            store.put(b"too big", os.urandom(1_000_000))
            with pytest.raises(StoreError):
                await store.flush()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, ignored)
        assert store.trouble is not None
        assert await store.get([b"too big"]) is None
        assert await store.get([b"before"]) is not None
        store.put(b"after", b"2")
        await store.flush()
        assert store.trouble is None
        assert store.lost is not None
        await store.aclose()

    run(main())


def test_the_size_is_kept_however_fast_it_is_filled(tmp_path: Path) -> None:
    async def main() -> None:
        most = 2_000_000
        store = SqliteStore(tmp_path / "c", max_bytes=most)
        for number in range(40_000):
            store.put(b"k%d" % number, b"v" * 200)
            if number % 2000 == 1999:
                await store.flush()
        assert (tmp_path / "c").stat().st_size < most * 2
        assert await held(store, 20_000) == []
        await store.aclose()

    run(main())


def test_what_is_too_old_goes_however_much_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        now = Now()
        store = SqliteStore(tmp_path / "c", ttl_s=100, now=now)
        for number in range(10_000):
            store.put(b"k%d" % number, b"v")
        await store.flush()
        now.s += 200
        for number in range(10):
            store.put(b"new%d" % number, b"v")
            await store.flush()
            now.s += 1
        assert (await store.stats()).entries == 10
        await store.aclose()

    run(main())


def test_a_full_disk_can_be_cleared(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path / "c")
        for number in range(5000):
            store.put(b"k%d" % number, os.urandom(200))
        await store.flush()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
        try:
            assert await store.clear() == 5000
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, ignored)
        assert await held(store, 5000) == []
        assert ((await store.stats()).size_bytes or 0) < 60_000
        store.put(b"after", b"2")
        await store.flush()
        assert await store.get([b"after"]) is not None
        await store.aclose()

    run(main())


def test_of_two_keys_in_one_place_the_later_one_stays(tmp_path: Path) -> None:
    async def main() -> None:
        store = SqliteStore(tmp_path / "c")
        one, other = (b"12345678" + middle * 16 + b"12345678" for middle in (b"a", b"b"))
        assert place(one) == place(other)
        for key in (one, other):
            store.put(key, key)
            await store.flush()
        assert (await store.get([one]), await store.get([other])) == (None, Found(0, other))
        assert store.get_many([one, other]) == {other: other}
        assert await store.prune() == 0
        assert store.get_many([one, other]) == {other: other}
        await store.aclose()

    run(main())
