"""The exam of a cache's store: what every one must keep to, whoever wrote it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from operator import mul

from penstock.stores import Found, Many, Store, StoreStats

__all__ = ["exercise_store"]

MOST_KEY_BYTES = 64


async def exercise_store(open_store: Callable[[], Store], *, lasts: bool = False, shared: bool = False) -> None:
    """Raises `AssertionError` where a store breaks a promise of `penstock.stores.Store`.

    `open_store` opens the same, at first empty, store each time it is called. `lasts`: what was put is there when it
    is opened again. `shared`: two that are open at once see each other's values after a `flush`.
    """
    await _keeps_what_it_is_given(open_store)
    await _answers_by_the_first_key(open_store)
    await _takes_any_bytes(open_store)
    await _is_read_at_once(open_store)
    await _replaces(open_store)
    await _is_used_by_many_at_once(open_store)
    await _counts_and_clears(open_store)
    await _closes_twice(open_store)
    if lasts:
        await _lasts(open_store)
    if shared:
        await _is_shared(open_store)


async def _keeps_what_it_is_given(open_store: Callable[[], Store]) -> None:
    store = open_store()
    try:
        assert await store.get([b"never put"]) is None, "made a value up"
        assert await store.get([]) is None, "found something under no key"
        store.put(b"one", b"1")
        assert await store.get([b"one"]) == Found(0, b"1"), "a value isn't found right after it was put"
        await store.flush()
        assert await store.get([b"one"]) == Found(0, b"1"), "a value isn't found after a flush"
        assert await store.get([b"One"]) is None, "keys are told apart byte by byte"
    finally:
        await store.aclose()


async def _answers_by_the_first_key(open_store: Callable[[], Store]) -> None:
    store = open_store()
    try:
        store.put(b"second", b"2")
        store.put(b"third", b"3")
        for _ in range(2):
            found = await store.get([b"absent", b"second", b"third"])
            assert found == Found(1, b"2"), f"expected the value of the first key that has one, got {found}"
            assert await store.get([b"third", b"second"]) == Found(0, b"3"), "the order of the keys counts"
            await store.flush()
    finally:
        await store.aclose()


async def _is_read_at_once(open_store: Callable[[], Store]) -> None:
    store = open_store()
    try:
        if not isinstance(store, Many):
            return
        keys = [os.urandom(32) for _ in range(300)] + [b"a", b"b"]
        for key in keys[::2]:
            store.put(key, key * 2)
        for key in keys[100:200]:
            store.put_later(key, partial(mul, key, 2), 64)
        store.put_many({key: key * 2 for key in keys[150:250]})
        store.put_many({})
        known = {key: key * 2 for key in {*keys[::2], *keys[100:250]}}
        for _ in range(2):
            assert store.get_many([]) == {}, "found something under no key"
            assert store.get_many([*keys, *keys]) == known, "many keys at once find other values than one by one"
            for key in keys[95:105]:
                found = await store.get([key])
                assert (found and found.value) == known.get(key), "a value that is made later isn't found"
            await store.flush()
    finally:
        await store.aclose()


async def _takes_any_bytes(open_store: Callable[[], Store]) -> None:
    values = {
        bytes(range(32)): b"",
        b"\0" * MOST_KEY_BYTES: bytes(range(256)),
        b"\xff:*?[a]\n": b"\r\n$3\r\nGET\r\n",
        b"large": os.urandom(3_000_000),
    }
    store = open_store()
    try:
        for key, value in values.items():
            store.put(key, value)
        await store.flush()
        for key, value in values.items():
            assert await store.get([key]) == Found(0, value), f"the value of {key[:8]!r} came back changed"
    finally:
        await store.aclose()


async def _replaces(open_store: Callable[[], Store]) -> None:
    store = open_store()
    try:
        for value in (b"old", b"newer", b"newest"):
            store.put(b"again", value)
            assert await store.get([b"again"]) == Found(0, value), "an older value is found"
            if value != b"newer":
                await store.flush()
        assert await store.get([b"again"]) == Found(0, b"newest"), "an older value is found after a flush"
    finally:
        await store.aclose()


async def _is_used_by_many_at_once(open_store: Callable[[], Store]) -> None:
    store = open_store()

    async def use(number: int) -> None:
        key = b"many-%d" % number
        store.put(key, key * 10)
        await asyncio.sleep(0)
        assert await store.get([key]) == Found(0, key * 10), "a value is lost among many"

    try:
        await asyncio.gather(*(use(number) for number in range(1000)))
        await store.flush()
        await asyncio.gather(*(use(number) for number in range(0, 1000, 7)))
    finally:
        await store.aclose()


async def _counts_and_clears(open_store: Callable[[], Store]) -> None:
    store = open_store()
    try:
        await store.clear()
        for number in range(5):
            store.put(b"count-%d" % number, b"value")
        await store.flush()
        stats = await store.stats()
        assert isinstance(stats, StoreStats), "stats are StoreStats"
        assert stats.where, "a store says what it is called"
        assert stats.entries in (None, 5), f"5 entries were counted as {stats.entries}"
        assert await store.prune() == 0, "dropped what isn't old"
        assert await store.get([b"count-4"]) is not None, "prune dropped what isn't old"
        assert await store.clear() == 5, "clear says how many entries it dropped"
        assert await store.get([b"count-4"]) is None, "a value is found after clear"
        assert (await store.stats()).entries in (None, 0), "entries are counted after clear"
        store.put(b"after", b"clear")
        assert await store.get([b"after"]) == Found(0, b"clear"), "a store that was cleared goes on"
    finally:
        await store.aclose()


async def _closes_twice(open_store: Callable[[], Store]) -> None:
    store = open_store()
    store.put(b"last", b"word")
    await store.aclose()
    await store.aclose()


async def _lasts(open_store: Callable[[], Store]) -> None:
    first = open_store()
    first.put(b"lasting", b"value")
    await first.aclose()
    second = open_store()
    try:
        assert await second.get([b"lasting"]) == Found(0, b"value"), "a value is gone after the store was closed"
    finally:
        await second.aclose()


async def _is_shared(open_store: Callable[[], Store]) -> None:
    one, other = open_store(), open_store()
    try:
        for number in range(20):
            key = b"shared-%d" % number
            writer, reader = (one, other) if number % 2 else (other, one)
            writer.put(key, b"from the other side")
            await writer.flush()
            assert await reader.get([key]) == Found(0, b"from the other side"), "the other one doesn't see a value"
        one.put(b"both", b"one")
        other.put(b"both", b"other")
        await asyncio.gather(one.flush(), other.flush())
        seen = {(await store.get([b"both"]) or Found(0, b""))[1] for store in (one, other)}
        assert len(seen) == 1, "two that are open at once disagree"
        assert seen <= {b"one", b"other"}, "a value that nobody put"
    finally:
        await one.aclose()
        await other.aclose()
