"""Every store sits the same exam, and the exam finds what is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.stores.given import has_redis, redis_server

from penstock.stores import Found, open_store
from penstock.stores.memory import MemoryStore
from penstock.testing import exercise_store


def test_memory_passes() -> None:
    store = MemoryStore()
    asyncio.run(exercise_store(lambda: store, lasts=True, shared=True))


def test_sqlite_passes(tmp_path: Path) -> None:
    asyncio.run(exercise_store(lambda: open_store(f"sqlite:{tmp_path}/answers.sqlite"), lasts=True, shared=True))


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    if not has_redis():
        pytest.skip("no redis-server is installed")
    with redis_server() as (url, _):
        yield url


def test_redis_passes(redis_url: str) -> None:
    asyncio.run(exercise_store(lambda: open_store(redis_url), lasts=True, shared=True))


class _Forgetful(MemoryStore):
    def put(self, key: bytes, value: bytes) -> None:
        if not key.startswith(b"many-99"):
            super().put(key, value)


class _Inventive(MemoryStore):
    async def get(self, keys: Sequence[bytes]) -> Found | None:
        return await super().get(keys) or (Found(0, b"surely") if keys else None)


class _LastFirst(MemoryStore):
    async def get(self, keys: Sequence[bytes]) -> Found | None:
        found = await super().get(keys[::-1])
        return found and Found(len(keys) - 1 - found.place, found.value)


class _Stubborn(MemoryStore):
    def put(self, key: bytes, value: bytes) -> None:
        if key not in self._entries:
            super().put(key, value)


class _Uncounted(MemoryStore):
    async def clear(self) -> int:
        await super().clear()
        return 0


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (_Forgetful, "lost among many"),
        (_Inventive, "made a value up"),
        (_LastFirst, "expected the value of the first key"),
        (_Stubborn, "an older value is found"),
        (_Uncounted, "says how many"),
    ],
)
def test_the_exam_finds_what_is_wrong(kind: type[MemoryStore], message: str) -> None:
    store = kind()
    with pytest.raises(AssertionError, match=message):
        asyncio.run(exercise_store(lambda: store))


def test_the_exam_finds_a_store_that_doesnt_last() -> None:
    with pytest.raises(AssertionError, match="gone after"):
        asyncio.run(exercise_store(MemoryStore, lasts=True))
