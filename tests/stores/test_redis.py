"""The store on a Redis server: its time to live, its place among others, and a server that goes away."""

from __future__ import annotations

import asyncio

import pytest
import redis
from tests.stores.given import has_redis, redis_server

from penstock import AsyncClient
from penstock.stores import StoreError, open_store

pytestmark = pytest.mark.skipif(not has_redis(), reason="no redis-server is installed")


def test_the_server_drops_what_is_too_old_and_keeps_what_isnt_ours() -> None:
    with redis_server() as (url, _):
        plain = redis.Redis.from_url(url)
        plain.set("somebody else's", "1")

        async def main() -> None:
            store = open_store(url, ttl_s=3600)
            store.put(b"key", b"value")
            await store.flush()
            assert 3_500_000 < plain.pttl(b"penstock:1:key") <= 3_600_000
            assert await store.clear() == 1
            await store.aclose()

        asyncio.run(main())
        assert plain.keys() == [b"somebody else's"]
        plain.close()


def test_a_server_that_goes_away_fails_no_call_and_says_why() -> None:
    with redis_server() as (url, process):

        async def main() -> None:
            async with AsyncClient("sim/fast", config={}, cache=url) as client:
                assert not (await client.generate("hi")).cached
                assert (await client.generate("hi")).cached
                process.kill()
                process.wait()
                assert (await client.generate("hi")).text
                assert (await client.generate("ho")).text
                assert client._engine.caching.trouble is not None

        asyncio.run(main())


def test_an_outage_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with AsyncClient("sim/fast", config={}, cache="redis://127.0.0.1:1/0") as client:
            for n in range(3):
                assert (await client.generate(f"hi {n}")).text

    asyncio.run(main())
    assert len([record for record in caplog.records if record.name == "penstock.cache"]) == 1


def test_a_password_is_never_shown() -> None:
    async def main() -> None:
        store = open_store("redis://someone:not-a-secret@127.0.0.1:1/0")
        with pytest.raises(StoreError) as caught:
            await store.get([b"key"])
        store.put(b"key", b"value")
        with pytest.raises(StoreError):
            await store.flush()
        await store.aclose()
        assert "not-a-secret" not in str(caught.value)
        assert "127.0.0.1:1" in str(caught.value)

    asyncio.run(main())
